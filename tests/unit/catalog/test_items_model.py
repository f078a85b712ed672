"""Item stores against a model: a plain dict that does what the interface says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from godos.catalog.items import (
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
)
from godos.catalog.sqlite import SQLiteItems
from tests.memory_items import MemoryItems

partitions = st.sampled_from(["p", "p\0", "ä"])
# Few bytes, from both ends of their order, so that places meet and edges are hit.
sort_keys = st.text(alphabet="\0\x01a\xfe\xff", min_size=1, max_size=3).map(
    lambda text: text.encode("latin-1")
)
revs = st.none() | st.sampled_from(["1", "2"])
states = st.none() | st.sampled_from(["live", "condemned"])
conditions = st.one_of(
    st.just(Absent()),
    st.just(Present()),
    st.builds(RevIs, st.sampled_from(["1", "2"])),
    st.builds(StateIs, st.sampled_from(["live", "condemned"])),
)
moments = st.none() | st.integers(0, 2**40)  # seconds since the epoch
items_ = st.builds(
    Item, partitions, sort_keys, st.fixed_dictionaries({"n": st.integers()}), revs, states, moments
)
actions_ = st.lists(
    st.builds(Put, items_, st.none() | conditions)
    | st.builds(Delete, partitions, sort_keys, st.none() | conditions)
    | st.builds(Check, partitions, sort_keys, conditions),
    min_size=1,
    max_size=5,
    unique_by=lambda action: place(action),
)


def place(action: Action) -> tuple[str, bytes]:
    """Where an action acts."""
    at = action.item if isinstance(action, Put) else action
    return at.p, at.s


def now(result: Deferred[Any]) -> Any:
    """What a Deferred that has fired fired with."""
    found: list[Any] = []
    result.addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


def allowed(condition: Condition | None, standing: Item | None) -> bool:
    """What the interface says of conditions, once more."""
    if condition is None:
        return True
    if standing is None:
        return isinstance(condition, Absent)
    if isinstance(condition, RevIs):
        return standing.rev == condition.rev
    if isinstance(condition, StateIs):
        return standing.state == condition.state
    return isinstance(condition, Present)


class ItemsMachine(RuleBasedStateMachine):
    """Do the same to a store and to a dict, and look for a difference."""

    items: IItemStore

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[tuple[str, bytes], Item] = {}
        self.operations = 0

    def open(self) -> IItemStore:
        """An empty store whose Deferreds have fired."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """Start empty."""
        self.items = self.open()

    @rule(actions=actions_, again=st.booleans())
    def transact(self, actions: list[Action], again: bool) -> None:
        """A transaction happens whole or tells what is in the way; resent, it changes nothing."""
        self.operations += 1
        token = f"{self.operations:032x}"
        in_the_way = {
            index: self.model.get(place(action))
            for index, action in enumerate(actions)
            if not allowed(action.condition, self.model.get(place(action)))
        }
        for _ in range(2 if again else 1):
            try:
                now(self.items.transact(actions, token))
            except ConditionFailed as refused:
                assert refused.standing == in_the_way
                assert in_the_way
            else:
                assert not in_the_way
        if not in_the_way:
            for action in actions:
                if isinstance(action, Put):
                    self.model[place(action)] = action.item._replace()
                elif isinstance(action, Delete):
                    self.model.pop(place(action), None)

    @rule(p=partitions, s=sort_keys)
    def get(self, p: str, s: bytes) -> None:
        """One item."""
        assert now(self.items.get(p, s)) == self.model.get((p, s))

    @rule(places=st.lists(st.tuples(partitions, sort_keys), max_size=8))
    def get_many(self, places: list[tuple[str, bytes]]) -> None:
        """Several items."""
        assert list(now(self.items.get_many(places))) == [self.model.get(one) for one in places]

    @rule(
        p=partitions,
        start=sort_keys | st.just(b""),
        stop=st.none() | sort_keys,
        limit=st.integers(1, 4),
        reverse=st.booleans(),
    )
    def query(self, p: str, start: bytes, stop: bytes | None, limit: int, reverse: bool) -> None:
        """All pages of a range."""
        wanted = sorted(
            s for q, s in self.model if q == p and start <= s and (stop is None or s < stop)
        )
        found: list[Item] = []
        while True:
            page = now(self.items.query(p, start, stop, limit, reverse))
            found += page.items
            if page.cursor is None:
                break
            start, stop = (start, page.cursor) if reverse else (page.cursor, stop)
        expected = [self.model[p, s] for s in (wanted[::-1] if reverse else wanted)]
        assert found == expected

    @rule(limit=st.integers(1, 4))
    def scan(self, limit: int) -> None:
        """Everything."""
        found: list[Item] = []
        cursor = None
        while True:
            page = now(self.items.scan(cursor, limit))
            found += page.items
            cursor = page.cursor
            if cursor is None:
                break
        assert {(item.p, item.s): item for item in found} == self.model
        assert len(found) == len(self.model)

    def teardown(self) -> None:
        """Let go."""
        now(self.items.close())


class MemoryMachine(ItemsMachine):
    """In memory."""

    def open(self) -> IItemStore:
        return MemoryItems()


class SQLiteMachine(ItemsMachine):
    """On a file, which is also closed and opened again."""

    def open(self) -> IItemStore:
        self.folder = Path(tempfile.mkdtemp())
        return self.reopened()

    def reopened(self) -> SQLiteItems:
        """The store on the file as it is."""
        path = str(self.folder / "catalog.sqlite")
        items: SQLiteItems = now(SQLiteItems.open(path, maybeDeferred, Clock()))
        return items

    @rule()
    def reopen(self) -> None:
        """Another process goes on."""
        now(self.items.close())
        self.items = self.reopened()

    def teardown(self) -> None:
        """Let go, and leave no folder."""
        super().teardown()
        shutil.rmtree(self.folder)


TestMemoryModel = MemoryMachine.TestCase
TestMemoryModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSQLiteModel = SQLiteMachine.TestCase
TestSQLiteModel.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
