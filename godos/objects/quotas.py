"""
How much a bucket may hold: its setting "quota", `{"bytes": …, "objects": …}`.

What it holds is known from the last survey (`godos.objects.usage`), which is the setting
"usage", and from what this server has written since.  Writes of other servers since then
are not seen: a quota may be passed by what they take in between two surveys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from attrs import define, field, frozen

from godos.model.catalog import ICatalog
from godos.model.errors import CommitUnknown, GodosError, NoSuchKey, QuotaExceeded
from godos.model.multipart import Part
from godos.model.versions import Bucket, ObjectVersion, Versioning

QUOTA, USAGE = "quota", "usage"
_STEP = 60.0  # seconds whose writes are counted together
_STEPS = 500  # counted apart at most; older ones become one
_MOST = 1000  # buckets

T = TypeVar("T", bound=ObjectVersion | Part)


@frozen
class Amount:
    """Bytes and objects, of use or of a limit; negative for what goes."""

    size: int = 0
    objects: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.size + other.size, self.objects + other.objects)

    def __neg__(self) -> Amount:
        return Amount(-self.size, -self.objects)


NOTHING = Amount()


def amount_of(document: Mapping[str, Any] | None) -> Amount:
    """What a survey found."""
    found = document or {}
    return Amount(int(found.get("bytes", 0)), int(found.get("objects", 0)))


@define
class Account:
    """What was written to one bucket since it was surveyed, by this server."""

    written: dict[int, Amount] = field(factory=dict)  # by the minute

    def add(self, amount: Amount, now: float) -> None:
        """Count a write, or give one back."""
        step = int(now // _STEP)
        self.written[step] = self.written.get(step, NOTHING) + amount
        if len(self.written) > _STEPS:
            first, second = sorted(self.written)[:2]
            self.written[second] += self.written.pop(first)

    def since(self, surveyed: float) -> Amount:
        """What a survey that began then cannot have seen for sure."""
        for step in [step for step in self.written if (step + 1) * _STEP < surveyed]:
            del self.written[step]
        return sum(self.written.values(), NOTHING)


class Quotas:
    """
    Args:
        now: seconds since the epoch.
    """

    def __init__(self, catalog: ICatalog, now: Callable[[], float]) -> None:
        self._catalog = catalog
        self._now = now
        self._accounts: dict[str, Account] = {}

    async def spend(
        self,
        bucket: Bucket,
        settings: Mapping[str, Any],
        asked: Amount,
        key: str | None,
        work: Callable[[], Awaitable[T]],
        measured: bool = True,
    ) -> T:
        """
        Do `work`, which puts `asked` into the bucket, if there is room for that.

        Args:
            key: whose latest version gives room when it is replaced; None: nothing is.
            measured: whether the size is known; else that of the result is counted.

        Fails:
            QuotaExceeded: there is not, and `work` was not begun.
        """
        quota = settings.get(QUOTA)
        if not quota:
            return await work()
        if key is not None:
            asked += -await self._replaced(bucket, key)
        account = self._account(bucket)
        self._check(quota, settings.get(USAGE) or {}, account, asked)
        account.add(asked, self._now())
        try:
            done = await work()
        except CommitUnknown:
            raise  # it may be there
        except GodosError:
            account.add(-asked, self._now())
            raise
        if not measured:
            account.add(Amount(done.size), self._now())
        return done

    def removed(self, bucket: Bucket, version: ObjectVersion | None) -> None:
        """A version was deleted."""
        account = self._accounts.get(bucket.id)
        if account is not None and version is not None and not version.is_delete_marker:
            account.add(Amount(-version.size, -1), self._now())

    def _check(
        self,
        quota: Mapping[str, Any],
        usage: Mapping[str, Any],
        account: Account,
        asked: Amount,
    ) -> None:
        used = amount_of(usage) + account.since(float(usage.get("surveyed", 0.0)))
        for what, limit, held, more in (
            ("bytes", quota.get("bytes"), used.size, asked.size),
            ("objects", quota.get("objects"), used.objects, asked.objects),
        ):
            if limit is not None and more >= 0 and held + more > limit:
                raise QuotaExceeded(
                    f"the bucket may hold {limit} {what}, and holds about {held}: delete some, "
                    "or have its quota raised"
                )

    async def _replaced(self, bucket: Bucket, key: str) -> Amount:
        """What goes when the key is written."""
        if bucket.versioning is Versioning.ENABLED:
            return NOTHING
        try:
            head = await self._catalog.head(bucket, key)
        except NoSuchKey:
            return NOTHING
        return Amount(head.size, 1) if head.is_null else NOTHING

    def _account(self, bucket: Bucket) -> Account:
        account = self._accounts.get(bucket.id)
        if account is None:
            while len(self._accounts) >= _MOST:
                del self._accounts[next(iter(self._accounts))]
            account = self._accounts[bucket.id] = Account()
        return account
