"""
What the lifecycle rules of buckets want gone is removed here, bucket by bucket.

Which versions are due `protocol/lifecycle_review.py` tells.  Every removal is a delete like a
client's: a lock keeps what it keeps, and markers come where versions are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import (
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    ObjectLocked,
    PreconditionFailed,
)
from godos.model.versions import Bucket, Deleted, ObjectVersion, WriteCondition
from godos.protocol.lifecycle import DAY, Calendar, Rule, is_abandoned, rules_of
from godos.protocol.lifecycle_review import Due, Fate, Review

LEASE = "lifecycle"
TURN = 60.0  # seconds between two looks at the lease, with days of usual length
SURVEYS_A_DAY = 8
PAGE = 1000  # versions read at a time
PAUSE = 0.02  # seconds between two pages, so that requests come first
_GONE = (NoSuchKey, NoSuchVersion, NoSuchUpload, PreconditionFailed)


class Lifecycle(Periodic):
    """
    Surveys all buckets with rules, eight times a day, by whoever holds the lease.

    Two at once do no harm: what one removed is gone for the other.  `removed` counts what
    was removed since the start, `kept` what a lock kept.

    Args:
        day: seconds that a rule's day has; a short one is for trying rules out.
        pause: seconds between two pages.
        page: how many versions or uploads are read at a time.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        clock: IReactorTime,
        holder: str,
        day: float = DAY,
        pause: float = PAUSE,
        page: int = PAGE,
    ) -> None:
        self._every = day / SURVEYS_A_DAY
        self._turn_every = min(TURN, self._every)
        super().__init__("expiring objects by their rules", self.round, self._turn_every, clock)
        self._catalog = catalog
        self._clock = clock
        self._holder = holder
        self._calendar = Calendar(day)
        self._pause = pause
        self._page = page
        self._leased = clock.seconds()  # when the lease was last taken or renewed
        self._surveyed: float | None = None  # when the last survey began
        self.removed = 0
        self.kept = 0

    @deferred
    async def round(self) -> None:
        """Survey, if it is time and ours to do.  Fails as the catalog does."""
        if not await self._is_ours():
            self._surveyed = None  # who takes the lease over begins anew
            return
        began = self._clock.seconds()
        if self._surveyed is not None and began - self._surveyed < self._every:
            return
        for bucket in await self._catalog.buckets():
            if not await self._survey(bucket):
                return
        self._surveyed = began

    async def _is_ours(self) -> bool:
        self._leased = self._clock.seconds()
        return await self._catalog.try_lease(LEASE, self._holder, 3 * self._turn_every)

    async def _survey(self, bucket: Bucket) -> bool:
        """Tells whether it came to the end; else the lease was lost."""
        try:
            rules = rules_of((await self._catalog.settings(bucket)).get("lifecycle"))
            return not rules or (
                await self._survey_versions(bucket, rules)
                and await self._survey_uploads(bucket, rules)
            )
        except NoSuchBucket:
            return True  # it went while it was surveyed

    # -- versions ----------------------------------------------------------------------------
    async def _survey_versions(self, bucket: Bucket, rules: tuple[Rule, ...]) -> bool:
        review = Review(rules, self._calendar, self._clock.seconds())
        after, after_version = "", ""
        while True:
            page = await self._catalog.list_versions(
                bucket, after=after, after_version=after_version, limit=self._page
            )
            for version in page.versions:
                await self._remove(bucket, review.next(version))
            if page.next is None:
                await self._remove(bucket, review.end())
                return True
            after = page.next
            last = page.versions[-1] if page.versions else None
            after_version = last.version_id if last is not None and last.key == after else ""
            if not await self._go_on():
                return False

    async def _remove(self, bucket: Bucket, due: Sequence[Due]) -> None:
        for each in due:
            act = self._expire if each.fate is Fate.EXPIRE else self._remove_version
            try:
                done = await act(bucket, each.version)
            except ObjectLocked:
                self.kept += 1  # as long as it is locked
            except _GONE:
                pass  # it was changed or removed meanwhile: then it is not due any more
            else:
                self.removed += done.removed is not None or done.is_delete_marker

    async def _expire(self, bucket: Bucket, version: ObjectVersion) -> Deleted:
        """Delete the latest version, if it still is the one that was seen."""
        seen = _as_seen(version)
        return await self._catalog.delete(bucket, version.key, None, seen, expired=True)

    async def _remove_version(self, bucket: Bucket, version: ObjectVersion) -> Deleted:
        """
        Remove an older version or a marker, if it still has the place in which it was seen.

        A write may put another in the place of a null version at any moment: their id is
        the same.  And the removal of newer ones makes an older one the latest.  So the
        removal itself compares what was seen.
        """
        seen = evolve(_as_seen(version), is_latest=version.is_latest)
        return await self._catalog.delete(
            bucket, version.key, version.version_id, seen, expired=True
        )

    # -- uploads in parts --------------------------------------------------------------------
    async def _survey_uploads(self, bucket: Bucket, rules: tuple[Rule, ...]) -> bool:
        aborting = tuple(rule for rule in rules if rule.abort_days is not None)
        after = ("", "")
        while aborting:
            page = await self._catalog.uploads(bucket, after=after, limit=self._page)
            for upload in page.uploads:
                now = self._clock.seconds()
                if is_abandoned(aborting, upload.key, upload.initiated, self._calendar, now):
                    try:
                        await self._catalog.abort(bucket, upload)
                    except NoSuchUpload:
                        continue  # completed or given up meanwhile
                    self.removed += 1
            if page.next is None:
                break
            after = page.next
            if not await self._go_on():
                return False
        return True

    async def _go_on(self) -> bool:
        """Rest, and tell whether the lease is still ours."""
        await deferLater(self._clock, self._pause)
        fresh = self._clock.seconds() - self._leased < self._turn_every
        return fresh or await self._is_ours()


def _as_seen(version: ObjectVersion) -> WriteCondition:
    """What holds of that version, and of none that came later."""
    return WriteCondition(
        if_match=None if version.is_delete_marker else version.etag,
        modified=float(int(version.modified)),
        size=version.size,
    )
