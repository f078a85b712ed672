"""
What every `IItemStore` promises.

A test class extends `ItemStoreContract` and defines a fixture `items` that opens an
empty store; the tests then hold for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from zope.interface.verify import verifyObject

from godos.catalog.items import (
    MAX_ACTIONS,
    MAX_ITEM,
    Absent,
    Action,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    IItemStore,
    Item,
    Present,
    Put,
    RevIs,
    StateIs,
    TokenReused,
)
from godos.model.errors import CatalogUnavailable


def token() -> str:
    """A new operation's id."""
    return uuid4().hex


def item(s: bytes, p: str = "shelf", **data: Any) -> Item:
    """An item with that data and no rev."""
    return Item(p, s, data)


async def put(items: IItemStore, *several: Item) -> None:
    """Write items without conditions, as many at once as a transaction takes."""
    for first in range(0, len(several), MAX_ACTIONS):
        await items.transact([Put(one) for one in several[first : first + MAX_ACTIONS]], token())


async def pages(items: IItemStore, p: str = "shelf", **how: Any) -> AsyncIterator[Sequence[Item]]:
    """All pages of a query, following the cursors."""
    edge = "stop" if how.get("reverse") else "start"
    while True:
        page = await items.query(p, **how)
        yield page.items
        if page.cursor is None:
            return
        how[edge] = page.cursor


async def keys(items: IItemStore, p: str = "shelf", **how: Any) -> list[bytes]:
    """The sort keys of a whole query."""
    return [one.s async for page in pages(items, p, **how) for one in page]


async def everything(items: IItemStore, limit: int = 1000) -> list[Item]:
    """A whole scan."""
    found: list[Item] = []
    cursor = None
    while True:
        page = await items.scan(cursor, limit)
        assert len(page.items) <= limit
        found += page.items
        if page.cursor is None:
            return found
        cursor = page.cursor


class CautiousContract:
    """What holds for a single caller, on an engine that need not know tokens."""

    # -- items --------------------------------------------------------------------------
    def test_it_is_an_item_store(self, items: IItemStore) -> None:
        """The store has all methods of the interface."""
        verifyObject(IItemStore, items)

    @ensureDeferred
    async def test_an_item_comes_back_as_it_was_written(self, items: IItemStore) -> None:
        """Data of every JSON kind, rev, state and expiry are read as they were written."""
        data = {
            "text": 'ключ \x00\n"\\ \U0001f600',
            "numbers": [0, -1, 2**60, 1.5, 1e300],
            "kinds": [None, True, False, {}, [], {"deep": {"er": [[]]}}],
            "": "an empty name",
        }
        whole = Item("shelf", b"k", data, rev="r" * 32, state="live", expires=4_000_000_000)
        bare = Item("shelf", b"l", {})
        await put(items, whole, bare)
        assert await items.get("shelf", b"k") == whole
        assert await items.get("shelf", b"l") == bare

    @ensureDeferred
    async def test_there_is_nothing_where_nothing_was_written(self, items: IItemStore) -> None:
        """Places are exact: neighbours, prefixes and other partitions are not mixed up."""
        await put(items, item(b"k"))
        assert await items.get("shelf", b"k\0") is None
        assert await items.get("shelf", b"K") is None
        assert await items.get("shel", b"k") is None
        assert await items.get("shelf\0", b"k") is None

    @ensureDeferred
    async def test_a_put_replaces_the_whole_item(self, items: IItemStore) -> None:
        """Nothing of the former item shines through."""
        await put(items, Item("shelf", b"k", {"a": 1}, rev="1", state="live", expires=4 * 10**9))
        await put(items, Item("shelf", b"k", {"b": 2}))
        assert await items.get("shelf", b"k") == Item("shelf", b"k", {"b": 2})

    @ensureDeferred
    async def test_a_later_change_of_the_data_is_not_stored(self, items: IItemStore) -> None:
        """What was passed is what is kept, whatever the caller does with it afterwards."""
        data = {"list": [1]}
        await items.transact([Put(Item("shelf", b"k", data))], token())
        data["list"].append(2)
        found = await items.get("shelf", b"k")
        found.data["list"].append(3)
        assert (await items.get("shelf", b"k")).data == {"list": [1]}

    @ensureDeferred
    async def test_partitions_may_be_any_text(self, items: IItemStore) -> None:
        """Partition names of any script, with control characters and of full length."""
        names = ["O#ä#0", "日本", "\U0001f4e6", "a\x00b", "a\x00c", " ", "é" * 1024, "x" * 2048]
        await put(items, *(Item(p, b".", {"p": p}) for p in names))
        for p in names:
            assert (await items.get(p, b".")).data == {"p": p}
            assert await keys(items, p) == [b"."]

    @ensureDeferred
    async def test_sort_keys_may_be_any_bytes(self, items: IItemStore) -> None:
        """Every byte, and keys of full length, are read back and found again."""
        whole = [bytes([b]) for b in range(256)]
        whole += [b"\xff" * 1024, b"\0" * 1024, b"k" * 1024, b"k" * 1023, b"\xff\0\xff"]
        await put(items, *map(item, whole))
        assert await keys(items) == sorted(whole)
        for s in whole:
            assert (await items.get("shelf", s)).s == s

    @ensureDeferred
    async def test_several_are_got_in_the_order_asked(self, items: IItemStore) -> None:
        """A hundred places at once, missing and repeated ones among them."""
        await put(items, *(item(b"%03d" % n, n=n) for n in range(0, 100, 2)))
        asked = [*range(99, 0, -1), 50]
        found = await items.get_many([("shelf", b"%03d" % n) for n in asked])
        assert [one and one.data["n"] for one in found] == [
            n if n % 2 == 0 else None for n in asked
        ]
        assert list(await items.get_many([])) == []
        assert [one.s for one in await items.get_many([("shelf", b"000")])] == [b"000"]

    @ensureDeferred
    async def test_large_items_are_kept(self, items: IItemStore) -> None:
        """Items up to the limit are stored, read one by one, together, and listed."""
        big = "x" * (MAX_ITEM - 1000)
        for n in range(8):
            await put(items, item(b"%d" % n, big=big, n=n))
        assert (await items.get("shelf", b"3")).data["big"] == big
        found = await items.get_many([("shelf", b"%d" % n) for n in range(8)])
        assert [one.data["n"] for one in found] == list(range(8))
        listed = [one async for page in pages(items) for one in page]
        assert [one.data["n"] for one in listed] == list(range(8))
        assert all(one.data["big"] == big for one in listed)
        assert [one.data["n"] for page in [await everything(items)] for one in page]

    # -- limits -------------------------------------------------------------------------
    @pytest.mark.parametrize(
        ("p", "s"),
        [("", b"."), ("shelf", b""), ("shelf", b"k" * 1025), ("é" * 1025, b"."), ("\ud800", b".")],
        ids=["no p", "no s", "long s", "long p", "no text"],
    )
    @ensureDeferred
    async def test_places_that_no_engine_has(self, items: IItemStore, p: str, s: bytes) -> None:
        """A place that one engine could not hold is refused by all, in reads and writes."""
        for ask in (
            lambda: items.get(p, s),
            lambda: items.get_many([("shelf", b"."), (p, s)]),
            lambda: items.transact([Put(Item(p, s, {}))], token()),
            lambda: items.transact([Delete(p, s)], token()),
            lambda: items.transact([Check(p, s, Absent())], token()),
        ):
            with pytest.raises(ValueError):
                await ask()
        assert await everything(items) == []

    @ensureDeferred
    async def test_what_is_too_much_is_refused_whole(self, items: IItemStore) -> None:
        """Too large an item, too many actions or bytes, a place twice: nothing is written."""
        half = "x" * (MAX_ITEM // 2)
        wrong: list[tuple[list[Action], str]] = [
            ([Put(item(b"a")), Put(item(b"b", big="x" * MAX_ITEM))], "bytes"),
            ([Put(item(b"%d" % n)) for n in range(MAX_ACTIONS + 1)], "actions"),
            ([Put(item(b"%d" % n, big=half)) for n in range(22)], "bytes"),
            ([Put(item(b"a")), Check("shelf", b"a", Absent())], "place"),
            ([], "actions"),
            ([Put(Item("shelf", b"a", {"x": float("nan")}))], "JSON"),
        ]
        for actions, why in wrong:
            with pytest.raises(ValueError, match=why):
                await items.transact(actions, token())
        with pytest.raises(ValueError, match="token"):
            await items.transact([Put(item(b"a"))], "not a token")
        with pytest.raises(ValueError, match="at most 100"):
            await items.get_many([("shelf", b"%d" % n) for n in range(101)])
        with pytest.raises(ValueError, match="page"):
            await items.query("shelf", limit=0)
        with pytest.raises(ValueError, match="page"):
            await items.scan(limit=0)
        assert await everything(items) == []

    # -- query --------------------------------------------------------------------------
    @ensureDeferred
    async def test_a_query_answers_in_byte_order(self, items: IItemStore) -> None:
        """Order is that of unsigned bytes: not of text, length or insertion."""
        order = [b"\x00", b"\x00\xff", b"A", b"a", b"a\x00", b"a\x00\x00", b"a\x01", b"aa"]
        order += [b"b", "é".encode(), "日".encode(), b"\xfe\xff", b"\xff", b"\xff\x00", b"\xff\xff"]
        await put(items, *map(item, reversed(order)))
        assert await keys(items) == order
        assert await keys(items, reverse=True) == order[::-1]
        assert await keys(items, "shelf2") == []

    @ensureDeferred
    async def test_ranges_are_half_open(self, items: IItemStore) -> None:
        """`start` belongs to a range and `stop` does not, whether items stand there or not."""
        whole = [b"a", b"a\0", b"a\xff", b"b", b"b\0", b"c", b"\xff", b"\xff\xff"]
        await put(items, *map(item, whole))
        edges = [b"", b"\0", b"a", b"a\0", b"a\0\0", b"a\x01", b"a\xff", b"b", b"bb", b"c"]
        edges += [b"\xff", b"\xff\0", b"\xff\xff", b"\xff" * 1024, b"b" + b"\0" * 1100]
        for start_ in edges:
            for stop in [*edges, None]:
                wanted = [s for s in whole if start_ <= s and (stop is None or s < stop)]
                assert await keys(items, start=start_, stop=stop) == wanted, (start_, stop)
        for stop in [*edges, None]:
            wanted = [s for s in whole if stop is None or s < stop]
            assert await keys(items, stop=stop, reverse=True) == wanted[::-1], stop

    @ensureDeferred
    async def test_pages_join_without_gap_or_overlap(self, items: IItemStore) -> None:
        """Following cursors yields each item once, for every page size and both ways."""
        whole = sorted(b"%d" % n + tail for n in range(10) for tail in (b"", b"\0", b"\xff"))
        await put(items, *map(item, whole))
        for limit in (1, 2, 7, 29, 30, 31):
            for reverse in (False, True):
                found = [p async for p in pages(items, limit=limit, reverse=reverse)]
                assert all(len(page) <= limit for page in found)
                listed = [one.s for page in found for one in page]
                assert listed == (whole[::-1] if reverse else whole), (limit, reverse)
        inside = await keys(items, start=b"3", stop=b"7", limit=2)
        assert inside == [s for s in whole if b"3" <= s < b"7"]
        inside = await keys(items, start=b"3", stop=b"7", limit=2, reverse=True)
        assert inside == [s for s in whole if b"3" <= s < b"7"][::-1]

    @ensureDeferred
    async def test_the_first_page_holds_the_first_items(self, items: IItemStore) -> None:
        """A page with limit 1 answers the first item from either end of the range."""
        await put(items, *(item(b"%d" % n) for n in range(5)))
        assert [i.s for i in (await items.query("shelf", limit=1)).items] == [b"0"]
        last = await items.query("shelf", b"1", b"4", limit=1, reverse=True)
        assert [i.s for i in last.items] == [b"3"]

    @ensureDeferred
    async def test_cursors_at_the_end_of_the_key_space(self, items: IItemStore) -> None:
        """Keys of full length can be passed by a cursor."""
        whole = [b"\xff" * 1023, b"\xff" * 1023 + b"\xfe", b"\xff" * 1024]
        await put(items, *map(item, whole))
        assert await keys(items, limit=1) == whole
        assert await keys(items, limit=1, reverse=True) == whole[::-1]
        after = (b"\xff" * 1024) + b"\0"
        assert await keys(items, start=after) == []
        assert await keys(items, stop=after) == whole

    @ensureDeferred
    async def test_many_items_are_listed_in_pages(self, items: IItemStore) -> None:
        """Some hundred items of some kilobytes, more than a page's bytes, all come in order."""
        whole = [item(b"%04d" % n, n=n, pad="x" * 5000) for n in range(300)]
        await put(items, *whole)
        assert await keys(items) == [one.s for one in whole]
        assert await keys(items, strong=False) == [one.s for one in whole]

    # -- transactions -------------------------------------------------------------------
    @ensureDeferred
    async def test_a_transaction_happens_whole(self, items: IItemStore) -> None:
        """Puts, deletes and checks over several partitions, a hundred at once."""
        await put(items, *(item(b"%03d" % n, n=0) for n in range(50)))
        actions: list[Action] = [Put(item(b"%03d" % n, n=1)) for n in range(25)]
        actions += [Delete("shelf", b"%03d" % n) for n in range(25, 50)]
        actions += [Put(item(b"%03d" % n, p=f"shelf {n}")) for n in range(25)]
        actions += [Check("elsewhere", b"%03d" % n, Absent()) for n in range(25)]
        await items.transact(actions, token())
        assert await keys(items) == [b"%03d" % n for n in range(25)]
        assert (await items.get("shelf", b"007")).data == {"n": 1}
        assert await items.get("shelf 7", b"007") is not None
        assert await items.get("elsewhere", b"007") is None

    @ensureDeferred
    async def test_deleting_nothing_is_no_error(self, items: IItemStore) -> None:
        """A delete without condition is content when nothing is there."""
        await items.transact([Delete("shelf", b"k")], token())
        assert await items.get("shelf", b"k") is None

    @pytest.mark.parametrize(
        ("condition", "standing", "holds"),
        [
            (Absent(), None, True),
            (Absent(), ("1", "live"), False),
            (Absent(), (None, None), False),
            (Present(), None, False),
            (Present(), (None, None), True),
            (RevIs("1"), None, False),
            (RevIs("1"), ("1", None), True),
            (RevIs("1"), ("2", None), False),
            (RevIs("1"), ("11", None), False),
            (RevIs("1"), (None, "1"), False),
            (StateIs("live"), None, False),
            (StateIs("live"), (None, "live"), True),
            (StateIs("live"), ("1", "condemned"), False),
            (StateIs("live"), ("live", None), False),
        ],
        ids=str,
    )
    @ensureDeferred
    async def test_conditions(
        self,
        items: IItemStore,
        condition: Condition,
        standing: tuple[str | None, str | None] | None,
        holds: bool,
    ) -> None:
        """Each condition lets through what it names, in puts, deletes and checks alike."""
        there = None
        if standing is not None:
            there = Item("shelf", b"k", {"old": True}, *standing)
        written = Item("shelf", b"k", {"new": True}, rev="9", state="new")
        cases: list[tuple[Action, Item | None]] = [
            (Put(written, condition), written),
            (Delete("shelf", b"k", condition), None),
            (Check("shelf", b"k", condition), there),
        ]
        for action, after in cases:
            await (put(items, there) if there else items.transact([Delete("shelf", b"k")], token()))
            both = [Put(item(b"other", of=str(action))), action]
            if holds:
                await items.transact(both, token())
                assert await items.get("shelf", b"k") == after
            else:
                with pytest.raises(ConditionFailed) as refused:
                    await items.transact(both, token())
                assert refused.value.standing == {1: there}
                assert await items.get("shelf", b"k") == there
            other = await items.get("shelf", b"other")
            assert (other is not None and other.data["of"] == str(action)) == holds

    @ensureDeferred
    async def test_all_that_stands_in_the_way_is_told(self, items: IItemStore) -> None:
        """Each condition that failed is named with the item at its place."""
        old = Item("shelf", b"old", {"k": ["ä", 1]}, rev="1", state="live", expires=4 * 10**9)
        await put(items, old)
        actions: list[Action] = [
            Put(item(b"new"), Absent()),
            Put(Item("shelf", b"old", {}, rev="2"), RevIs("0")),
            Check("shelf", b"missing", Present()),
            Delete("shelf", b"free"),
        ]
        with pytest.raises(ConditionFailed) as refused:
            await items.transact(actions, token())
        assert refused.value.standing == {1: old, 2: None}
        assert await keys(items) == [b"old"]

    @ensureDeferred
    async def test_a_refused_transaction_may_be_tried_again(self, items: IItemStore) -> None:
        """A token is spent by what was done, not by what was refused."""
        again = token()
        actions = [Put(item(b"k"), Absent())]
        await put(items, item(b"k"))
        with pytest.raises(ConditionFailed):
            await items.transact(actions, again)
        await items.transact([Delete("shelf", b"k")], token())
        await items.transact(actions, again)
        assert await keys(items) == [b"k"]

    @ensureDeferred
    async def test_what_is_acknowledged_is_seen(self, items: IItemStore) -> None:
        """Every read that starts after a transaction was acknowledged sees it."""
        for n in range(20):
            await put(items, item(b"k", n=n), item(b"l%02d" % n))
            assert (await items.get("shelf", b"k")).data == {"n": n}
            assert (await items.get_many([("shelf", b"k")] * 2))[1].data == {"n": n}
            assert len(await keys(items)) == n + 2

    # -- scan and close -----------------------------------------------------------------
    @ensureDeferred
    async def test_a_scan_finds_everything_once(self, items: IItemStore) -> None:
        """All items of all partitions, in pages of any size."""
        whole = [Item(f"p{n % 7}#ä", b"\xff\0%d" % n, {"n": n}, rev=str(n)) for n in range(40)]
        await put(items, *whole)
        for limit in (1, 7, 40, 1000):
            found = await everything(items, limit)
            assert sorted(one.data["n"] for one in found) == list(range(40)), limit
            assert all(one in whole for one in found)

    @ensureDeferred
    async def test_a_closed_store_says_so(self, items: IItemStore) -> None:
        """Closing twice is fine; what is asked afterwards fails and changes nothing."""
        running: Deferred[None] = items.transact([Put(item(b"k"))], token())
        closing = [items.close(), items.close()]
        await running
        for one in closing:
            await one
        await items.close()
        for ask in (
            lambda: items.get("shelf", b"k"),
            lambda: items.get_many([("shelf", b"k")]),
            lambda: items.query("shelf"),
            lambda: items.transact([Put(item(b"l"))], token()),
            lambda: items.scan(),
        ):
            with pytest.raises(CatalogUnavailable):
                await ask()


class ItemStoreContract(CautiousContract):
    """All that is promised; see the module."""

    @ensureDeferred
    async def test_what_was_sent_twice_is_done_once(self, items: IItemStore) -> None:
        """The same transaction with the same token is answered alike, and not done again."""
        once = token()
        actions: list[Action] = [
            Put(Item("shelf", b"k", {}, rev="2"), Absent()),
            Put(item(b"free", by="first")),
            Delete("shelf", b"gone"),
        ]
        await items.transact(actions, once)
        await put(items, item(b"free", by="second"), item(b"gone"))
        await items.transact(actions, once)
        assert (await items.get("shelf", b"free")).data == {"by": "second"}
        assert await items.get("shelf", b"gone") is not None

    @ensureDeferred
    async def test_a_token_of_another_transaction_is_a_bug(self, items: IItemStore) -> None:
        """Other actions under a known token are refused loudly, and not written."""
        once = token()
        await items.transact([Put(item(b"a", n=1))], once)
        for other in (Put(item(b"b")), Put(item(b"a", n=2)), Put(item(b"a", n=1), Present())):
            with pytest.raises(TokenReused):
                await items.transact([other], once)
        assert [one.data for one in await everything(items)] == [{"n": 1}]

    @ensureDeferred
    async def test_racing_increments_are_all_counted(self, items: IItemStore) -> None:
        """Twenty who count up one item by compare-and-set lose no step and double none."""
        await put(items, Item("shelf", b"n", {"n": 0, "by": []}, rev="start"))

        async def count(name: int) -> None:
            while True:
                found = await items.get("shelf", b"n")
                rev = token()
                data = {"n": found.data["n"] + 1, "by": [*found.data["by"], name]}
                try:
                    new = Item("shelf", b"n", data, rev=rev)
                    await items.transact([Put(new, RevIs(found.rev))], rev)
                except ConditionFailed:
                    continue
                return

        await gatherResults([Deferred.fromCoroutine(count(name)) for name in range(20)])
        found = await items.get("shelf", b"n")
        assert found.data["n"] == 20
        assert sorted(found.data["by"]) == list(range(20))

    @ensureDeferred
    async def test_one_of_many_creators_wins(self, items: IItemStore) -> None:
        """Of those who create one item at once exactly one is told that it did."""

        async def create(name: int) -> bool:
            new = Item("shelf", b"k", {"by": name}, rev=token())
            try:
                await items.transact([Put(new, Absent()), Put(item(b"by%d" % name))], new.rev)
            except ConditionFailed as refused:
                assert refused.standing[0] is not None
                return False
            return True

        won = await gatherResults([Deferred.fromCoroutine(create(name)) for name in range(12)])
        assert sum(won) == 1
        assert (await items.get("shelf", b"k")).data == {"by": won.index(True)}
        assert await keys(items, start=b"by", stop=b"bz") == [b"by%d" % won.index(True)]

    @ensureDeferred
    async def test_time_does_not_run_backwards(self, items: IItemStore) -> None:
        """Who reads again beside a writer sees the same or something newer, item by item."""
        await put(items, *(item(b"%d" % n, turn=0) for n in range(5)))

        async def write() -> None:
            for turn in range(1, 15):
                await put(items, *(item(b"%d" % n, turn=turn) for n in range(5)))

        async def read() -> list[list[int]]:
            seen = []
            for _ in range(15):
                found = await items.get_many([("shelf", b"%d" % n) for n in range(5)])
                seen.append([one.data["turn"] for one in found])
            return seen

        _, seen = await gatherResults(map(Deferred.fromCoroutine, (write(), read())))
        for turns in zip(*seen, strict=True):
            assert list(turns) == sorted(turns)
