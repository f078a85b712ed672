"""
Several servers that work on one blob at the same time, their steps in any order.

Leases keep that from happening often, and clocks keep it from never happening.  Whatever the
order, the blob can be read all the time, and one more repair brings it to target.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from godos.model.blobs import Blob
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.objects.collection import GRACE, Collector
from tests.unit.objects.stores import now
from tests.unit.objects.upkeep.wards import SMALL, Ward, content

SEEDS = int(os.environ.get("GODOS_REPAIR_SEEDS", "40"))
NODES = 8
VERBS = ("put", "upload", "open", "verify", "holds", "remove")


class Stage:
    """Holds back every operation on the nodes until it is chosen."""

    def __init__(self, ward: Ward, random: Random) -> None:
        self._random = random
        self._held: list[Deferred[None]] = []
        self._free = False
        for node in ward.nodes:
            for verb in VERBS:
                setattr(node, verb, self._holding(getattr(node, verb)))

    def _holding(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def held(*args: Any, **kwargs: Any) -> Any:
            if self._free:
                return real(*args, **kwargs)
            gate: Deferred[None] = Deferred()
            self._held.append(gate)
            return gate.addCallback(lambda _: real(*args, **kwargs))

        return held

    def step(self) -> bool:
        """Let any one of the waiting operations happen; tells whether there was one."""
        waiting = [gate for gate in self._held if not gate.called]
        if not waiting:
            return False
        gate = self._random.choice(waiting)
        self._held.remove(gate)
        gate.callback(None)
        return True

    def clear(self) -> None:
        """From now on nothing waits."""
        while self.step():
            pass
        self._free = True


def readable(ward: Ward, blob: Blob) -> bool:
    """Whether enough of what the layout names is good, by a look at the disks."""
    shards = set()
    for placed in blob.layout:
        name = FragmentName(blob.incarnation, placed.index)
        kept = ward.store_of(placed).fragments.get(name)
        if kept is not None and kept.good(0, len(kept.payload)):
            assert kept.header.policy == str(blob.policy)
            shards.add(placed.shard)
    return len(shards) >= blob.policy.data


def actor(ward: Ward, blob: Blob, random: Random) -> Deferred[Any]:
    """One server that does something to the blob."""
    mender = ward.another_mender()
    kind = random.choice(["mend", "move", "convert"])
    if kind == "mend":
        return mender.mend(blob)
    if kind == "move":
        return mender.mend(blob, avoid=frozenset({random.choice(blob.layout).node}))
    return mender.convert(blob, Policy.parse(random.choice(["copies=2", "ec=4+2", "ec=2+1"])))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_servers_that_work_on_one_blob_at_once(seed: int) -> None:
    """Readable after every step; at target after one more repair; nothing staged."""
    random = Random(seed)
    ward = Ward(NODES, random.choice(["copies=3", "ec=4+2"]))
    size = random.choice([5000, SMALL, SMALL, 1_500_000 * 4])
    blob = ward.put(size)
    for placed in random.sample(blob.layout, random.randrange(blob.policy.parity)):
        random.choice([ward.damage, ward.lose])(blob, placed)
    stage = Stage(ward, random)
    work = [actor(ward, blob, random) for _ in range(random.randrange(2, 4))]
    results: list[Any] = []
    for one in work:
        one.addBoth(results.append)
    broken_off = random.random() < 0.3
    while stage.step():
        assert readable(ward, ward.blob_of()), seed
        if broken_off and random.random() < 0.05:
            random.choice(work).cancel()
    stage.clear()
    assert len(results) == len(work)
    assert not ward.staged
    assert ward.read() == content(size)
    mended = ward.mend(ward.blob_of())
    assert (mended.missing, mended.trouble) == ((), "")
    ward.check_at_target(mended.blob)
    assert ward.read() == content(size)


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_a_blob_that_is_collected_while_servers_work_on_it(seed: int) -> None:
    """The collector takes all that it can see, and nobody makes a layout of what is gone."""
    random = Random(seed)
    ward = Ward(NODES, "ec=4+2")
    blob = ward.put(SMALL)
    ward.lose(blob, blob.layout[0])
    ward.delete()
    ward.clock.advance(GRACE + 60)
    stage = Stage(ward, random)
    work = [actor(ward, blob, random) for _ in range(2)]
    for _ in range(random.randrange(60)):
        stage.step()
    collector = Collector(ward.catalog, ward.cluster, ward.locator, ward.clock, "me")
    work.append(collector.round())
    results: list[Any] = []
    for one in work:
        one.addBoth(results.append)
    while stage.step():
        pass
    stage.clear()
    assert len(results) == 3
    assert not ward.staged
    for _ in range(3):  # what a mender changed last is taken in the next round
        ward.clock.advance(GRACE + 60)
        now(collector.round())
    assert now(ward.catalog.blob(blob.incarnation)) is None
