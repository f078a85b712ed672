"""
Stores that are harmed at random, and repaired: nothing that is read is ever wrong.

Whatever happens between two rounds of repair stays within what the policies promise to
survive; so every object must be readable all the time, and at target when nodes are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest

from godos.model.blobs import Blob, Placed
from godos.model.errors import Unavailable
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.objects.collection import GRACE, Collector
from godos.objects.upkeep.repair import LONGEST_REST, Repairer
from tests.unit.objects.stores import now
from tests.unit.objects.upkeep.wards import REPAIR_AFTER, Ward, content

POLICIES = ("copies=2", "copies=3", "ec=2+1", "ec=4+2")
SIZES = (1, 5000, 130_000, 140_000, 1_100_000, 2_500_000)
ROUNDS = 8
OBJECTS = 6
SEEDS = int(os.environ.get("GODOS_REPAIR_SEEDS", "8"))


class World:
    """One store, what should be in it, and one life of it that `seed` decides."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.policy = self.random.choice(POLICIES)
        nodes = Policy.parse(self.policy).width + self.random.randrange(1, 4)
        self.ward = Ward(nodes, self.policy)
        self.sizes: dict[str, int] = {}
        for number in range(OBJECTS):
            self.put(f"k{number}")
        self.repairer = Repairer(
            self.ward.catalog,
            self.ward.cluster,
            self.ward.mender,
            self.ward.clock,
            "me",
        )

    # -- what clients do ----------------------------------------------------------------------
    def put(self, key: str) -> None:
        size = self.random.choice(SIZES)
        with suppress(Unavailable):  # too many disks are full or away: the old one stays
            self.ward.put(size, key, size)
            self.sizes[key] = size

    def overwrite(self) -> None:
        self.put(self.random.choice(sorted(self.sizes)))

    def convert(self) -> None:
        """As a change of the policy does."""
        live = len(self.ward.cluster.live())
        fitting = [text for text in POLICIES if Policy.parse(text).width <= live]
        if fitting:
            blob = self.any_blob()
            now(self.ward.mender.convert(blob, Policy.parse(self.random.choice(fitting))))

    def drain_one(self) -> None:
        """As a node that is to be emptied does."""
        blob = self.any_blob()
        now(self.ward.mender.mend(blob, avoid=frozenset({blob.layout[0].node})))

    # -- what goes wrong ------------------------------------------------------------------------
    def die(self) -> None:
        """A node falls silent for good: all that it has is away at once."""
        live = self.ward.cluster.live()
        widest = max(Policy.parse(text).width for text in (*POLICIES[:2], self.policy))
        if len(live) > widest:
            node = self.random.choice(live)
            self.ward.cluster.quiet[node.id] = REPAIR_AFTER
            self.tell_all()

    def come_back(self) -> None:
        """A node that was away is there again, with what it had."""
        if self.ward.cluster.quiet:
            del self.ward.cluster.quiet[self.random.choice(sorted(self.ward.cluster.quiet))]

    def join(self) -> None:
        """A new node."""
        if len(self.ward.nodes) < 14:
            self.ward.add_node()

    def damage(self) -> None:
        """A bit of one fragment flips."""
        self.harm(
            lambda blob, placed: self.ward.damage(
                blob, placed, self.random.randrange(self.length(blob, placed))
            )
        )

    def lose(self) -> None:
        """One fragment is gone."""
        self.harm(self.ward.lose)

    def empty(self) -> None:
        """A node comes back with an empty disk."""
        live = self.ward.cluster.live()
        node = self.random.choice(live).id
        self.ward.cluster.stores[node].fragments.clear()
        self.tell_all()

    def break_off(self) -> None:
        """A disk takes nothing more and gives nothing for a while: what is begun fails."""
        live = [node.id for node in self.ward.cluster.live()]
        self.ward.cluster.stores[self.random.choice(live)].room = self.random.choice((0, 1 << 40))

    # -- helpers ----------------------------------------------------------------------------
    def any_blob(self) -> Blob:
        return self.ward.blob_of(self.random.choice(sorted(self.sizes)))

    def length(self, blob: Blob, placed: Placed) -> int:
        name = FragmentName(blob.incarnation, placed.index)
        return len(self.ward.store_of(placed).fragments[name].payload)

    def harm(self, what: Callable[[Blob, Placed], None]) -> None:
        """Do this to one good fragment of a blob that survives it, and let it be noticed."""
        blob = self.any_blob()
        good = self.good(blob)
        if len(good) > blob.policy.data:
            what(blob, self.random.choice(good))
            now(self.ward.catalog.want_repair(blob.incarnation, "damaged"))

    def good(self, blob: Blob) -> list[Placed]:
        """The fragments of the layout that can be read, each on a node that lives."""
        live = {node.id for node in self.ward.cluster.live()}
        found = []
        for placed in blob.layout:
            name = FragmentName(blob.incarnation, placed.index)
            kept = self.ward.store_of(placed).fragments.get(name)
            if placed.node in live and kept is not None and kept.good(0, len(kept.payload)):
                found.append(placed)
        return found

    def tell_all(self) -> None:
        """As a census does."""
        for key in self.sizes:
            now(self.ward.catalog.want_repair(self.ward.blob_of(key).incarnation, "census"))

    def spares_a_node(self) -> bool:
        """Whether every blob can do without one node more."""
        blobs = map(self.ward.blob_of, self.sizes)
        return all(len(self.good(blob)) > blob.policy.data for blob in blobs)

    # -- a life -----------------------------------------------------------------------------
    def live(self) -> None:
        """Things happen, and in between there is repair."""
        client = [self.overwrite, self.convert, self.drain_one]
        harmless = [self.come_back, self.join, self.break_off]
        for _ in range(ROUNDS):
            for _ in range(self.random.randrange(1, 5)):
                step = self.random.choice([*client, *harmless, self.damage, self.lose])
                step()
                self.check_readable()
            if self.spares_a_node():
                self.random.choice([self.die, self.empty])()
                self.check_readable()
            self.repair()
            self.check_readable()

    def repair(self) -> None:
        self.ward.clock.advance(LONGEST_REST)
        self.repairer.wake()
        now(self.repairer.round())

    def check_readable(self) -> None:
        """Every object, whole and right."""
        for key, size in self.sizes.items():
            assert self.ward.read(key) == content(size, size), key
        assert not self.ward.staged

    def end_well(self) -> None:
        """With enough nodes all is repaired, every shard verified, and nothing waits."""
        self.ward.cluster.quiet.clear()
        for node in self.ward.nodes:
            node.room = 1 << 40
        for _ in range(6):
            self.ward.add_node()
        self.tell_all()
        for _ in range(3):
            self.repair()
        waiting = {work.incarnation for work in now(self.ward.catalog.repairs())}
        for key in self.sizes:
            self.ward.check_at_target(self.ward.blob_of(key))
            assert self.ward.blob_of(key).incarnation not in waiting
        self.check_readable()

    def end_empty(self) -> None:
        """What is deleted and collected leaves nothing that a layout named."""
        layouts = [self.ward.blob_of(key) for key in self.sizes]
        for key in self.sizes:
            self.ward.delete(key)
        collector = Collector(
            self.ward.catalog, self.ward.cluster, self.ward.locator, self.ward.clock, "me"
        )
        for _ in range(3):
            self.ward.clock.advance(GRACE + 60)
            now(collector.round())
        for blob in layouts:
            assert now(self.ward.catalog.blob(blob.incarnation)) is None
            held = [node for node in self.ward.nodes if now(node.holds([blob.incarnation]))]
            assert not held


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_store_that_is_harmed_and_repaired(seed: int) -> None:
    """Objects are readable and right at every moment, at target in the end, and then gone."""
    world = World(seed)
    world.live()
    world.end_well()
    world.end_empty()
