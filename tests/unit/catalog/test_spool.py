"""Items that wait in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from godos.catalog.items import Item
from godos.catalog.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(str(tmp_path / "rows"))
    yield made
    made.close()


def items(p: str, count: int) -> list[Item]:
    return [
        Item(p, number.to_bytes(4, "big"), {"n": number}, "r", "s", 7) for number in range(count)
    ]


def test_the_last_one_stays(spool: Spool) -> None:
    """Of two items at one place the later is there."""
    spool.put([Item("p", b"s", {"n": 1}), Item("p", b"s", {"n": 2})])
    assert spool.get("p", b"s") == Item("p", b"s", {"n": 2})
    assert spool.count() == 1
    spool.drop([("p", b"s"), ("p", b"none")])
    assert spool.get("p", b"s") is None


def test_pages(spool: Spool) -> None:
    """All items are told in order, whatever is dropped behind them meanwhile."""
    many = [*items("a", 700), *items("b#", 700), *items("b#x", 700), *items("c", 3)]
    spool.put(reversed(many))
    assert [item for page in spool.pages() for item in page] == many
    found = []
    for page in spool.pages("b#"):
        found += page
        spool.drop((item.p, item.s) for item in page)
    assert found == many[700:2100]
    assert spool.count() == 703


def test_prefixes(spool: Spool) -> None:
    """A prefix means whole beginnings of partitions, and nothing beside them."""
    spool.put(Item(p, b"s", {}) for p in ("B", "B#", "B#1", "B$", "C#1"))
    assert spool.drop_all("B#") == 2
    assert [item.p for page in spool.pages() for item in page] == ["B", "B$", "C#1"]


def test_partitions(spool: Spool) -> None:
    """It is known whether a partition has one item, several, or none."""
    spool.put([*items("one", 1), *items("two", 2)])
    assert [spool.has(p) for p in ("one", "two", "none")] == [True, True, False]
    assert [spool.has_several(p) for p in ("one", "two", "none")] == [False, True, False]
    assert spool.has("one", bytes(4))
    assert not spool.has("one", b"other")
    assert [item.data["n"] for item in spool.partition("two")] == [0, 1]


def test_facts(spool: Spool) -> None:
    """Facts are told apart by their kind and each of their words."""
    spool.note("owned", [("a", "bc"), ("a", "bc")])
    assert spool.knows("owned", "a", "bc")
    assert not spool.knows("owned", "ab", "c")
    assert not spool.knows("due", "a", "bc")
