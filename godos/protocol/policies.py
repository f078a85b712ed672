"""
The AWS policy language: what a bucket's policy, or a user's own, says of a request.

The parts: `policies_reading` and `policies_parsing` make statements of JSON,
`policies_statements` holds them and judges, `policies_conditions` and `policies_operators`
compare, `policies_templates` and `policies_wildcards` match text, `policies_facts` is what
is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from godos.protocol.policies_reading import MalformedPolicy, read_user_policy, stored_bucket_policy
from godos.protocol.policies_statements import Policy

_KEPT = 512  # policies that were read


class Shelf:
    """
    Policies that were read, by the documents that they were read from.

    A document is known by its identity, and must not be changed: settings of buckets and
    users of credentials are read anew when they change.
    """

    def __init__(self) -> None:
        self._read: dict[int, tuple[Any, Policy | None]] = {}

    def of_bucket(self, document: Mapping[str, Any]) -> Policy | None:
        """The policy of a setting `{"text": JSON}`; None when it cannot be read."""
        return self._get(document, _stored)

    def of_user(self, document: Mapping[str, Any]) -> Policy | None:
        """A user's own policy; None when it cannot be read."""
        return self._get(document, read_user_policy)

    def _get(
        self, document: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Policy]
    ) -> Policy | None:
        kept = self._read.get(id(document))
        if kept is not None and kept[0] is document:
            return kept[1]
        try:
            policy = read(document)
        except MalformedPolicy:
            policy = None  # whoever asks denies all
        if len(self._read) >= _KEPT:
            del self._read[next(iter(self._read))]
        self._read[id(document)] = document, policy
        return policy


def _stored(document: Mapping[str, Any]) -> Policy:
    text = document.get("text") if isinstance(document, Mapping) else None
    if not isinstance(text, str):
        raise MalformedPolicy("the stored policy has no text")
    return stored_bucket_policy(text)
