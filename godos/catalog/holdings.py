"""How a commit gets hold of its bytes, and what tells later that it did."""

from __future__ import annotations

from typing import Protocol

from godos.catalog.items import Action, IItemStore
from godos.catalog.places import Place, blob_place, manifest_place, reference_place
from godos.catalog.plans import referenced
from godos.catalog.records import ManifestState
from godos.model.blobs import BlobState
from godos.model.errors import Conflict
from godos.model.multipart import NewPart
from godos.model.versions import NewVersion, ObjectVersion


class Holding(Protocol):
    """What a commit does for its bytes, beside making the version."""

    @property
    def lasting(self) -> bool:
        """Whether its traces stay for so long that, where there are none, nothing was done."""

    async def actions(self, version: ObjectVersion, now: float) -> list[Action]:
        """What the transaction adds; asked in each turn anew, and may refuse."""

    async def check(self) -> None:
        """After a refusal.  Fails: Conflict, when these bytes can be had no more."""

    async def traces(self) -> bool:
        """Whether rows that only this commit writes are there."""


class Stored:
    """Bytes that were stored before: a new blob, or a blob or list of parts that is shared."""

    def __init__(self, items: IItemStore, new: NewVersion | NewPart) -> None:
        self._items, self._new = items, new
        self._manifest = new.manifest if isinstance(new, NewVersion) else None

    @property
    def lasting(self) -> bool:
        """A blob's row is removed by the collector only."""
        return self._manifest is None and self._new.blob is not None and not self._new.blob.rev

    async def actions(self, _version: ObjectVersion, now: float) -> list[Action]:
        return referenced(self._new, now)

    async def check(self) -> None:
        blob = self._new.blob
        if self._manifest is not None:
            await self._check_live(manifest_place(self._manifest), ManifestState.LIVE)
        elif blob is not None and blob.rev:
            await self._check_live(blob_place(blob.incarnation), BlobState.LIVE)

    async def traces(self) -> bool:
        place = self._trace
        return place is not None and await self._items.get(*place) is not None

    @property
    def _trace(self) -> Place | None:
        blob, operation = self._new.blob, self._new.operation
        if self._manifest is not None:
            return reference_place(self._manifest, operation)
        if blob is None:
            return None
        if blob.rev:
            return reference_place(blob.incarnation, operation)
        return blob_place(blob.incarnation)

    async def _check_live(self, place: Place, live: str) -> None:
        standing = await self._items.get(*place)
        if standing is None or standing.state != live:
            raise Conflict("the stored bytes this refers to are being removed: upload them anew")
