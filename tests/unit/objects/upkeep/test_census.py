"""What a census counts, asks for and puts right; over a store in memory."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.catalog import BlobPage
from godos.model.errors import NodeUnreachable
from godos.model.members import NodeState
from godos.model.names import FragmentName
from godos.model.objects import DeleteRequest, PutRequest
from godos.model.policy import Policy
from godos.model.upkeep import Census
from godos.objects.upkeep.census import CensusTaker
from godos.protocol.upkeep import Facts, Health, assess, members_mark
from tests.unit.objects.stores import Body, Store, now

HOUR = 3600.0
DAY = 24 * HOUR


class Counted(Store):
    """A store with somebody who counts it."""

    def __init__(self, nodes: int = 3, policy: str = "auto", page: int = 7, **more: Any) -> None:
        super().__init__(nodes, policy)
        self.taker = CensusTaker(
            self.catalog,
            self.cluster,
            self.clock,
            maybeDeferred,
            "me",
            pause=0.0,
            page=page,
            **more,
        )

    def put(self, key: str, body: bytes = b"x" * 100) -> Blob:
        """Store an object; answers its blob."""
        version = now(self.objects.put("objects", key, Body(body), PutRequest()))
        blob: Blob = now(self.catalog.blob(version.incarnation))
        return blob

    def census(self) -> Census:
        working = self.taker.take()
        self.clock.pump([1.0] * 3)  # a node that does not answer is asked again
        found: Census = now(working)
        return found

    def away(self, node: int, seconds: float = 1e9) -> str:
        """Let a node answer nothing."""
        store = self.nodes[node]
        store.broken = NodeUnreachable("it does not answer")
        self.cluster.suspect(store.node_id)
        self.cluster.silence = lambda node_id: seconds if node_id == store.node_id else 0.0
        id_: str = store.node_id
        return id_

    def back(self, node: int) -> None:
        """Let it answer again."""
        self.nodes[node].broken = None
        self.cluster.dead.discard(self.nodes[node].node_id)

    def waiting(self) -> set[str]:
        """The blobs that wait for repair."""
        return {work.incarnation for work in now(self.catalog.repairs())}

    def strays(self) -> list[tuple[str, str, str]]:
        """What is in quarantine."""
        return [
            (stray.node, stray.name, stray.reason)
            for node in self.cluster.registered()
            for stray in now(self.catalog.strays(node.id))
        ]

    def health(self) -> Health:
        """What the store may say of itself."""
        nodes, live = self.cluster.registered(), {node.id for node in self.cluster.live()}
        facts = Facts(
            now(self.catalog.cluster()),
            nodes,
            {node.id for node in nodes} - live,
            now(self.catalog.census()),
            now(self.catalog.waiting_repairs()),
        )
        return assess(facts).health

    def stray(self, node: int, name: FragmentName, body: bytes = b"x" * 100) -> None:
        """Put a fragment on a disk that the catalog does not know."""
        some = Blob(name.incarnation, len(body), "0" * 64, Policy.copies(2), ())
        header = FragmentHeader(name, len(body), len(body), some.sha256, "ec=2+1")
        self.nodes[node].keep(header, body)


@pytest.fixture
def store() -> Counted:
    return Counted()


def take_away(store: Counted, placed: Placed, blob: Blob) -> Any:
    """Lose a fragment, as a disk that was tampered with does; answers it."""
    node = store.cluster.stores[placed.node]
    return node.fragments.pop(FragmentName(blob.incarnation, placed.index))


def test_a_whole_store(store: Counted) -> None:
    """Where all fragments are on their disks, the census says so, and the store is healthy."""
    sizes = [1, 100, 5000, 0, 70_000]
    for number, size in enumerate(sizes * 8):
        store.put(f"key {number}", bytes([number]) * size) if size else None
    assert store.health() is Health.UNKNOWN
    census = store.census()
    assert (census.blobs, census.bytes) == (32, 8 * sum(sizes))
    assert census.fragments == 32 * 3
    assert (census.below_target, census.lost, census.unreachable, census.strays) == (0, 0, 0, 0)
    assert census.silent == () and census.epoch == 1
    assert store.health() is Health.HEALTHY
    assert now(store.catalog.census()) == census
    assert not store.waiting() and not store.strays()


def test_an_empty_store(store: Counted) -> None:
    """A store without objects is healthy once somebody looked."""
    assert store.census().blobs == 0
    assert store.health() is Health.HEALTHY


def test_a_fragment_that_is_gone(store: Counted) -> None:
    """A copy that its node lost leaves its blob below target, and waiting for repair."""
    store.put("a")
    blob = store.put("b")
    take_away(store, blob.layout[1], blob)
    census = store.census()
    assert (census.blobs, census.below_target, census.lost, census.fragments) == (2, 1, 0, 5)
    assert store.waiting() == {blob.incarnation}
    assert store.health() is Health.DEGRADED


def test_bytes_that_are_gone(store: Counted) -> None:
    """When all nodes answered and none has a copy, the bytes are lost, and nothing else is said."""
    blob = store.put("a")
    for placed in blob.layout:
        take_away(store, placed, blob)
    census = store.census()
    assert (census.below_target, census.lost, census.unreachable) == (1, 1, 0)
    assert store.health() is Health.LOST


def test_bytes_that_nobody_can_tell_of(store: Counted) -> None:
    """While a node does not answer nothing is called lost: it may have them."""
    blob = store.put("a")
    for placed in blob.layout[:2]:
        take_away(store, placed, blob)
    away = [n.node_id for n in store.nodes].index(blob.layout[2].node)
    store.away(away)
    census = store.census()
    assert (census.lost, census.unreachable) == (0, 1)
    assert census.silent == (blob.layout[2].node,)
    assert store.health() is Health.UNREACHABLE
    store.back(away)
    assert store.census().unreachable == 0


def test_a_node_that_is_away_for_a_moment() -> None:
    """Its fragments count as missing, but nothing is made anew yet."""
    store = Counted(repair_after=600.0)
    blob = store.put("a")
    away = store.away(0, seconds=60.0)
    census = store.census()
    assert (census.below_target, census.silent) == (1, (away,))
    assert store.waiting() == set()
    store.away(0, seconds=601.0)
    assert store.census().below_target == 1
    assert store.waiting() == {blob.incarnation}


def test_a_node_that_left(store: Counted) -> None:
    """What was on a node that is registered no more is missing."""
    blob = store.put("a")
    del store.cluster.rows[blob.layout[0].node]
    assert store.census().below_target == 1
    assert store.waiting() == {blob.incarnation}


def test_a_failed_disk(store: Counted) -> None:
    """What is on a failed disk is to be made anew at once."""
    blob = store.put("a")
    failed = store.nodes[0]
    failed.broken = NodeUnreachable("the disk failed")
    rows = store.cluster.rows
    rows[failed.node_id] = evolve(rows[failed.node_id], state=NodeState.FAILED, reason="EIO")
    assert store.census().silent == (failed.node_id,)
    assert store.waiting() == {blob.incarnation}


def test_a_node_that_falls_silent_in_the_middle() -> None:
    """What it told before is believed, and the census says that it did not tell all."""
    store = Counted(page=3)
    for number in range(20):
        store.put(f"key {number}")
    failing = store.nodes[1]
    pages = 0
    inventory = failing.inventory

    def breaks(after: FragmentName | None, limit: int) -> Deferred[Any]:
        nonlocal pages
        pages += 1
        if pages > 3:
            failing.broken = NodeUnreachable("gone")
        return inventory(after, limit)

    failing.inventory = breaks
    working = store.taker.take()
    store.clock.pump([1.0] * 5)
    census = now(working)
    assert census.blobs == 20
    assert 0 < census.below_target < 20
    assert census.silent == (failing.node_id,)
    assert census.lost == 0


def test_a_hung_node_does_not_stop_the_census() -> None:
    """One that never answers is left out after its time."""
    store = Counted()
    store.put("a")
    store.nodes[0].inventory = lambda *_: Deferred()
    working = store.taker.take()
    store.clock.pump([31.0] * 10)
    assert now(working).silent == (store.nodes[0].node_id,)


# -- strays -----------------------------------------------------------------------------------
NAME = FragmentName("5" * 32, 0)


def test_a_stray_is_quarantined_and_then_removed(store: Counted) -> None:
    """A fragment without a blob stays for its grace, and is removed by a later census."""
    store.put("a")
    store.stray(1, NAME)
    assert store.census().strays == 1
    assert store.strays() == [(store.nodes[1].node_id, str(NAME), "no blob")]
    store.clock.advance(DAY - 10)
    assert store.census().strays == 1
    assert NAME in store.nodes[1].fragments
    store.clock.advance(20)
    store.census()
    assert NAME not in store.nodes[1].fragments
    assert store.strays() == []
    assert store.census().strays == 0
    assert store.fragments == 3


def test_an_upload_under_way_is_no_stray_for_long(store: Counted) -> None:
    """A fragment whose blob is committed after a census saw it leaves the quarantine."""
    store.put("a")
    real = store.catalog.blob
    store.catalog.blob = lambda _: succeed(None)
    store.catalog.blobs = _no_blobs
    assert store.census().strays == 3
    store.catalog.blob = real
    del store.catalog.blobs
    store.clock.advance(2 * DAY)
    assert store.census().strays == 0
    assert store.strays() == [] and store.fragments == 3


def _no_blobs(*_: object) -> Deferred[Any]:
    return succeed(BlobPage((), None))


def test_an_imported_catalog_removes_nothing(store: Counted) -> None:
    """While an operator has not confirmed the epoch, strays stay whatever their age."""
    store.stray(1, NAME)
    cluster = now(store.catalog.cluster())
    store.catalog.cluster = lambda: succeed(evolve(cluster, epoch=2, confirmed=1))
    store.census()
    store.clock.advance(3 * DAY)
    store.census()
    assert NAME in store.nodes[1].fragments
    assert store.health() is Health.UNKNOWN
    store.catalog.cluster = lambda: succeed(evolve(cluster, epoch=2, confirmed=2))
    store.census()
    assert NAME not in store.nodes[1].fragments


def test_a_surplus_copy(store: Counted) -> None:
    """A copy beside the layout goes after its grace, as long as the blob has all that it needs."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    name = FragmentName(blob.incarnation, 1)
    _copy(store, blob, blob.layout[1], spare)
    assert store.census().strays == 1
    assert [why for *_, why in store.strays()] == ["not in the layout"]
    store.clock.advance(DAY + 1)
    store.census()
    assert name not in store.nodes[spare].fragments
    assert store.health() is Health.HEALTHY


def test_what_is_left_of_a_blob_is_never_removed() -> None:
    """A surplus fragment of a blob that is not whole stays."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    _copy(store, blob, blob.layout[1], spare)
    store.census()
    store.clock.advance(DAY + 1)
    away = [n.node_id for n in store.nodes].index(blob.layout[0].node)
    store.away(away, 1.0)
    store.census()
    assert FragmentName(blob.incarnation, 1) in store.nodes[spare].fragments


def test_a_stray_that_is_named_at_the_last_moment() -> None:
    """Who names a fragment while it is being removed gets it made anew."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    _copy(store, blob, blob.layout[1], spare)
    store.census()
    store.clock.advance(DAY + 1)
    node = store.nodes[spare]
    remove = node.remove

    def named(name: FragmentName) -> Deferred[bool]:
        moved = Placed(1, node.node_id)
        layout = (blob.layout[0], moved, blob.layout[2])
        assert now(store.catalog.correct_layout(blob, layout)) is not None
        return remove(name)

    node.remove = named
    store.census()
    assert store.waiting() == {blob.incarnation}


def test_a_node_that_cannot_remove_keeps_its_stray(store: Counted) -> None:
    """Its stray stays in quarantine, and goes another time."""
    store.stray(1, NAME)
    store.census()
    store.clock.advance(DAY + 1)
    remove = store.nodes[1].remove
    store.nodes[1].remove = lambda _: _unreachable()
    assert store.census().strays == 1
    assert len(store.strays()) == 1
    store.nodes[1].remove = remove
    store.census()
    assert store.strays() == [] and NAME not in store.nodes[1].fragments


def test_a_node_that_does_not_answer_holds_up_no_census() -> None:
    """However many of its fragments are to go: it is asked to remove one."""
    store, asked = Counted(), list[FragmentName]()
    for number in range(9):
        store.stray(1, FragmentName(f"{number:032x}", 0))
    store.census()
    store.clock.advance(DAY + 1)

    def remove(name: FragmentName) -> Deferred[bool]:
        asked.append(name)
        return _unreachable()

    store.nodes[1].remove = remove
    store.census()
    assert len(asked) == 1
    assert len(store.strays()) == 9


def test_a_stray_whose_blob_was_changed_while_others_went_stays() -> None:
    """Many are looked at together; somebody may find a use for one before its turn comes."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    node = store.nodes[spare]
    _copy(store, blob, blob.layout[1], spare)
    first = FragmentName("0" * 32, 0)
    store.stray(spare, first)
    store.census()
    store.clock.advance(DAY + 1)
    remove = node.remove

    def named(name: FragmentName) -> Deferred[bool]:
        if name == first:
            layout = (blob.layout[0], Placed(1, node.node_id), blob.layout[2])
            assert now(store.catalog.correct_layout(blob, layout)) is not None
        return remove(name)

    node.remove = named
    store.census()
    assert first not in node.fragments
    assert FragmentName(blob.incarnation, 1) in node.fragments
    assert not store.waiting()


def test_a_census_of_a_clock_that_was_wrong_is_no_end_of_counting(store: Counted) -> None:
    """It is not taken for the newest for ever: another is due, and is kept."""
    store.put("a")
    right = store.census()
    ahead = evolve(right, started=right.started + 99 * DAY, finished=right.finished + 99 * DAY)
    now(store.catalog.put_census(ahead))
    store.taker.startService()
    store.clock.pump([10.0] * 10)
    now(store.taker.stopService())
    counted = now(store.catalog.census())
    assert counted.finished <= store.clock.seconds()


def _unreachable() -> Deferred[bool]:
    return fail(NodeUnreachable("for a moment"))


def test_a_removed_object_leaves_no_stray(store: Counted) -> None:
    """Fragments that the collector has yet to remove are none of the census' business."""
    store.put("a")
    now(store.objects.delete("objects", "a", DeleteRequest()))
    store.clock.advance(DAY + 1)
    assert len(now(store.catalog.removals(DAY))) == 1
    census = store.census()
    assert (census.blobs, census.below_target, census.strays) == (0, 0, 0)


def test_strays_of_a_node_that_is_away_wait(store: Counted) -> None:
    """Nothing is decided about a node that does not answer."""
    store.stray(1, NAME)
    store.census()
    store.clock.advance(2 * DAY)
    store.away(1)
    store.census()
    assert len(store.strays()) == 1
    store.back(1)
    store.census()
    assert store.strays() == []


# -- fragments elsewhere ------------------------------------------------------------------------
def _nodes(blob: Blob) -> set[str]:
    return {placed.node for placed in blob.layout}


def _copy(store: Counted, blob: Blob, placed: Placed, to: int) -> None:
    name = FragmentName(blob.incarnation, placed.index)
    stored = store.cluster.stores[placed.node].fragments[name]
    store.nodes[to].keep(stored.header, bytes(stored.payload))


def test_a_fragment_that_was_moved_joins_the_layout() -> None:
    """A copy that somebody moved to another disk is read back, and then counts."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    _copy(store, blob, blob.layout[1], spare)
    take_away(store, blob.layout[1], blob)
    census = store.census()
    assert (census.below_target, census.strays) == (0, 0)
    moved = now(store.catalog.blob(blob.incarnation))
    assert Placed(1, store.nodes[spare].node_id) in moved.layout
    assert blob.layout[1] not in moved.layout and len(moved.layout) == 3
    assert store.waiting() == set()


def test_a_damaged_fragment_does_not_join() -> None:
    """What fails its checks is no help, and the blob waits for repair."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    _copy(store, blob, blob.layout[1], spare)
    take_away(store, blob.layout[1], blob)
    store.nodes[spare].damage(FragmentName(blob.incarnation, 1), 5)
    assert store.census().below_target == 1
    assert store.waiting() == {blob.incarnation}


# -- races ---------------------------------------------------------------------------------------
def test_an_object_that_is_deleted_meanwhile(store: Counted) -> None:
    """A blob that went while the census looked is neither missing nor lost."""
    blob = store.put("a")
    store.put("b")
    inventory = store.nodes[0].inventory

    def late(after: FragmentName | None, limit: int) -> Deferred[Any]:
        if now(store.catalog.blob(blob.incarnation)) is not None:
            now(store.objects.delete("objects", "a", DeleteRequest()))
            [removal] = now(store.catalog.removals(-1.0))
            for placed in blob.layout:
                take_away(store, placed, blob)
            now(store.catalog.removed(removal))
        return inventory(after, limit)

    store.nodes[0].inventory = late
    census = store.census()
    assert (census.blobs, census.below_target, census.lost) == (1, 0, 0)
    assert store.waiting() == set() and store.strays() == []


def test_an_object_that_is_stored_meanwhile(store: Counted) -> None:
    """A blob that came after the catalog was read is counted, and no stray."""
    store.put("a")
    inventory = store.nodes[0].inventory
    came: list[Blob] = []

    def late(after: FragmentName | None, limit: int) -> Deferred[Any]:
        if not came:
            came.append(store.put("b"))
        return inventory(after, limit)

    store.nodes[0].inventory = late
    census = store.census()
    assert (census.blobs, census.below_target, census.strays) == (2, 0, 0)


def test_a_repair_that_ends_meanwhile() -> None:
    """A fragment that moved while the census looked is not asked for again."""
    store = Counted(4, "copies=3")
    blob = store.put("a")
    spare = next(n for n in range(4) if store.nodes[n].node_id not in _nodes(blob))
    inventory = store.nodes[0].inventory
    moved: list[Placed] = []

    def late(after: FragmentName | None, limit: int) -> Deferred[Any]:
        if not moved:
            old = blob.layout[2]
            moved.append(Placed(old.index, store.nodes[spare].node_id))
            _copy(store, blob, old, spare)
            now(store.catalog.correct_layout(blob, (*blob.layout[:2], moved[0])))
            take_away(store, old, blob)
        return inventory(after, limit)

    store.nodes[0].inventory = late
    census = store.census()
    assert (census.below_target, census.strays) == (0, 0)
    assert store.waiting() == set()


# -- unverified --------------------------------------------------------------------------------
def test_what_nobody_read_for_long(store: Counted) -> None:
    """Blobs with a fragment that was not read back for the set time are counted apart."""
    store.put("a")
    started = store.clock.seconds()
    _verified(store, started)
    store.clock.advance(29 * DAY)
    assert store.census().unverified == 0
    store.clock.advance(2 * DAY)
    census = store.census()
    assert (census.unverified, census.verify_days) == (1, 30.0)
    _verified(store, store.clock.seconds())
    assert store.census().unverified == 0


def _verified(store: Counted, since: float) -> None:
    for node in store.nodes:
        node.inventory = _dated(type(node).inventory.__get__(node), since)


def _dated(inventory: Any, since: float) -> Any:
    def dated(after: FragmentName | None, limit: int) -> Deferred[Any]:
        found = inventory(after, limit)
        return found.addCallback(lambda held: [evolve(one, verified=since) for one in held])

    return dated


# -- when ----------------------------------------------------------------------------------------
class Running:
    """A census taker that runs, with a clock that goes by itself."""

    def __init__(self, store: Counted) -> None:
        self.store = store
        store.taker.startService()

    def rest(self, seconds: float) -> int:
        """Let time pass; answers how many censuses were taken in it."""
        before = self.store.taker.taken
        self.store.clock.pump([5.0] * int(seconds / 5))
        return self.store.taker.taken - before


@pytest.fixture
def running(store: Counted) -> Running:
    return Running(store)


def test_it_is_taken_now_and_then(running: Running) -> None:
    """Once after the start, and then every six hours."""
    assert running.rest(120) == 1
    assert running.rest(5.8 * HOUR) == 0
    assert running.rest(0.3 * HOUR) == 1


def test_it_is_taken_after_members_changed(running: Running) -> None:
    """Not while they change, but once they have settled."""
    assert running.rest(120) == 1
    running.store.away(0, 1.0)
    assert running.rest(20) == 0
    assert running.rest(60) == 1
    assert running.rest(600) == 0
    running.store.away(0, 700.0)
    assert running.rest(60) == 1  # its fragments are to be made anew now
    assert running.rest(600) == 0
    running.store.back(0)
    running.store.cluster.silence = lambda _: 0.0
    assert running.rest(60) == 1


def test_beats_that_are_rarer_than_repairs_wait(running: Running) -> None:
    """A node that lives is never gone, however long ago its last beat was."""
    beats = iter(range(10_000))
    running.store.taker._repair_after = 3.0
    running.store.cluster.silence = lambda _: float(next(beats) % 7)
    assert running.rest(120) == 1
    assert running.rest(600) == 0


def test_members_that_come_and_go(running: Running) -> None:
    """Nodes that flap do not keep the census going."""
    assert running.rest(120) == 1
    taken = 0
    for _ in range(20):
        running.store.away(0, 1.0)
        taken += running.rest(10)
        running.store.back(0)
        running.store.cluster.silence = lambda _: 0.0
        taken += running.rest(10)
    assert taken == 0


def test_it_is_taken_after_repairs(running: Running) -> None:
    """When nothing waits for repair any more, the store is counted again."""
    store = running.store
    blob = store.put("a")
    lost = take_away(store, blob.layout[0], blob)
    assert running.rest(120) == 1
    assert running.rest(300) == 0
    assert store.health() is Health.DEGRADED
    store.cluster.stores[blob.layout[0].node].keep(lost.header, bytes(lost.payload))
    [work] = now(store.catalog.repairs())
    assert now(store.catalog.repaired(work))
    assert running.rest(60) == 1
    assert store.health() is Health.HEALTHY
    assert running.rest(600) == 0


def test_it_is_taken_when_asked(running: Running) -> None:
    """An operator does not wait for the next turn of the clock."""
    assert running.rest(120) == 1
    running.store.taker.wake()
    assert running.rest(10) == 1


def test_only_one_server_takes_it(store: Counted) -> None:
    """Who has not the lease waits until it is given up."""
    assert now(store.catalog.try_lease("census", "another", 120.0))
    running = Running(store)
    assert running.rest(60) == 0
    assert running.rest(600) == 1  # the other never renewed it


def test_a_server_that_was_just_restarted(running: Running) -> None:
    """A census of before that still holds is not taken again."""
    assert running.rest(120) == 1
    other = CensusTaker(
        running.store.catalog,
        running.store.cluster,
        running.store.clock,
        maybeDeferred,
        "me",
        pause=0.0,
    )
    now(running.store.taker.stopService())
    other.startService()
    running.store.clock.pump([5.0] * 60)
    assert other.taken == 0


def test_it_stops_in_the_middle() -> None:
    """A server that ends leaves nothing behind, also while it counts."""
    store = Counted()
    store.put("a")
    hung: Deferred[Any] = Deferred()
    store.nodes[0].inventory = lambda *_: hung
    store.taker.startService()
    store.clock.pump([5.0] * 12)
    assert store.taker.sums is not None
    now(store.taker.stopService())
    assert store.taker.sums is None
    assert now(store.catalog.census()) is None
    store.clock.advance(1000)


# -- anything --------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_a_simple_count(seed: int) -> None:
    """Whatever is lost, moved and left over, the sums are those of a look at each blob."""
    random = Random(seed)
    store = Counted(6, random.choice(["copies=2", "copies=3"]), page=random.choice([1, 2, 5, 50]))
    blobs = [store.put(f"key {n}", b"x" * random.randrange(1, 300)) for n in range(40)]
    for blob in blobs:
        for placed in blob.layout:
            if random.random() < 0.3:
                take_away(store, placed, blob)
    strays = random.randrange(5)
    for number in range(strays):
        name = FragmentName(f"{random.getrandbits(128):032x}", number)
        store.stray(random.randrange(6), name)
    below = lost = there = 0
    for blob in blobs:
        good = sum(
            FragmentName(blob.incarnation, placed.index)
            in store.cluster.stores[placed.node].fragments
            for placed in blob.layout
        )
        below += good < blob.policy.width
        lost += not good
        there += good
    census = store.census()
    assert (census.blobs, census.bytes) == (40, sum(blob.size for blob in blobs))
    assert (census.below_target, census.lost, census.strays) == (below, lost, strays)
    assert census.fragments == there
    assert len(store.waiting()) == below


def test_the_mark_of_members() -> None:
    """It is the same for the same members, and another one when one of them changes."""
    nodes = Counted().cluster.registered()
    mark = members_mark(nodes)
    assert mark == members_mark(list(reversed(nodes)))
    others = [
        members_mark(nodes[1:]),
        members_mark(nodes, {nodes[0].id}),
        members_mark([evolve(nodes[0], state=NodeState.DRAINING), *nodes[1:]]),
        members_mark([evolve(nodes[0], state=NodeState.FAILED), *nodes[1:]]),
    ]
    assert len({mark, *others}) == 5
