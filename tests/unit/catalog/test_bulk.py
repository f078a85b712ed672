"""Many small writes in few transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from godos.catalog.bulk import write_in_bulk
from godos.catalog.items import MAX_ACTIONS, Action, Delete, Item, Put
from godos.catalog.writing import Refusal


class Notebook:
    """Writes down what is written, and refuses the `refused`th."""

    def __init__(self, refused: int = -1) -> None:
        self.written: list[list[Action]] = []
        self._refused = refused

    async def write(self, actions: Sequence[Action]) -> Refusal | None:
        self.written.append(list(actions))
        return Refusal() if len(self.written) - 1 == self._refused else None


def ended(coroutine: Any) -> bool:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return bool(end.value)
    raise AssertionError("it waits for something")


def group(number: int) -> list[Action]:
    shared = Put(Item("shared", bytes([number % 3]), {"n": number}))
    return [Delete("a", b"%d" % number), Delete("b", b"%d" % number), shared]


def test_groups_stay_whole() -> None:
    """Each group is in one transaction, none is too large, and no place comes twice in one."""
    book = Notebook()
    assert ended(write_in_bulk(book, map(group, range(200))))  # type: ignore[arg-type]
    places: list[tuple[str, bytes]] = []
    for actions in book.written:
        assert len(actions) <= MAX_ACTIONS
        here = [(a.item.p, a.item.s) if isinstance(a, Put) else (a.p, a.s) for a in actions]
        assert len(set(here)) == len(here)
        assert {s for p, s in here if p == "a"} == {s for p, s in here if p == "b"}
        places += here
    assert {s for p, s in places if p == "a"} == {b"%d" % n for n in range(200)}
    assert len(book.written) < 6


def test_the_first_of_a_place_is_written() -> None:
    """Where two groups write one place, the first does."""
    book = Notebook()
    assert ended(write_in_bulk(book, [group(1), group(4)]))  # type: ignore[arg-type]
    (actions,) = book.written
    assert [a.item.data["n"] for a in actions if isinstance(a, Put)] == [1]


def test_a_refusal_ends_it() -> None:
    """After a refusal nothing more is written."""
    book = Notebook(refused=1)
    assert not ended(write_in_bulk(book, map(group, range(200))))  # type: ignore[arg-type]
    assert len(book.written) == 2


def test_nothing() -> None:
    """No groups need no transaction."""
    book = Notebook()
    assert ended(write_in_bulk(book, []))  # type: ignore[arg-type]
    assert book.written == []
