"""
All blobs under the policies that are wanted of them now.

What is wanted depends on the versions that refer to a blob: on their buckets, on their
storage classes, and, for `auto`, on the number of nodes.  So all versions are walked first,
and then the blobs they name.  A blob that several share gets the strongest policy that
any of them wants, and so becomes weaker only when all of them want less.  Parts of uploads
that are not completed wait until they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from godos.cluster.members import IMembers
from godos.deferreds import InThread
from godos.model.blobs import Blob, BlobState
from godos.model.catalog import ICatalog
from godos.model.errors import InvalidBucketState
from godos.model.policy import Policy
from godos.objects.redundancy import Redundancy
from godos.objects.upkeep.tasks import NOTHING_TO_DO, Batch, IMender, Settled
from godos.objects.upkeep.versions_walk import all_versions, blobs_of
from godos.objects.upkeep.wanting import mark_of, strongest
from godos.objects.upkeep.wishes import Wish, Wishes
from godos.protocol.placement import failure_domains

PAGE = 500  # blobs looked at in one batch
_Wanted = tuple[str, frozenset[str]]
_AS_IT_IS = ""  # the wish of a bucket whose own policy is none: it may mean more than any other


class Conversion:
    """
    Cursors are `<mark>:<incarnation>`: when policies changed since, all begins anew.

    Args:
        redundancy: which policy is wanted of a version.
        in_thread: where the wishes are kept.
    """

    persists = False
    complete = True

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        mender: IMender,
        redundancy: Redundancy,
        clock: IReactorTime,
        in_thread: InThread,
        page: int = PAGE,
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._mender = mender
        self._redundancy = redundancy
        self._clock = clock
        self._page = page
        self._wishes = Wishes(in_thread)
        self._mark = ""  # of the policies with which the wishes were gathered

    async def begin(self) -> str:
        return f"{await self._mark_now()}:"

    async def total(self) -> int:
        await self._gather()
        return await self._wishes.count()

    async def batch(self, cursor: str) -> Batch:
        await self._gather()
        mark, _, after = cursor.partition(":")
        wanted = await self._wishes.after(after if mark == self._mark else "", self._page)
        more = len(wanted) == self._page
        return Batch(wanted, f"{self._mark}:{wanted[-1][0]}" if more else None)

    async def _gather(self) -> None:
        if self._mark:
            return
        mark = await self._mark_now()
        async for bucket, versions in all_versions(self._catalog, self._pause):
            settings = await self._catalog.settings(bucket)
            wishes: list[Wish] = []
            for version in versions:
                wanted = self._wish(settings, version.attributes.storage_class)
                wishes += [(blob, wanted) for blob in await blobs_of(self._catalog, version)]
            await self._wishes.add(wishes)
        self._mark = mark

    def _wish(self, settings: Mapping[str, Any], storage_class: str) -> str:
        """The policy that is wanted, or `_AS_IT_IS`."""
        try:
            return self._redundancy.wanted(settings, storage_class)
        except InvalidBucketState:  # uploads into the bucket are told; see `mark_of`
            return _AS_IT_IS

    def _pause(self, seconds: float) -> Deferred[None]:
        return deferLater(self._clock, seconds)

    async def _mark_now(self) -> str:
        return await mark_of(self._catalog, self._redundancy, self._members.registered())

    async def settle(self, item: _Wanted) -> Settled:
        incarnation, texts = item
        blob: Blob | None = await self._catalog.blob(incarnation)
        if blob is None or blob.state is not BlobState.LIVE:
            return NOTHING_TO_DO  # nobody needs it any more
        if _AS_IT_IS in texts:
            return NOTHING_TO_DO
        policy = strongest(texts, blob.size, self._members.registered())
        if policy == blob.policy:
            return NOTHING_TO_DO
        refusal = self._impossible(policy)
        if refusal:
            return Settled(trouble=refusal)
        mended = await self._mender.convert(blob, policy)
        trouble = ""
        if mended.blob is not None and mended.blob.policy != policy:
            trouble = mended.trouble or f"a blob stays {mended.blob.policy}"
        return Settled(mended.fragments, mended.bytes, trouble)

    def _impossible(self, policy: Policy) -> str:
        """Why nothing could be stored under a policy; empty when it could."""
        nodes = failure_domains(self._members.registered())
        if not policy.coded or nodes >= policy.width:
            return ""
        return f"the policy {policy} needs {policy.width} nodes, and there are {nodes}"

    async def close(self) -> None:
        await self._wishes.close()
