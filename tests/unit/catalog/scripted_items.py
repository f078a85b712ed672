"""Item stores that answer as a test says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from godos.catalog.items import Action, IItemStore
from tests.memory_items import MemoryItems


class RecordingItems(MemoryItems):
    """In memory; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.page = 1000  # items of one page at most, whatever is asked
        self.written: list[Sequence[Action]] = []

    def get(self, p: str, s: bytes) -> Deferred[Any]:
        self.asked.append(f"get {p}")
        return super().get(p, s)

    def query(
        self, p: str, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> Deferred[Any]:
        self.asked.append(f"query {p}")
        return super().query(p, start, stop, min(limit, self.page))

    def transact(self, actions: Sequence[Action], token: str) -> Deferred[Any]:
        self.asked.append("transact")
        self.written.append(actions)
        return super().transact(actions, token)


@implementer(IItemStore)
class ScriptedItems:
    """Every transaction waits until the test answers it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Sequence[Action], str]] = []
        self.answers: list[Deferred[None]] = []

    def transact(self, actions: Sequence[Action], token: str) -> Deferred[None]:
        self.sent.append((actions, token))
        self.answers.append(Deferred())
        return self.answers[-1]

    def get(self, *_args: Any) -> Any:
        raise AssertionError("nothing is read here")

    get_many = query = scan = close = get
