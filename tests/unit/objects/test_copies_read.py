"""Whole copies, read while nodes are slow, hang, break off or come back."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed

from godos.model.blobs import Placed
from godos.model.errors import (
    BytesNotFound,
    CatalogUnavailable,
    FragmentDamaged,
    NodeUnreachable,
    WrongNode,
)
from godos.model.fragments import BLOCK, CHUNK
from godos.objects.hedging import BURST, SHUNNED, STALLED, UNKNOWN
from godos.objects.reach import PATIENCE
from tests.unit.objects.coded import PIECE, Node, World, content
from tests.unit.objects.stores import now

DATA = content(CHUNK + CHUNK // 2 + 77)
MOMENT = 3 * UNKNOWN  # seconds: what a slow node may cost a reader


def world(copies: int = 3, spare: int = 0) -> World:
    return World(f"copies={copies}", DATA, spare)


def start(coroutine: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(coroutine)


def hang(*nodes: Node) -> None:
    for node in nodes:
        node.hangs = True


# -- slow nodes --------------------------------------------------------------------------------
def test_a_hung_node_is_overtaken() -> None:
    """It costs a reader a moment and not its patience; its answer is not waited for."""
    store = world()
    hang(store.nodes[0])
    assert store.whole(most=UNKNOWN + 0.05) == DATA
    assert [len(node.opened) for node in store.nodes] == [1, 1, 0]


def test_the_next_readers_do_without_it() -> None:
    """For a while it is asked last, and then tried again."""
    store = world()
    hang(store.nodes[0])
    store.whole(most=MOMENT)
    for _ in range(5):
        assert store.whole() == DATA
    assert len(store.nodes[0].opened) == 1
    store.nodes[0].hangs = False
    store.clock.advance(SHUNNED)
    assert store.whole() == DATA
    assert len(store.nodes[0].opened) == 2


def test_the_first_that_answers_is_read() -> None:
    """Also when it is the one that was slow; the other is let go."""
    store = world()
    hang(*store.nodes)
    read = store.read()
    work = start(read.read())
    store.clock.advance(UNKNOWN + 0.01)
    assert [len(node.opened) for node in store.nodes] == [1, 1, 0]
    store.nodes[0].hangs = False
    store.nodes[0].answer()
    assert now(work) + store.rest(read) == DATA


def test_all_three_hang_and_one_comes_back() -> None:
    """As many as there are get asked, one after the other."""
    store = world()
    hang(*store.nodes)
    read = store.read()
    work = start(read.read())
    for _ in range(30):
        store.clock.advance(0.1)
    assert [len(node.opened) for node in store.nodes] == [1, 1, 1]
    store.nodes[2].hangs = False
    store.nodes[2].answer()
    assert now(work) + store.rest(read) == DATA


def test_a_body_that_stalls() -> None:
    """Another goes on at the very byte."""
    for given_ in (1, PIECE, CHUNK, CHUNK + PIECE):
        store = world()
        store.nodes[0].gives = given_
        assert store.whole(most=MOMENT) == DATA


def test_readers_of_a_slow_store_are_patient() -> None:
    """When everything is slow little more is asked for: most wait until a node stalls."""
    store = world(2)
    hang(*store.nodes)
    reads = [store.read(0, 100) for _ in range(100)]
    works = [start(read.read()) for read in reads]
    assert len(store.nodes[0].opened) == 100
    for _ in range(5):
        store.clock.advance(STALLED / 6)
    assert 0 < len(store.nodes[1].opened) <= BURST + 1
    for _ in range(3):
        store.clock.advance(STALLED / 6)
    assert len(store.nodes[1].opened) == 100
    for read, work in zip(reads, works, strict=True):
        work.cancel()
        with pytest.raises(CancelledError):
            now(work)
        now(start(read.close()))
    store.check_closed()


def test_the_only_copy_is_waited_for() -> None:
    """There is nobody else; after ten seconds it is given up, and suspected."""
    store = world(1)
    hang(store.nodes[0])
    read = store.read()
    work = start(read.read())
    for _ in range(int(PATIENCE) - 1):
        store.clock.advance(1.0)
    assert not work.called
    store.clock.advance(1.1)
    with pytest.raises(BytesNotFound, match="gave nothing for 10 s"):
        now(work)
    assert store.cluster.dead == {store.nodes[0].node_id}
    store.close(read)


def test_what_is_usual_is_learnt() -> None:
    """After some reads that took longer, nobody is overtaken for taking that long."""
    store = world()
    for _ in range(70):
        read = store.read(0, 10)
        hang(store.nodes[0])
        work = start(read.read())
        store.clock.advance(0.09)
        store.nodes[0].hangs = False
        store.nodes[0].answer()
        assert now(work) == DATA[:10]
        now(start(read.close()))
    kind = (Node, False)
    assert store.sources.hedging.delay(kind) == pytest.approx(0.09)
    assert store.nodes[1].opened == []


# -- damage ------------------------------------------------------------------------------------
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damage_of_all_copies(data: st.DataObject) -> None:
    """While each block is whole on one of them, all bytes are given."""
    store = world(2)
    for block in range(len(DATA) // BLOCK + 1):
        damaged = data.draw(st.sampled_from([None, 0, 1]))
        if damaged is not None:
            (name,) = store.nodes[damaged].fragments
            store.nodes[damaged].damage(name, min(block * BLOCK + 5, len(DATA) - 1))
    start_, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(DATA))] * 2)))
    assert store.whole(start_, stop) == DATA[start_:stop]


def test_a_block_that_nobody_has() -> None:
    """What is before it is given, and then the read fails: never a short answer."""
    store = world(2)
    for node in store.nodes:
        (name,) = node.fragments
        node.damage(name, 3 * BLOCK)
    read, got = store.read(), b""
    with pytest.raises(BytesNotFound, match="fails its check"):
        while True:
            got += store.next(read)
    store.close(read)
    assert got == DATA[: 3 * BLOCK]


def test_refused_copies_are_not_read_again() -> None:
    """Whichever is wrong, and however many: the right one is found."""
    for right in range(3):
        store = world()
        for node in store.nodes:
            if node is not store.nodes[right]:
                ((name, stored),) = node.fragments.items()
                header = evolve(stored.header, policy="copies=9")
                stored = type(stored).of(header, bytes(len(DATA)))
                node.fragments[name] = stored
        read, position, refused = store.read(), 0, 0
        while position < len(DATA):
            piece = store.next(read)
            if piece == DATA[position : position + len(piece)]:
                position += len(piece)
            else:
                refused += 1
                now(start(read.refuse(position, FragmentDamaged("nonsense"))))
        store.close(read)
        assert refused <= 2


def test_a_refusal_blames_who_gave_the_bytes() -> None:
    """
    A node that gave the beginning and died is blamed no less than who went on: either may
    have been wrong, and both are tried alone.
    """
    store = world(2)
    falsified = store.nodes[0]
    ((name, stored),) = falsified.fragments.items()
    falsified.fragments[name] = type(stored).of(stored.header, bytes(len(DATA)))
    falsified.gives, falsified.ends = PIECE, NodeUnreachable("gone")
    read = store.read()
    store.next(read)
    falsified.broken = NodeUnreachable("gone")
    store.next(read)
    now(start(read.refuse(0, FragmentDamaged("nonsense"))))
    assert store.rest(read) == DATA


# -- members and rows ----------------------------------------------------------------------------
def moving(store: World, number: int) -> None:
    """The node answers at a new address, which is known after the next look at the members."""
    node, address = store.nodes[number], Node(store.nodes[number].node_id)
    address.broken = WrongNode("another node answers at this address")
    store.cluster.stores[node.node_id] = address

    def refresh() -> Deferred[None]:
        store.cluster.stores[node.node_id] = node
        return succeed(None)

    store.cluster.refresh = refresh  # type: ignore[method-assign]


@pytest.mark.parametrize("pieces", [0, 1])
def test_a_node_that_came_back_elsewhere(pieces: int) -> None:
    """Before a read fails the members are looked at once more."""
    store = world(2)
    read = store.read()
    got = b"".join(store.next(read) for _ in range(pieces))
    moving(store, 1)
    store.nodes[0].broken = NodeUnreachable("killed")
    assert got + store.rest(read) == DATA


def test_a_catalog_that_is_away() -> None:
    """The reasons are told with the others."""
    store = world(1)

    def away(*_: Any) -> Any:
        return Deferred.fromCoroutine(failing())

    async def failing() -> None:
        raise CatalogUnavailable("the table is gone")

    store.cluster.refresh = away  # type: ignore[method-assign]
    store.rows.blob = away  # type: ignore[method-assign]
    store.nodes[0].broken = NodeUnreachable("killed")
    read = store.read()
    with pytest.raises(BytesNotFound, match=r"table is gone.*killed|killed.*table is gone"):
        store.next(read)
    store.close(read)


def test_a_newer_layout() -> None:
    """A row that was at hand for a minute may name nodes that have nothing any more."""
    store = world(1, spare=1)
    new = Placed(0, store.nodes[1].node_id)
    store.nodes[1].fragments.update(store.nodes[0].fragments)
    store.nodes[0].fragments.clear()
    store.rows.row = evolve(store.blob, layout=(new,), rev="other")
    assert store.whole() == DATA
    assert store.locator.asked == 0
    assert store.rows.repairs == []


def test_a_long_read_forgives() -> None:
    """A node that failed long ago is asked again when the others fail, too."""
    for first, second in permutations(range(2)):
        store = world(2)
        read = store.read()
        for node, gone in ((first, True), (second, False)):
            store.nodes[node].broken = NodeUnreachable("killed") if gone else None
        got = store.next(read)
        for node, gone in ((first, False), (second, True)):
            store.nodes[node].broken = NodeUnreachable("killed") if gone else None
        assert got + store.rest(read) == DATA


def test_nobody_knows_the_blob() -> None:
    """Its row is gone and its fragments too: 503, and the store is asked for everything."""
    store = world(2)
    for node in store.nodes:
        node.fragments.clear()
    store.rows.row = None
    read = store.read()
    with pytest.raises(BytesNotFound, match="there is no"):
        store.next(read)
    assert store.locator.asked >= 1
    assert store.rows.repairs == []
    store.close(read)


# -- who leaves ----------------------------------------------------------------------------------
@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("how", ["cancel", "close"])
def test_leaving_at_any_time(steps: int, how: str) -> None:
    """No reader stays open, and no timer; whoever waits is cancelled."""
    store = world()
    hang(*store.nodes)
    read = store.read()
    work = start(read.read())
    for step in range(steps):
        if work.called:
            now(work)
            work = start(read.read())
        elif step % 2:
            store.nodes[0].answer()
        else:
            store.clock.advance(UNKNOWN + 0.01)
    if how == "cancel":
        work.cancel()
    now(start(read.close()))
    results: list[Any] = []
    work.addBoth(results.append)
    assert len(results) == 1
    if not isinstance(results[0], bytes):
        assert results[0].check(CancelledError)
    for node in store.nodes:
        node.answer()
    store.check_closed()
    assert now(start(read.read())) == b""
