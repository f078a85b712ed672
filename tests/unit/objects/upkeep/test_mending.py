"""Bringing one blob to target."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed

from godos.model.blobs import Blob, BlobState, Placed
from godos.model.errors import BytesNotFound, NodeFull, NodeUnreachable
from godos.model.members import NodeState
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.objects.upkeep.mending import Mended
from tests.unit.objects.stores import now
from tests.unit.objects.upkeep.wards import LARGE, REPAIR_AFTER, SMALL, Ward, content

POLICIES = ("copies=3", "ec=4+2", "ec=2+1")
SIZES = (1000, SMALL, LARGE)

Harm = Callable[[Ward, Blob, Placed], None]
HARMS: dict[str, Harm] = {
    "damaged": lambda ward, blob, placed: ward.damage(blob, placed),
    "missing": lambda ward, blob, placed: ward.lose(blob, placed),
    "silent for long": lambda ward, blob, placed: ward.silence(placed, REPAIR_AFTER),
    "failed": lambda ward, blob, placed: ward.fail(placed),
    "unregistered": lambda ward, blob, placed: ward.unregister(placed),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("harm", HARMS)
def test_what_was_harmed_is_made_anew(policy: str, size: int, harm: str) -> None:
    """Whatever happened to a fragment; the bytes are the same, and all are verified."""
    ward = Ward(8, policy)
    blob = ward.put(size)
    for placed in blob.layout[: blob.policy.parity]:
        HARMS[harm](ward, blob, placed)
    mended = ward.mend(blob)
    assert (mended.fragments, mended.missing, mended.trouble) == (blob.policy.parity, (), "")
    assert mended.blob == ward.blob_of()
    ward.check_at_target(mended.blob)
    assert ward.read() == content(size)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_blob_at_target_is_only_read(policy: str) -> None:
    """Nothing is written, and its row stays as it is."""
    ward = Ward(8, policy)
    blob = ward.put()
    assert ward.mend(blob) == Mended(blob)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", SIZES)
def test_a_damaged_fragment_is_replaced_in_place_where_there_is_no_other_node(
    policy: str, size: int
) -> None:
    """The layout stays, and the fragment is good again."""
    ward = Ward(Policy.parse(policy).width, policy)
    blob = ward.put(size)
    holding = {placed.node for placed in blob.layout}
    for node in set(ward.cluster.rows) - holding:
        ward.cluster.fill(node)
    ward.damage(blob, blob.layout[1])
    mended = ward.mend(blob)
    assert (mended.fragments, mended.trouble) == (1, "")
    assert mended.blob.layout == blob.layout
    ward.check_at_target(mended.blob)


def test_a_damaged_fragment_leaves_its_node_where_there_is_a_better_one() -> None:
    """And it is removed there."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    bad = blob.layout[2]
    ward.damage(blob, bad)
    mended = ward.mend(blob)
    assert bad.node not in {placed.node for placed in mended.blob.layout}
    assert not ward.store_of(bad).fragments
    ward.check_at_target(mended.blob)


def test_a_node_that_is_silent_since_not_long_is_waited_for() -> None:
    """It may be restarting: what it has stays in the layout, and nothing is written."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.silence(blob.layout[0], 5.0)
    ward.store_of(blob.layout[0]).broken = NodeUnreachable("no answer")
    mended = ward.mend(blob)
    assert (mended.fragments, mended.missing) == (0, (0,))
    assert blob.layout[0].node in mended.trouble
    assert mended.blob == blob


def test_a_node_that_hangs_holds_up_mending_for_a_bounded_time_only() -> None:
    """It is waited for as one that is silent, and the others are looked after."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    hung: Deferred[None] = Deferred()
    ward.store_of(blob.layout[0]).verify = lambda name: hung
    ward.lose(blob, blob.layout[1])
    results: list[Mended] = []
    ward.mender.mend(blob).addCallback(results.append)
    assert not results
    ward.clock.advance(120)
    (mended,) = results
    assert mended.missing == (0,)
    assert mended.fragments == 1
    assert blob.layout[0] in mended.blob.layout


def test_a_bug_of_one_node_keeps_no_blob_from_being_mended() -> None:
    """It is logged, and the others do."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])
    for node in ward.nodes:
        if node.node_id not in {placed.node for placed in blob.layout}:
            node.holds = lambda names: fail(ValueError("a bug"))
            break
    mended = ward.mend(blob)
    assert (mended.fragments, mended.trouble) == (1, "")
    ward.check_at_target(mended.blob)


def test_as_many_as_there_are_nodes_for() -> None:
    """Below target still, and said so; what can come back stays in the layout."""
    ward = Ward(6, "ec=4+2")
    blob = ward.put()
    gone, lost = blob.layout[0], blob.layout[1]
    ward.silence(gone, REPAIR_AFTER)
    ward.lose(blob, lost)
    mended = ward.mend(blob)
    assert mended.fragments == 1
    assert len(mended.missing) == 1
    assert "no other node takes fragment" in mended.trouble
    assert len({placed.node for placed in mended.blob.layout}) == len(mended.blob.layout)
    assert ward.read() == content(LARGE)
    added = ward.add_node()
    again = ward.mend(blob)
    assert (again.fragments, again.trouble) == (1, "")
    assert added in {placed.node for placed in again.blob.layout}
    ward.check_at_target(again.blob)


def test_a_blob_of_which_too_little_is_left_is_left_alone() -> None:
    """Not even what is damaged is removed: parts of it may be good."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    for placed in blob.layout[:3]:
        ward.damage(blob, placed)
    before = ward.fragments
    mended = ward.mend(blob)
    assert (mended.fragments, mended.missing) == (0, (0, 1, 2))
    assert mended.blob == blob
    assert ward.fragments == before
    assert not ward.staged


def test_fragments_that_are_damaged_in_different_places_make_a_whole() -> None:
    """Every stripe has enough good shards, though too few fragments are whole."""
    ward = Ward(12, "ec=4+2")
    blob = ward.put(40 << 20)
    for number, placed in enumerate(blob.layout[:4]):
        ward.damage(blob, placed, number * (2 << 20) + 9)
    mended = ward.mend(blob)
    assert (mended.fragments, mended.trouble) == (4, "")
    ward.check_at_target(mended.blob)


def test_nodes_are_left() -> None:
    """Fragments move to others, which were read back before the old ones go."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    leaving = frozenset(placed.node for placed in blob.layout[:2])
    mended = ward.mend(blob, avoid=leaving)
    assert (mended.fragments, mended.missing, mended.trouble) == (2, (), "")
    assert not leaving.intersection(placed.node for placed in mended.blob.layout)
    assert all(not ward.cluster.stores[node].fragments for node in leaving)
    ward.check_at_target(mended.blob)
    assert ward.read() == content(LARGE)


def test_what_cannot_be_copied_from_a_node_that_is_left_is_made_anew() -> None:
    """Damage, or a node that is dead already, keeps nobody from leaving it."""
    for harm in ("damaged", "missing", "silent for long"):
        ward = Ward(8, "ec=4+2")
        blob = ward.put()
        HARMS[harm](ward, blob, blob.layout[0])
        mended = ward.mend(blob, avoid=frozenset({blob.layout[0].node}))
        assert (mended.fragments, mended.trouble) == (1, "")
        assert blob.layout[0] not in mended.blob.layout
        ward.check_at_target(mended.blob)


def test_a_dead_node_that_is_to_be_left_is_not_waited_for() -> None:
    """Somebody asked for it to be replaced now."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.silence(blob.layout[0], 1.0)
    ward.store_of(blob.layout[0]).broken = NodeUnreachable("no answer")
    mended = ward.mend(blob, avoid=frozenset({blob.layout[0].node}))
    assert (mended.fragments, mended.trouble) == (1, "")
    ward.check_at_target(mended.blob)


def test_without_a_place_to_go_fragments_stay() -> None:
    """Nothing is lost for being unwanted somewhere."""
    ward = Ward(3, "copies=3")
    blob = ward.put()
    mended = ward.mend(blob, avoid=frozenset({blob.layout[0].node}))
    assert mended.blob == blob
    assert (mended.fragments, mended.missing) == (0, ())
    assert "no other node takes fragment 0" in mended.trouble
    ward.check_at_target(blob)


def test_preferred_nodes_come_first() -> None:
    """As the successor of a node that is replaced."""
    ward = Ward(12, "ec=2+1")
    blob = ward.put()
    for node in ward.cluster.rows:
        if node not in {placed.node for placed in blob.layout}:
            standing = ward.blob_of()
            left = standing.layout[0].node
            mended = ward.mend(standing, avoid=frozenset({left}), prefer=(node,))
            assert node in {placed.node for placed in mended.blob.layout}
            ward.check_at_target(mended.blob)


def test_a_full_node_is_passed_over() -> None:
    """Another takes what it refuses; nothing stays staged."""
    for size in SIZES:
        ward = Ward(8, "copies=3")
        blob = ward.put(size)
        spare = [node for node in ward.nodes if not node.fragments]
        ward.lose(blob, blob.layout[0])
        for node in [*spare[1:], ward.store_of(blob.layout[0])]:
            node.room = 0
        mended = ward.mend(blob)
        assert mended.trouble == ""
        ward.check_at_target(mended.blob)


def test_a_node_that_dies_during_its_upload_is_passed_over() -> None:
    """The others that are written at the same time go on."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    for placed in blob.layout[:2]:
        ward.lose(blob, placed)
    writes = 0
    for node in ward.nodes:
        if node.fragments:
            continue
        real = node.upload

        def upload(name: FragmentName, length: int | None, real=real, node=node):  # type: ignore[no-untyped-def]
            nonlocal writes
            writes += 1
            made = real(name, length)
            if writes == 1:
                made.addCallback(
                    lambda u: (setattr(u, "write", lambda p: fail(NodeFull("x"))), u)[1]
                )
            return made

        node.upload = upload
    mended = ward.mend(blob)
    assert mended.trouble == ""
    ward.check_at_target(mended.blob)


@pytest.mark.parametrize("size", SIZES)
def test_what_does_not_read_back_does_not_count(size: int) -> None:
    """A disk that takes bytes and loses them never gets into a layout."""
    ward = Ward(5, "copies=3")
    blob = ward.put(size)
    ward.lose(blob, blob.layout[0])
    liars = [node for node in ward.nodes if not node.fragments]
    for node in liars[1:]:
        keep = node.keep

        def rotten(header, payload, keep=keep, node=node):  # type: ignore[no-untyped-def]
            keep(header, payload)
            node.damage(header.name, 0)

        node.keep = rotten
    mended = ward.mend(blob)
    assert mended.trouble == ""
    rotten_nodes = {node.node_id for node in liars[1:]}
    assert not rotten_nodes.intersection(placed.node for placed in mended.blob.layout)
    ward.check_at_target(mended.blob)


def with_one_unwritten(ward: Ward) -> tuple[Blob, Placed]:
    """A blob of which one fragment is durable where no layout says so, and that place."""
    blob = ward.put()
    mended = ward.mend(blob, avoid=frozenset({blob.layout[0].node}))
    moved = next(placed for placed in mended.blob.layout if placed.index == 0)
    layout = tuple(placed for placed in mended.blob.layout if placed != moved)
    return now(ward.catalog.correct_layout(mended.blob, layout)), moved


def test_fragments_that_nobody_wrote_down_are_found() -> None:
    """What was written by somebody who died before the layout was corrected is not made again."""
    ward = Ward(8, "ec=4+2")
    standing, moved = with_one_unwritten(ward)
    again = ward.mend(standing)
    assert (again.fragments, again.trouble) == (0, "")
    assert moved in again.blob.layout
    ward.check_at_target(again.blob)


def test_what_is_found_and_goes_before_it_is_written_down_is_made_anew() -> None:
    """It was in quarantine: whoever removed it did not know yet that it is needed."""
    ward = Ward(8, "ec=4+2")
    standing, moved = with_one_unwritten(ward)
    correct_layout, swept = ward.catalog.correct_layout, list[Placed]()

    def late(blob: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        if not swept:
            swept.append(moved)
            ward.lose(blob, moved)
        return correct_layout(blob, layout)

    ward.catalog.correct_layout = late  # type: ignore[method-assign]
    again = ward.mend(standing)
    assert (again.fragments, again.trouble) == (1, "")
    ward.check_at_target(again.blob)


def test_two_fragments_on_one_node_are_parted() -> None:
    """One of them moves, when there is a node for it; else both stay."""
    for nodes, moved in ((4, 1), (2, 0)):
        ward = Ward(nodes, "copies=2")
        blob = ward.put()
        first, second = blob.layout
        name = FragmentName(blob.incarnation, second.index)
        ward.store_of(first).fragments[name] = ward.store_of(second).fragments.pop(name)
        layout = (first, Placed(second.index, first.node))
        standing = now(ward.catalog.correct_layout(blob, layout))
        if not moved:
            ward.cluster.fill(second.node)
        mended = ward.mend(standing)
        assert mended.fragments == moved
        assert bool(mended.trouble) is not bool(moved)
        assert len({placed.node for placed in mended.blob.layout}) == 1 + moved
        ward.headers(mended.blob)


def test_zones_are_shared_out() -> None:
    """A new fragment goes to the zone that has the fewest."""
    ward = Ward(6, "copies=2")
    for number, row in enumerate(ward.cluster.registered()):
        ward.cluster.rows[row.id] = evolve(row, zone="east" if number % 2 else "west")
    for seed in range(8):
        blob = ward.put(1000, f"k{seed}", seed)
        kept, lost = blob.layout
        ward.lose(blob, lost)
        mended = ward.mend(blob)
        assert len({ward.cluster.rows[p.node].zone for p in mended.blob.layout}) == 2
        assert kept in mended.blob.layout


def test_nodes_that_are_emptied_get_nothing() -> None:
    """Nor do full ones, whatever else there is."""
    ward = Ward(4, "copies=3")
    blob = ward.put()
    spare = next(node.node_id for node in ward.nodes if not node.fragments)
    row = ward.cluster.rows[spare]
    ward.cluster.rows[spare] = evolve(row, state=NodeState.DRAINING)
    ward.silence(blob.layout[0], REPAIR_AFTER)
    mended = ward.mend(blob)
    assert (mended.fragments, mended.missing) == (0, (0,))
    assert not ward.cluster.stores[spare].fragments


# -- races -------------------------------------------------------------------------------------
def test_a_blob_that_is_gone_is_let_go() -> None:
    """Nothing is written for what nobody refers to."""
    ward = Ward(4, "copies=3")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])
    ward.delete()
    ward.clock.advance(1e6)
    (removal,) = now(ward.catalog.removals(0.0))
    assert removal.blob.state is BlobState.CONDEMNED
    assert ward.mend(blob) == Mended(None)
    now(ward.catalog.removed(removal))
    assert ward.mend(blob) == Mended(None)


def test_a_blob_that_is_removed_while_it_is_read_is_let_go() -> None:
    """That its bytes are not there any more is no trouble."""
    ward = Ward(4, "copies=3")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])
    real = ward.sources.read

    def removed_first(standing: Blob, start: int, stop: int) -> object:
        ward.delete()
        ward.clock.advance(1e6)
        (removal,) = now(ward.catalog.removals(0.0))
        for placed in blob.layout[1:]:
            ward.lose(blob, placed)
        now(ward.catalog.removed(removal))
        return real(standing, start, stop)

    ward.sources.read = removed_first
    assert ward.mend(blob) == Mended(None)
    assert ward.fragments == 0


def test_a_node_that_does_not_beat_is_not_asked() -> None:
    """It may hang: asking it takes long."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.silence(blob.layout[0], 20.0)
    hung = ward.store_of(blob.layout[0])
    hung.verify = lambda name: Deferred()
    hung.holds = lambda names: Deferred()
    assert ward.mend(blob).missing == (0,)
    moved = ward.mend(blob, avoid=frozenset({blob.layout[1].node}))
    assert (moved.fragments, moved.missing) == (1, (0,))


def test_a_node_that_lives_is_never_gone() -> None:
    """However rarely it beats, measured by how soon the silent are made up for."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.cluster.silence = lambda node: REPAIR_AFTER + 1
    assert ward.mend(blob) == Mended(blob)


def test_a_blob_that_is_condemned_meanwhile_leaves_nothing_behind() -> None:
    """What was just written for it goes again."""
    ward = Ward(4, "copies=3")
    blob = ward.put()
    ward.silence(blob.layout[0], REPAIR_AFTER)
    real = ward.catalog.correct_layout

    def condemned_first(blob: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        ward.delete()
        ward.clock.advance(1e6)
        now(ward.catalog.removals(0.0))
        return real(blob, layout)

    ward.catalog.correct_layout = condemned_first
    mended = ward.mend(blob)
    assert mended.blob is None
    assert ward.fragments == 3
    assert not ward.staged


def test_a_blob_that_is_condemned_while_it_is_mended_in_place_leaves_nothing_behind() -> None:
    """Its layout does not change, so its row is looked at once more."""
    ward = Ward(3, "copies=3")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])
    node = ward.store_of(blob.layout[0])
    real = node.upload

    def gone_first(name: FragmentName, length: int | None) -> Deferred[object]:
        ward.delete()
        ward.clock.advance(1e6)
        (removal,) = now(ward.catalog.removals(0.0))
        for placed in blob.layout[1:]:
            ward.lose(blob, placed)
        now(ward.catalog.removed(removal))
        return real(name, length)

    read = [ward.sources.read(blob, 0, blob.size)]
    pieces = []

    class Ahead:
        async def read(self) -> bytes:
            return pieces.pop(0) if pieces else b""

        async def close(self) -> None: ...

    async def all_of() -> None:
        while piece := await read[0].read():
            pieces.append(piece)

    now(Deferred.fromCoroutine(all_of()))
    ward.sources.read = lambda blob, start, stop: Ahead()
    node.upload = gone_first
    assert ward.mend(blob).blob is None
    assert ward.fragments == 0


def test_a_layout_that_others_change_meanwhile_is_read_again() -> None:
    """What was written is found, and not written twice."""
    ward = Ward(5, "copies=3")
    blob = ward.put()
    ward.silence(blob.layout[0], REPAIR_AFTER)
    real, times = ward.catalog.correct_layout, []

    def overtaken(standing: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        if not times:
            now(real(standing, tuple(reversed(standing.layout))))
        times.append(1)
        return real(standing, layout)

    ward.catalog.correct_layout = overtaken
    mended = ward.mend(blob)
    assert len(times) == 2
    assert mended.fragments == 1
    ward.check_at_target(mended.blob)
    assert ward.fragments == 4


def test_whoever_is_always_overtaken_gives_up() -> None:
    """And says so; what was written is for the next one to find."""
    ward = Ward(5, "copies=3")
    blob = ward.put()
    ward.silence(blob.layout[0], REPAIR_AFTER)
    ward.catalog.correct_layout = lambda blob, layout: succeed(None)
    mended = ward.mend(blob)
    assert mended.trouble == "others keep changing the blob's row"
    del ward.catalog.correct_layout
    again = ward.mend(blob)
    assert (again.fragments, again.trouble) == (0, "")
    ward.check_at_target(again.blob)


def test_two_that_mend_the_same_blob_work_one_after_the_other() -> None:
    """In one process; the second finds nothing to do."""
    ward = Ward(5, "copies=3")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])
    gate: Deferred[None] = Deferred()
    node = ward.store_of(blob.layout[1])
    real = node.verify

    def verify(name):  # type: ignore[no-untyped-def]
        node.verify = real
        return gate.addCallback(lambda _: real(name))

    node.verify = verify
    first, second = ward.mender.mend(blob), ward.mender.mend(blob)
    assert not first.called
    assert not second.called
    gate.callback(None)
    assert now(first).fragments == 1
    assert now(second).fragments == 0


def test_two_servers_that_mend_the_same_blob_do_no_harm() -> None:
    """Each of its own accord, at the same time."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])
    real, other = ward.catalog.correct_layout, ward.another_mender()

    def overtaken(standing: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        ward.catalog.correct_layout = real
        assert now(other.mend(standing)).trouble == ""
        return real(standing, layout)

    ward.catalog.correct_layout = overtaken
    mended = ward.mend(blob)
    assert mended.trouble == ""
    ward.check_at_target(ward.blob_of())
    assert ward.fragments == 6


def test_wrong_bytes_are_never_written_down() -> None:
    """What is read as a whole must be the blob; else nothing becomes visible."""
    ward = Ward(5, "copies=3")
    blob = ward.put()
    ward.lose(blob, blob.layout[0])

    class Wrong:
        async def read(self) -> bytes:
            self.read = self._end  # type: ignore[method-assign]
            return bytes(LARGE)

        async def _end(self) -> bytes:
            return b""

        async def refuse(self, position: int, error: Exception) -> None:
            raise BytesNotFound("all are wrong")

        async def close(self) -> None: ...

    ward.sources.read = lambda blob, start, stop: Wrong()
    before = ward.fragments
    mended = ward.mend(blob)
    assert mended.missing == (0,)
    assert "all are wrong" in mended.trouble
    assert ward.fragments == before
    assert not ward.staged


# -- being cancelled ---------------------------------------------------------------------------
class Steps:
    """Holds back every operation on nodes, until it is told to go on."""

    def __init__(self, ward: Ward) -> None:
        self.held: list[tuple[Deferred[None], object]] = []
        for node in ward.nodes:
            for verb in ("put", "upload", "open", "verify", "holds", "remove"):
                setattr(node, verb, self.holding(getattr(node, verb)))

    def holding(self, real):  # type: ignore[no-untyped-def]
        def held(*args, **kwargs):  # type: ignore[no-untyped-def]
            gate: Deferred[None] = Deferred()
            self.held.append((gate, None))
            return gate.addCallback(lambda _: real(*args, **kwargs))

        return held

    def step(self) -> bool:
        """Let the longest waiting operation happen; tells whether there was one."""
        while self.held:
            gate, _ = self.held.pop(0)
            if not gate.called:
                gate.callback(None)
                return True
        return False


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("policy", ["copies=3", "ec=2+1"])
def test_wherever_it_is_cancelled_nothing_stays_staged(policy: str, size: int) -> None:
    """The layout names only what is good, the bytes can be read, and the next one ends it."""
    stops, done = 0, False
    while not done:
        ward = Ward(5, policy)
        blob = ward.put(size)
        ward.damage(blob, blob.layout[1])
        real = {node: dict(vars(node)) for node in ward.nodes}
        steps = Steps(ward)
        work = ward.mender.mend(blob, avoid=frozenset({blob.layout[0].node}))
        done = not all(steps.step() for _ in range(stops))
        work.addErrback(lambda _: None)
        work.cancel()
        while steps.step():
            pass
        for node in ward.nodes:
            vars(node).clear()
            vars(node).update(real[node])
        node_staged = ward.staged
        assert node_staged == 0, stops
        assert ward.read() == content(size)
        again = ward.mend(ward.blob_of())
        assert (again.missing, again.trouble) == ((), "")
        ward.check_at_target(again.blob)
        stops += 1
    assert stops > 8
