"""
An item store that forgets when the process ends, for tests.

It passes the contract of the real ones (`tests/contract/items.py`), so it may stand in for
them.  Its Deferreds have fired when they are returned, unless a hook delays them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.catalog.items import (
    Action,
    ConditionFailed,
    IItemStore,
    Item,
    Page,
    ScanPage,
    TokenReused,
)
from godos.catalog.rows import (
    Row,
    Step,
    check_limit,
    check_place,
    check_places,
    fingerprint,
    from_cursor,
    holds,
    to_cursor,
    to_item,
    to_steps,
)
from godos.deferreds import deferred
from godos.model.errors import CatalogUnavailable

Hook = Callable[[str], "Deferred[Any]"]


def at_once(_operation: str) -> Deferred[Any]:
    """The hook that does nothing."""
    return succeed(None)


@implementer(IItemStore)
class MemoryItems:
    """
    Rows in sorted lists.

    `before` and `after` are awaited around each operation, with its name: a Deferred that
    fires later lets a test interleave two callers, one that fails stands for an engine that
    did not answer (in `after`: although it had written).
    """

    def __init__(self, before: Hook = at_once, after: Hook = at_once) -> None:
        self.before, self.after = before, after
        self._keys: dict[str, list[bytes]] = {}
        self._rows: dict[tuple[str, bytes], Row] = {}
        self._tokens: dict[str, bytes] = {}
        self._closed = False

    @deferred
    async def get(self, p: str, s: bytes) -> Item | None:
        check_place(p, s)
        await self._begin("get")
        found = self._standing(p, s)
        await self.after("get")
        return found

    @deferred
    async def get_many(self, places: Sequence[tuple[str, bytes]]) -> Sequence[Item | None]:
        check_places(places)
        await self._begin("get_many")
        found = [self._standing(p, s) for p, s in places]
        await self.after("get_many")
        return found

    @deferred
    async def query(
        self,
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,
    ) -> Page:
        check_limit(limit)
        check_place(p, b".")
        await self._begin("query")
        page = self._page(p, start, stop, limit, reverse)
        await self.after("query")
        return page

    def _page(self, p: str, start: bytes, stop: bytes | None, limit: int, reverse: bool) -> Page:
        keys = self._keys.get(p, [])
        low = bisect_left(keys, start)
        high = len(keys) if stop is None else bisect_left(keys, stop)
        wanted = keys[low:high]
        if reverse:
            wanted.reverse()
        items = tuple(to_item(self._rows[p, s]) for s in wanted[:limit])
        if len(wanted) <= limit:
            return Page(items, None)
        return Page(items, items[-1].s if reverse else items[-1].s + b"\0")

    @deferred
    async def transact(self, actions: Sequence[Action], token: str) -> None:
        steps = to_steps(actions, token)
        await self._begin("transact")
        self._transact(steps, token)
        await self.after("transact")

    def _transact(self, steps: Sequence[Step], token: str) -> None:
        print_ = fingerprint(steps)
        if token in self._tokens:
            if self._tokens[token] != print_:
                raise TokenReused(token)
            return
        in_the_way = {
            index: self._standing(step.p, step.s)
            for index, step in enumerate(steps)
            if not holds(step.condition, self._seen(step.p, step.s))
        }
        if in_the_way:
            raise ConditionFailed(in_the_way)
        self._tokens[token] = print_
        for step in steps:
            if step.row is not None:
                self._write(step.row)
            elif step.removes:
                self._remove(step.p, step.s)

    @deferred
    async def scan(self, cursor: str | None = None, limit: int = 1000) -> ScanPage:
        check_limit(limit)
        await self._begin("scan")
        places = sorted(place for place in self._rows if place > from_cursor(cursor))
        items = tuple(to_item(self._rows[place]) for place in places[:limit])
        more = to_cursor(*places[limit - 1]) if limit < len(places) else None
        await self.after("scan")
        return ScanPage(items, more)

    def close(self) -> Deferred[None]:
        self._closed = True
        return succeed(None)

    async def _begin(self, operation: str) -> None:
        await self.before(operation)
        if self._closed:
            raise CatalogUnavailable("the item store is closed")

    def _standing(self, p: str, s: bytes) -> Item | None:
        row = self._rows.get((p, s))
        return None if row is None else to_item(row)

    def _seen(self, p: str, s: bytes) -> tuple[str | None, str | None] | None:
        row = self._rows.get((p, s))
        return None if row is None else (row.rev, row.state)

    def _write(self, row: Row) -> None:
        if (row.p, row.s) not in self._rows:
            insort(self._keys.setdefault(row.p, []), row.s)
        self._rows[row.p, row.s] = row

    def _remove(self, p: str, s: bytes) -> None:
        if self._rows.pop((p, s), None) is not None:
            self._keys[p].remove(s)
