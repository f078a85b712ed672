"""When an object will expire by its bucket's lifecycle, as answers tell it."""

from __future__ import annotations

from collections.abc import Mapping

from godos.model.objects import IBuckets
from godos.model.versions import ObjectVersion
from godos.protocol.lifecycle import expiration_of, rules_of

SETTING = "lifecycle"
_NEVER: Mapping[str, str] = {}


class Expirations:
    """Reads the rules of buckets, most of which have none."""

    def __init__(self, objects: IBuckets) -> None:
        self._objects = objects

    async def told(self, version: ObjectVersion) -> Mapping[str, str]:
        """The member `Expiration`, or nothing."""
        document = (await self._objects.settings(version.bucket)).get(SETTING)
        if document is None:
            return _NEVER
        expiration = expiration_of(rules_of(document), version)
        return _NEVER if expiration is None else {"Expiration": expiration}
