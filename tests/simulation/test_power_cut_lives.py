"""
Random lives of a node, in which power fails and the process is killed again and again.

Unlike in `test_power_cut.py` a life goes on from what each failure left, so that what one
of them hides comes to light later: a fragment that comes back, or room that is used twice.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from attrs import define, field, frozen

from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.storage import compaction
from tests.simulation.disk import Picture, SimulatedDisk
from tests.simulation.node import Node, Promises

STEPS = 60
SEEDS = 40


@frozen
class Moment:
    """The disk and the promises before an operation, the `age`th of the life."""

    picture: Picture
    promised: Promises
    age: int


@define
class Life:
    """One life.  `moments` are those of the step that was done last."""

    random: Random
    node: Node = field(init=False)
    moments: list[Moment] = field(factory=list)
    databases: list[bytes | None] = field(factory=lambda: [None])
    diary: list[str] = field(factory=list)

    def begin(self) -> None:
        self._adopt(SimulatedDisk(), Promises({}, frozenset(), {}))

    def _adopt(self, disk: SimulatedDisk, promised: Promises) -> None:
        """Go on with another disk."""
        self.node = Node(disk, kept=dict(promised.kept), dropped=set(promised.dropped))
        disk.before = self._take
        self.node.start()
        self.node.audit(promised)
        self._settle(promised)

    def _settle(self, promised: Promises) -> None:
        """What is there now stays, and what is not there stays away."""
        for name, payload in promised.unsure.items():
            if self.node.find(name) is None:
                self.node.kept.pop(name, None)
                self.node.dropped.add(name)
            else:
                self.node.kept[name] = payload
                self.node.dropped.discard(name)

    def _take(self, operation: str, path: str) -> None:
        picture = self.node.disk.picture()
        self.moments.append(Moment(picture, self.node.promises(), len(self.databases)))
        self.databases.append(picture.database)

    # -- what may happen ----------------------------------------------------------------
    def new(self) -> tuple[FragmentName, bytes]:
        name = FragmentName(self.random.randbytes(16).hex(), self.random.randrange(3))
        size = self.random.choice((100, 100, 2000, self.random.randrange(6000)))  # alike: they fit
        return name, self.random.randbytes(size)

    def some(self, most: int = 5) -> list[FragmentName]:
        names = sorted(self.node.kept)
        return self.random.sample(names, min(len(names), self.random.randrange(most + 1)))

    def put(self) -> None:
        self.node.put(*(self.new() for _ in range(self.random.randrange(1, 8))))

    def put_many(self) -> None:
        for _ in range(4):
            self.node.put(*(self.new() for _ in range(8)))

    def put_again(self) -> None:
        small = [name for name in self.some() if len(self.node.kept[name]) <= SMALL]
        self.node.put(*((name, self.node.kept[name]) for name in small))

    def put_twice(self) -> None:
        news = [self.new() for _ in range(2)]
        self.node.put(*news)
        self.node.put(*news)
        self.node.remove(news[0][0])

    def put_back(self) -> None:
        dropped = sorted(self.node.dropped)
        for name in self.random.sample(dropped, min(2, len(dropped))):
            self.node.put((name, self.random.randbytes(100)))

    def remove(self) -> None:
        self.node.remove(*self.some())

    def remove_many(self) -> None:
        names = sorted(self.node.kept)
        self.node.remove(*self.random.sample(names, len(names) * 2 // 3))

    def exchange(self) -> None:
        old = [(name, self.node.kept[name], False) for name in self.some()]
        new = [(*self.new(), True) for _ in range(3)]
        changes = old + new
        self.random.shuffle(changes)
        self.node.change(changes)

    def upload(self) -> None:
        name, _ = self.new()
        self.node.upload(name, self.random.randbytes(SMALL + 1), self.random.random() < 0.8)

    def flush(self) -> None:
        self.node.writer.log.flush()

    def idle(self) -> None:
        self.node.writer.log.idle()

    def compact(self) -> None:
        self.node.compact()

    def restart(self) -> None:
        self.node.stop()
        if self.random.random() < 0.3:
            self.node.disk.delete_database("")
        self.node.start()

    def do_something(self) -> None:
        often: list[Callable[[], None]] = [self.put, self.exchange, self.remove, self.put_again]
        seldom = [
            self.put_back,
            self.put_twice,
            self.remove_many,
            self.put_many,
            self.flush,
            self.idle,
        ]
        step = self.random.choice([*often * 3, *seldom * 2, self.compact, self.restart])
        if self.random.random() < 0.02:
            step = self.upload
        self.moments = []
        self.diary.append(step.__name__)
        step()
        self._take("", "")

    def fail(self) -> None:
        """Power fails, or the process is killed, somewhere in the step that was done last."""
        moment = self.random.choice(self.moments)
        picture = moment.picture
        del self.databases[moment.age + 1 :]  # what follows the failure did not happen
        if self.random.random() < 0.7:
            self.diary.append("POWER CUT")
            database = self.random.choice((picture.database, self.random.choice(self.databases)))
            picture = picture.after_power_cut(self.random, database)
        else:
            self.diary.append("KILLED")
        self.node.disk.unplug()
        self._adopt(SimulatedDisk(picture), moment.promised)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_life(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a node does and whenever it fails, it keeps what it promised."""
    monkeypatch.setattr(compaction, "_MOVES", 5)  # several steps, between which it may fail
    life = Life(Random(seed))
    try:
        life.begin()
        for _ in range(STEPS):
            life.do_something()
            if life.random.random() < 0.3:
                life.fail()
        life.node.audit(life.node.promises())
        life.node.stop()
        life.node.disk.delete_database("")
        life.node.start()
        life.node.audit(life.node.promises())
    except Exception as error:
        error.add_note(" -> ".join(life.diary))
        raise
    life.node.disk.unplug()
