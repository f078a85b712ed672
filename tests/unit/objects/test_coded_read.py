"""Coded blobs, read while nodes are dead, hung, damaged, or say what is not true."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations, product
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed

from godos.model.blobs import Blob, Placed
from godos.model.errors import BytesNotFound, FragmentDamaged, NodeUnreachable
from godos.model.fragments import CHUNK, STRIPE
from godos.model.policy import Policy
from godos.objects.coded_read import WINDOW, chosen
from godos.objects.hedging import UNKNOWN
from godos.objects.search import DEAD, GOOD, SHUNNED
from tests.unit.objects.coded import PIECE, Node, World, content, shards_of
from tests.unit.objects.stores import now

SIZE = WINDOW * STRIPE + STRIPE + 12_345  # two windows, the last stripe short
DATA = content(SIZE)
MOMENT = 3 * UNKNOWN  # seconds: what a slow node may cost a reader


@lru_cache
def payloads(policy: str) -> list[bytes]:
    return shards_of(DATA, Policy.parse(policy))


def world(policy: str = "ec=4+2", spare: int = 0) -> World:
    return World(policy, DATA, spare, payloads(policy))


def die(node: Node) -> None:
    node.broken = NodeUnreachable("gone")


def hang(node: Node) -> None:
    node.hangs = True


def rot(node: Node) -> None:
    (name,) = node.fragments
    for place in range(0, len(node.fragments[name].payload), 128 << 10):
        node.damage(name, place)


def lose(node: Node) -> None:
    node.fragments.clear()


TROUBLES: dict[str, Callable[[Node], None]] = {
    "dead": die,
    "hung": hang,
    "damaged": rot,
    "empty": lose,
}


# -- all is well -----------------------------------------------------------------------------
WELL = world()


@pytest.mark.parametrize("policy", ["ec=2+1", "ec=3+2", "ec=4+2", "ec=10+4"])
def test_the_whole_blob(policy: str) -> None:
    """Every byte, in pieces of a stripe at most; no parity shard is asked for."""
    store = world(policy)
    read, pieces = store.read(), []
    while piece := store.next(read):
        pieces.append(piece)
    store.close(read)
    assert b"".join(pieces) == DATA
    assert max(map(len, pieces)) <= STRIPE
    assert not any(node.opened for node in store.nodes[store.policy.data :])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
def test_ranges(one: int, other: int) -> None:
    """Any range is the slice of the whole."""
    start, stop = sorted((one, other))
    assert WELL.whole(start, stop + 1) == DATA[start : stop + 1]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, SIZE - 1), st.integers(1, 70_000))
def test_small_ranges(start: int, length: int) -> None:
    """Also where it begins or ends at a seam."""
    assert WELL.whole(start, min(SIZE, start + length)) == DATA[start : start + length]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, SIZE - 1),
    st.one_of(st.integers(1, 70_000), st.integers(1, SIZE)),
    st.sets(st.integers(0, 5), max_size=2),
    st.sampled_from(sorted(set(TROUBLES) - {"hung"})),
)
def test_ranges_while_nodes_fail(start: int, length: int, failing: set[int], how: str) -> None:
    """Whichever two fail."""
    store, stop = world(), min(SIZE, start + length)
    for number in failing:
        TROUBLES[how](store.nodes[number])
    assert store.whole(start, stop) == DATA[start:stop]


def test_a_small_range_needs_one_fragment() -> None:
    """It is read from the node that has these very bytes, and no others are asked."""
    for column in range(4):
        store, place = world(), 2 * STRIPE + column * (STRIPE // 4) + 100
        assert store.whole(place, place + 4096) == DATA[place : place + 4096]
        asked = [number for number, node in enumerate(store.nodes) if node.opened]
        assert asked == [column]
        ((start, stop),) = store.nodes[column].opened
        assert stop is not None
        assert stop - start == 4096


def test_a_range_of_two_columns_needs_two_fragments() -> None:
    """The others would only help to decode."""
    store, place = world(), STRIPE + STRIPE // 4 - 10
    assert store.whole(place, place + 20) == DATA[place : place + 20]
    assert [bool(node.opened) for node in store.nodes] == [True, True, *[False] * 4]


# -- nodes in trouble ------------------------------------------------------------------------
PAIRS = list(combinations(range(6), 2))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("how", list(product(TROUBLES, TROUBLES)))
def test_any_two_nodes_in_trouble(pair: tuple[int, int], how: tuple[str, str]) -> None:
    """The client does not notice: every byte comes, and soon."""
    store = world()
    for number, trouble in zip(pair, how, strict=True):
        TROUBLES[trouble](store.nodes[number])
    assert store.whole(most=MOMENT) == DATA
    place = STRIPE + pair[0] % 4 * (STRIPE // 4) + 7
    assert store.whole(place, place + 999, most=MOMENT) == DATA[place : place + 999]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("stripe", [0, 1, 4, 5])
@pytest.mark.parametrize("how", TROUBLES)
def test_trouble_that_begins_in_mid_object(pair: tuple[int, int], stripe: int, how: str) -> None:
    """Others go on at the stripe where it began."""
    store = world()
    read, got = store.read(), bytearray()
    for _ in range(stripe):
        got += store.next(read)
    for number in pair:
        TROUBLES[how](store.nodes[number])
    assert bytes(got) + store.rest(read, MOMENT) == DATA


@pytest.mark.parametrize("pair", PAIRS[:8])
@pytest.mark.parametrize("ends", [None, NodeUnreachable("the connection broke")])
@pytest.mark.parametrize("gives", [1, PIECE, 200_000, 300_000, STRIPE // 4 * 3 + 1])
def test_bodies_that_stop_anywhere(
    pair: tuple[int, int], ends: Exception | None, gives: int
) -> None:
    """In the middle of a stripe too, whether they hang there or break off."""
    store = world()
    for number in pair:
        store.nodes[number].gives, store.nodes[number].ends = gives, ends
    assert store.whole(most=MOMENT) == DATA


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_anywhere(data: st.DataObject) -> None:
    """Two fragments of each stripe may be damaged, others each time, and all is still given."""
    store = world()
    for stripe in range(6):
        for number in data.draw(st.sets(st.integers(0, 5), max_size=2)):
            node = store.nodes[number]
            (name,) = node.fragments
            length = len(node.fragments[name].payload)
            place = stripe * (STRIPE // 4) + data.draw(st.integers(0, STRIPE // 4 - 1))
            node.damage(name, min(place, length - 1))
    assert store.whole(most=MOMENT) == DATA


def test_damage_is_reported() -> None:
    """With its node, and once however often it is met."""
    store = world()
    rot(store.nodes[1])
    for _ in range(3):
        assert store.whole() == DATA
    (reason,) = store.rows.repairs
    assert store.nodes[1].node_id in reason
    assert "FragmentDamaged" in reason
    store.clock.advance(60.0)
    assert store.whole() == DATA
    assert len(store.rows.repairs) == 2


def test_a_dead_node_is_asked_last() -> None:
    """Those who are known dead cost nothing, and no parity shard is read without need."""
    store = world()
    hang(store.nodes[0])
    store.cluster.suspect(store.nodes[0].node_id)
    assert store.whole() == DATA
    assert store.nodes[0].opened == []
    assert store.nodes[5].opened == []


def test_too_many_in_trouble() -> None:
    """An error with all the reasons; never a short answer."""
    store = world()
    for node in store.nodes[:3]:
        die(node)
    read = store.read()
    with pytest.raises(BytesNotFound, match=store.nodes[2].node_id):
        store.next(read)
    store.close(read)


def test_too_many_in_trouble_later() -> None:
    """What was given before stays given."""
    store = world()
    read = store.read()
    got = store.next(read) + store.next(read)
    for node in store.nodes[:3]:
        die(node)
    with pytest.raises(BytesNotFound):
        store.rest(read)
    store.close(read)
    assert got == DATA[: 2 * STRIPE]


def test_too_many_hang() -> None:
    """They are waited for, and then the read fails."""
    store = world()
    for node in store.nodes[:3]:
        hang(node)
    read = store.read()
    with pytest.raises(BytesNotFound, match="gave nothing"):
        store.next(read, most=60.0)
    store.close(read)


def test_a_hung_node_that_answers_after_all() -> None:
    """Slow is better than nothing: who was given up is still listened to."""
    store = world()
    for node in store.nodes[:2]:
        hang(node)
    for node in store.nodes[4:]:
        die(node)
    read = store.read()
    work = Deferred.fromCoroutine(read.read())
    store.clock.advance(5.0)
    assert not work.called
    for node in store.nodes[:2]:
        node.hangs = False
        node.answer()
    assert now(work) + store.rest(read) == DATA


# -- what is not true ------------------------------------------------------------------------
@pytest.mark.parametrize(
    "lie",
    [
        {"blob_size": SIZE + 1},
        {"blob_sha256": "0" * 64},
        {"policy": "ec=4+1"},
        {"policy": "copies=3"},
        {"length": 5},
    ],
)
def test_headers_are_checked(lie: dict[str, Any]) -> None:
    """A fragment that says it belongs to something else is not used."""
    store = world()
    for node in store.nodes[:2]:
        ((name, stored),) = node.fragments.items()
        node.fragments[name].header = evolve(stored.header, **lie)
    assert store.whole() == DATA
    assert len(store.rows.repairs) == 2


def test_a_fragment_under_a_wrong_name() -> None:
    """What is shard 3 by its own words is not taken for shard 0."""
    store = world()
    first, other = store.nodes[0], store.nodes[3]
    ((name, _),), ((_, stored),) = first.fragments.items(), other.fragments.items()
    first.fragments[name] = stored
    assert store.whole() == DATA


def falsify(store: World, number: int) -> None:
    """A fragment with valid checksums, of other bytes."""
    node = store.nodes[number]
    ((name, stored),) = node.fragments.items()
    del node.fragments[name]
    node.keep(stored.header, bytes(len(stored.payload)))


@pytest.mark.parametrize("wrong", [(0,), (3,), (5,), *PAIRS])
def test_bytes_that_decode_to_nonsense(wrong: tuple[int, ...]) -> None:
    """
    Whoever sees that the bytes are wrong refuses them, and gets them from other shards until
    they are right, whichever two fragments were false.
    """
    store = world()
    for number in wrong:
        falsify(store, number)
    read, position = store.read(), 0
    while position < SIZE:
        piece = store.next(read)
        if piece == DATA[position : position + len(piece)]:
            position += len(piece)
        else:
            now(Deferred.fromCoroutine(read.refuse(position, FragmentDamaged("nonsense"))))
    store.close(read)
    assert bool(store.rows.repairs) == (min(wrong) < 4)


def test_small_ranges_that_are_nonsense() -> None:
    """The one fragment that has the bytes is then done without."""
    store, place = world(), STRIPE + 10
    falsify(store, 0)
    read = store.read(place, place + 100)
    assert store.next(read) == bytes(100)
    now(Deferred.fromCoroutine(read.refuse(place, FragmentDamaged("nonsense"))))
    assert store.rest(read) == DATA[place : place + 100]


def test_refusing_what_was_read_before() -> None:
    """A reader that notices late goes back, and all is read anew."""
    store = world()
    falsify(store, 2)
    read = store.read()
    for _ in range(5):
        store.next(read)
    now(Deferred.fromCoroutine(read.refuse(0, FragmentDamaged("nonsense"))))
    got = store.next(read)
    if got != DATA[:STRIPE]:  # shard 2 was not the first that was suspected
        for _ in range(20):
            now(Deferred.fromCoroutine(read.refuse(0, FragmentDamaged("nonsense"))))
            if (got := store.next(read)) == DATA[:STRIPE]:
                break
    assert got + store.rest(read) == DATA


def test_nobody_can_make_it_right() -> None:
    """A reader that refuses everything is told so in the end."""
    store = world()
    read = store.read()
    with pytest.raises(BytesNotFound, match="nonsense"):
        for _ in range(100):
            store.next(read)
            now(Deferred.fromCoroutine(read.refuse(0, FragmentDamaged("nonsense"))))
    store.close(read)


# -- elsewhere -------------------------------------------------------------------------------
def move(store: World, number: int, to: int) -> None:
    """A storage directory's fragment moves to another node."""
    fragments = store.nodes[number].fragments
    for name in list(fragments):
        store.nodes[to].fragments[name] = fragments.pop(name)


def test_fragments_that_moved_are_found_by_their_shards() -> None:
    """Three moved: locate finds them, and the layout follows, one place for each shard."""
    store = world(spare=3)
    for number in range(3):
        move(store, number, 6 + number)
    assert store.whole() == DATA
    assert store.locator.asked == 1
    layout = store.rows.row.layout
    places = {placed.shard: placed.node for placed in layout}
    assert len(layout) == len(places) == 6
    assert [places[number] for number in range(3)] == [node.node_id for node in store.nodes[6:]]
    assert store.locator.asked == 1


def test_a_shard_that_is_at_two_places() -> None:
    """The layout keeps the place it names, since its node has the fragment."""
    store = world(spare=2)
    for number in (0, 1):
        store.nodes[6 + number].fragments.update(store.nodes[number].fragments)
        rot(store.nodes[number])
    ((name, stored),) = store.nodes[7].fragments.items()
    store.nodes[6].fragments = dict(world().nodes[0].fragments)
    store.nodes[7].fragments = dict(world().nodes[1].fragments)
    lose(store.nodes[5])
    assert stored.header.name == name
    assert store.whole() == DATA
    layout = store.rows.row.layout
    assert len({placed.shard for placed in layout}) == len(layout)
    assert store.nodes[0].node_id in {placed.node for placed in layout}


def convert(store: World, policy: str) -> Blob:
    """What a conversion does: other fragments under other names, the row, the old ones gone."""
    for node in store.nodes:
        node.fragments.clear()
    blob = evolve(store.lay(Policy.parse(policy), generation=100), rev="other")
    store.store(blob)
    store.rows.row = blob
    return blob


@pytest.mark.parametrize("old", ["copies=3", "ec=2+1", "ec=4+2"])
@pytest.mark.parametrize("new", ["copies=3", "ec=2+1", "ec=4+2"])
@pytest.mark.parametrize("read_before", range(3))
def test_a_blob_that_is_converted_while_it_is_read(old: str, new: str, read_before: int) -> None:
    """The reader goes on with the new fragments, and nothing is taken for damage."""
    store = World(old, DATA, spare=4, shards=payloads(old))
    read, got = store.read(), bytearray()
    for _ in range(read_before):
        got += store.next(read)
    convert(store, new)
    assert bytes(got) + store.rest(read) == DATA
    assert store.rows.repairs == []


def test_an_old_row_at_hand() -> None:
    """Whoever still has the row of the old generation reads the new one."""
    store = World("copies=3", DATA, spare=4, shards=payloads("copies=3"))
    convert(store, "ec=4+2")
    for _ in range(2):
        assert store.whole(5, 4000) == DATA[5:4000]
    assert store.rows.repairs == []


def test_strays_of_another_generation_are_not_taken() -> None:
    """What locate finds of an older generation is another thing."""
    store = world(spare=1)
    for number in range(3):
        lose(store.nodes[number])
    old = store.lay(Policy.parse("copies=1"), generation=300)
    store.nodes[6].fragments.clear()
    store.store(evolve(old, layout=(Placed(300, store.nodes[6].node_id),)))
    read = store.read()
    with pytest.raises(BytesNotFound):
        store.next(read)
    store.close(read)


# -- who leaves ------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [100, DATA.__len__()])
def test_cancelling_at_every_point(size: int) -> None:
    """However far a read is when its client leaves, no reader stays open, and no timer."""
    steps = 0
    while True:
        store = world()
        for node in store.nodes:
            node.hangs = True
        die(store.nodes[1])
        read = store.read(0, size)
        done = let_go(store, read, steps)
        store.background.cancel()
        store.check_closed()
        if done:
            break
        steps += 1
    assert steps > 3


def let_go(store: World, read: Any, steps: int) -> bool:
    """Answer `steps` times, cancel, close; tells whether the read was done before."""
    work = Deferred.fromCoroutine(read.read())
    for _ in range(steps):
        waiting = [node for node in store.nodes if any(not turn.called for turn in node.held)]
        if work.called:
            piece = now(work)
            if not piece:
                now(Deferred.fromCoroutine(read.close()))
                return True
            work = Deferred.fromCoroutine(read.read())
        elif waiting:
            waiting[0].answer()
        else:
            store.clock.advance(0.2)
    if not work.called:
        work.cancel()
        with pytest.raises(CancelledError):
            now(work)
    now(Deferred.fromCoroutine(read.close()))
    return False


def test_reading_on_after_a_cancelled_read() -> None:
    """A read that was given up costs no byte: the next one begins where it began."""
    store = world()
    read = store.read()
    got = store.next(read)
    hang(store.nodes[0])
    work = Deferred.fromCoroutine(read.read())
    work.cancel()
    with pytest.raises(CancelledError):
        now(work)
    store.nodes[0].hangs = False
    assert got + store.rest(read) == DATA


# -- threads -----------------------------------------------------------------------------------
def test_stripes_are_decoded_elsewhere() -> None:
    """What needs arithmetic goes to the threads; columns that are at hand are only put together."""
    store, jobs = world(), []

    def in_thread(function: Any, *args: Any) -> Deferred[Any]:
        jobs.append(function)
        return succeed(function(*args))

    store.sources.in_thread = in_thread  # type: ignore[assignment]
    assert store.whole() == DATA
    assert jobs == []
    die(store.nodes[0])
    assert store.whole() == DATA
    assert len(jobs) == 6


def test_a_reader_that_leaves_while_a_stripe_is_decoded() -> None:
    """Nothing stays open."""
    store, jobs = world(), []

    def in_thread(function: Any, *args: Any) -> Deferred[Any]:
        jobs.append(Deferred())
        return jobs[-1]

    store.sources.in_thread = in_thread  # type: ignore[assignment]
    die(store.nodes[0])
    read = store.read()
    work = Deferred.fromCoroutine(read.read())
    work.cancel()
    with pytest.raises(CancelledError):
        now(work)
    store.check_closed()
    store.close(read)


def test_a_reader_that_closes_while_a_stripe_is_decoded() -> None:
    """Nothing is asked for any more."""
    store, jobs = world(), []

    def in_thread(function: Any, *args: Any) -> Deferred[Any]:
        jobs.append((Deferred(), function, args))
        return jobs[-1][0]

    store.sources.in_thread = in_thread  # type: ignore[assignment]
    die(store.nodes[0])
    read = store.read(3 * STRIPE)  # the last stripe of a window
    work = Deferred.fromCoroutine(read.read())
    now(Deferred.fromCoroutine(read.close()))
    opened = [len(node.opened) for node in store.nodes]
    ((job, function, args),) = jobs
    job.callback(function(*args))
    assert now(work) == DATA[3 * STRIPE : 4 * STRIPE]
    assert [len(node.opened) for node in store.nodes] == opened
    store.check_closed()


# -- looking ahead ---------------------------------------------------------------------------------
def test_the_next_window_is_asked_for_in_time() -> None:
    """While the reader is busy with the end of one, the nodes begin with the next; no sooner."""
    store = world()
    read = store.read()
    for stripe in range(WINDOW):
        assert [len(node.opened) for node in store.nodes] == [bool(stripe)] * 4 + [0, 0]
        store.next(read)
    assert [len(node.opened) for node in store.nodes] == [2] * 4 + [0, 0]
    store.close(read)


@pytest.mark.parametrize("how", TROUBLES)
def test_trouble_with_what_was_asked_for_in_advance(how: str) -> None:
    """It is noticed when its bytes are wanted, and costs no more than later."""
    store = world()
    read, got = store.read(), b""
    for _ in range(WINDOW - 1):
        got += store.next(read)
    for node in store.nodes[1:3]:
        TROUBLES[how](node)
    got += store.next(read, MOMENT)
    store.clock.advance(30.0)  # the reader is slow
    assert got + store.rest(read, MOMENT) == DATA


@pytest.mark.parametrize("how", TROUBLES)
def test_trouble_that_nobody_waits_for(how: str) -> None:
    """A reader that leaves is not told of it."""
    store = world()
    read = store.read()
    for _ in range(WINDOW - 1):
        store.next(read)
    for node in store.nodes[1:3]:
        TROUBLES[how](node)
    store.next(read, MOMENT)
    store.close(read)
    assert store.cluster.dead <= {node.node_id for node in store.nodes[1:3]}


# -- memory --------------------------------------------------------------------------------------
@pytest.mark.parametrize("policy", ["ec=4+2", "ec=10+4", "ec=20+4"])
def test_no_more_than_a_window_is_asked_for(policy: str) -> None:
    """Whatever the code: the nodes cannot send more at once than a few MiB together."""
    store = world(policy)
    assert store.whole() == DATA
    for node in store.nodes[: store.policy.data]:
        for start, stop in node.opened:
            assert stop is not None
            assert (stop - start) * store.policy.data <= WINDOW * STRIPE + store.policy.data**2
            assert stop - start <= 2 * CHUNK


# -- the choice ------------------------------------------------------------------------------------
def places(*ranks: int) -> list[tuple[int, Placed]]:
    """Shard n on a node of that rank, the best first."""
    ranked = [(rank, Placed(shard, f"n{shard}")) for shard, rank in enumerate(ranks)]
    return sorted(ranked, key=lambda one: (one[0], one[1].shard))


def shards(chosen_: list[Placed]) -> list[int]:
    return [placed.shard for placed in chosen_]


def test_whom_to_ask() -> None:
    """The wanted shards when their nodes are well; any that suffice when not."""
    every = set(range(4))
    assert shards(chosen(places(*[GOOD] * 6), set(), every, 4)) == [0, 1, 2, 3]
    assert shards(chosen(places(*[GOOD] * 6), set(), {2}, 4)) == [2]
    assert shards(chosen(places(*[GOOD] * 6), {0, 1, 5}, every, 4)) == [2]
    assert shards(chosen(places(GOOD, GOOD, DEAD, GOOD, GOOD, GOOD), set(), {2}, 4)) == [0, 1, 3, 4]
    slow = places(GOOD, SHUNNED, DEAD, GOOD, GOOD, SHUNNED)
    assert shards(chosen(slow, set(), every, 4)) == [0, 3, 4, 1]
    assert shards(chosen(slow, {1, 2}, every, 4)) == [0, 3]
    assert chosen(slow, {1, 2, 3, 4}, every, 4) == []
    assert shards(chosen(places(DEAD, DEAD), set(), every, 4)) == [0, 1]


@given(
    st.lists(st.sampled_from([GOOD, SHUNNED, DEAD]), min_size=6, max_size=6),
    st.sets(st.integers(0, 5), max_size=4),
    st.sets(st.integers(0, 3), min_size=1),
)
def test_the_choice_suffices(ranks: list[int], counted: set[int], wanted: set[int]) -> None:
    """When there are enough, no shard is asked for twice, and no more than needed."""
    free = [one for one in places(*ranks) if one[1].shard not in counted]
    picked = shards(chosen(free, counted, wanted, 4))
    assert len(picked) == len(set(picked))
    assert not counted & set(picked)
    together = counted | set(picked)
    assert wanted <= together or len(together) >= 4
    assert len(together) <= max(4, len(counted | wanted))
