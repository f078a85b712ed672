"""How much the buckets with a quota hold: counted by whoever holds the lease."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import NoSuchBucket
from godos.model.multipart import MultipartUpload
from godos.model.versions import Bucket
from godos.objects.quotas import NOTHING, QUOTA, USAGE, Amount

LEASE = "usage"
EVERY = 300.0  # seconds between two rounds
PAGE = 1000  # versions, uploads or parts read at a time
PAUSE = 0.02  # seconds between two pages, so that requests come first


class UsageSurvey(Periodic):
    """
    Writes the setting "usage" of each bucket that has a "quota".

    It is `{"bytes": …, "objects": …, "surveyed": …}`: all versions but delete markers, and
    the parts of open uploads; `surveyed` is when counting began, in seconds since the
    epoch.  Two at once do no harm: each writes what it counted.
    """

    def __init__(
        self,
        catalog: ICatalog,
        clock: IReactorTime,
        holder: str,
        every: float = EVERY,
        pause: float = PAUSE,
    ) -> None:
        super().__init__("counting what buckets hold", self.round, every, clock, at_once=True)
        self._catalog = catalog
        self._clock = clock
        self._holder = holder
        self._every = every
        self._pause = pause

    @deferred
    async def round(self) -> None:
        """Survey, if it is ours to do.  Fails as the catalog does."""
        if not await self._is_ours():
            return
        for bucket in await self._catalog.buckets():
            try:
                counted = await self._survey(bucket)
            except NoSuchBucket:
                continue  # it went while it was surveyed
            if counted and not await self._is_ours():
                return

    async def _is_ours(self) -> bool:
        ours: bool = await self._catalog.try_lease(LEASE, self._holder, 3 * self._every)
        return ours

    async def _survey(self, bucket: Bucket) -> bool:
        """Tells whether it has a quota, and so was counted."""
        if not (await self._catalog.settings(bucket)).get(QUOTA):
            return False
        began = self._clock.seconds()
        found = await self._versions(bucket) + await self._uploads(bucket)
        usage = {"bytes": found.size, "objects": found.objects, "surveyed": began}
        await self._catalog.set_setting(bucket, USAGE, usage)
        return True

    async def _versions(self, bucket: Bucket) -> Amount:
        found, after, after_version = NOTHING, "", ""
        while True:
            page = await self._catalog.list_versions(
                bucket, after=after, after_version=after_version, limit=PAGE
            )
            kept = [version for version in page.versions if not version.is_delete_marker]
            found += Amount(sum(version.size for version in kept), len(kept))
            if page.next is None:
                return found
            after, last = page.next, page.versions[-1] if page.versions else None
            after_version = last.version_id if last is not None and last.key == after else ""
            await deferLater(self._clock, self._pause)

    async def _uploads(self, bucket: Bucket) -> Amount:
        found, after = NOTHING, ("", "")
        while True:
            page = await self._catalog.uploads(bucket, after=after, limit=PAGE)
            for upload in page.uploads:
                found += await self._parts(upload)
            if page.next is None:
                return found
            after = page.next
            await deferLater(self._clock, self._pause)

    async def _parts(self, upload: MultipartUpload) -> Amount:
        found, after = NOTHING, 0
        while True:
            page = await self._catalog.parts(upload, after, PAGE)
            found += Amount(sum(part.size for part in page.parts))
            if page.next is None:
                return found
            after = page.next
            await deferLater(self._clock, self._pause)
