"""Removing what nothing refers to."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogLevel, capturedLogs, formatEvent

from godos.model.blobs import Blob, FragmentHeader
from godos.model.errors import NodeUnreachable
from godos.model.locating import Located
from godos.model.names import FragmentName
from godos.model.objects import DeleteRequest, PutRequest
from godos.objects.collection import AT_ONCE, BATCH, EVERY, GRACE, PATIENCE, Collector
from tests.unit.objects.stores import Body, Store, now

A_BIT = 60.0


def put(store: Store, data: bytes, key: str = "k") -> None:
    now(store.objects.put("objects", key, Body(data), PutRequest()))


def collector(store: Store, holder: str = "me") -> Collector:
    return Collector(store.catalog, store.cluster, store.locator, store.clock, holder)


def test_overwritten_and_deleted_bytes_go_after_the_grace() -> None:
    """Not before: a reader may still be at them."""
    store = Store(3)
    put(store, b"old")
    put(store, b"new")
    put(store, b"gone", "other")
    now(store.objects.delete("objects", "other", DeleteRequest()))
    work = collector(store)
    now(work.round())
    assert store.fragments == 9
    store.clock.advance(GRACE + A_BIT)
    now(work.round())
    assert store.fragments == 3
    assert work.removed == 2


def test_what_is_referred_to_stays() -> None:
    """However often the collector comes round."""
    store = Store(1)
    put(store, b"kept")
    for _ in range(3):
        store.clock.advance(GRACE + A_BIT)
        now(collector(store).round())
    assert store.fragments == 1


def test_an_unreachable_node_keeps_the_work_open() -> None:
    """The rows stay until every node has removed its fragment."""
    store = Store(3)
    put(store, b"old")
    put(store, b"new")
    silent = store.nodes[0]
    remove = silent.remove
    silent.remove = lambda name: fail(NodeUnreachable("gone"))
    store.clock.advance(GRACE + A_BIT)
    work = collector(store)
    now(work.round())
    assert len(silent.fragments) == 2
    assert work.removed == 0
    silent.remove = remove
    store.cluster.dead.clear()  # it beats
    store.clock.advance(A_BIT)
    now(work.round())
    assert store.fragments == 3
    assert work.removed == 1


def test_one_collector_at_a_time() -> None:
    """Who does not hold the lease leaves the work to who does, and takes over when it died."""
    store = Store(1)
    put(store, b"old")
    put(store, b"new")
    now(collector(store, "first").round())
    store.clock.advance(GRACE + A_BIT)
    second = collector(store, "second")
    now(second.round())
    assert second.removed == 0
    store.clock.advance(3 * EVERY + 1)
    now(second.round())
    assert second.removed == 1


def test_rounds_go_on_after_a_failure() -> None:
    """A round that failed is logged, and the next one does the work."""
    store = Store(1)
    put(store, b"old")
    put(store, b"new")
    work = collector(store)
    try_lease, troubles = store.catalog.try_lease, [NodeUnreachable("?")]
    store.catalog.try_lease = lambda *a: (  # type: ignore[method-assign]
        fail(troubles.pop()) if troubles else try_lease(*a)
    )
    work.startService()
    store.clock.advance(GRACE + A_BIT)
    store.clock.pump([EVERY] * 4)
    assert work.removed == 1
    now(work.stopService())
    assert not store.clock.getDelayedCalls()


def test_a_node_that_is_only_out_of_sight_keeps_the_work_open() -> None:
    """Not known to this server, or without a way to it: only the catalog says who has left."""
    store = Store(3)
    put(store, b"old")
    put(store, b"new")
    for node in store.nodes:
        now(store.catalog.claim_node(store.cluster.rows[node.node_id]))
    hidden = store.nodes[0].node_id
    fragments = store.cluster.stores.pop(hidden)
    store.clock.advance(GRACE + A_BIT)
    work = collector(store)
    now(work.round())
    assert work.removed == 0
    store.cluster.stores[hidden] = fragments
    now(work.round())
    assert work.removed == 1
    assert store.fragments == 3


def test_a_node_that_left_the_cluster_keeps_nothing_open() -> None:
    """Its row is gone: nobody will ever ask it for anything again."""
    store = Store(3)
    put(store, b"old")
    put(store, b"new")
    del store.cluster.rows[store.nodes[0].node_id]
    store.clock.advance(GRACE + A_BIT)
    work = collector(store)
    now(work.round())
    assert work.removed == 1


def moved(store: Store) -> FragmentName:
    """Bytes that nothing refers to, a fragment of which is on another node than it should."""
    put(store, b"old")
    first, _, third = store.nodes
    name = next(iter(first.fragments))
    now(store.objects.delete("objects", "k", DeleteRequest()))
    del third.fragments[next(iter(third.fragments))]
    third.fragments[name] = first.fragments.pop(name)
    store.clock.advance(GRACE + A_BIT)
    return name


def test_a_fragment_that_was_moved_by_hand_goes_as_well() -> None:
    """It is looked for on all nodes before the rows of its blob go."""
    store = Store(3)
    name = moved(store)
    work = collector(store)
    now(work.round())
    assert store.fragments == 0
    assert work.removed == 1
    assert now(store.catalog.blob(name.incarnation)) is None


def test_a_fragment_that_cannot_be_looked_for_keeps_the_work_open() -> None:
    """As long as a node does not tell what it holds, the blob's row stays."""
    store = Store(3)
    name = moved(store)
    located = Located((), complete=False)
    store.locator.locate = lambda names: succeed(dict.fromkeys(names, located))
    work = collector(store)
    now(work.round())
    assert work.removed == 0
    assert now(store.catalog.blob(name.incarnation)) is not None
    del store.locator.locate
    now(work.round())
    assert store.fragments == 0
    assert work.removed == 1


def coded(size: int = 2_000_000) -> tuple[Store, Blob]:
    """A coded blob that nothing refers to any more."""
    store = Store(7, "ec=4+2")
    put(store, bytes(size))
    name = next(name for node in store.nodes for name in node.fragments)
    blob = now(store.catalog.blob(name.incarnation))
    now(store.objects.delete("objects", "k", DeleteRequest()))
    store.clock.advance(GRACE + A_BIT)
    return store, blob


def test_all_fragments_of_a_coded_blob_go() -> None:
    """Each from its node."""
    store, _ = coded()
    assert store.fragments == 6
    now(collector(store).round())
    assert store.fragments == 0


def test_fragments_of_another_generation_go_as_well() -> None:
    """They are left by a conversion that was broken off; on whatever node they are."""
    store, blob = coded()
    for number, node in enumerate(store.nodes):
        name = FragmentName(blob.incarnation, 100 + number)
        header = FragmentHeader(name, 1, blob.size, blob.sha256, "ec=5+2")
        now(node.put(header, [b"x"]))
    assert store.fragments == 13
    work = collector(store)
    now(work.round())
    assert store.fragments == 0
    assert work.removed == 1


def test_a_node_that_hangs_does_not_end_collecting() -> None:
    """It is given up after a while, and its blobs wait; those of others go."""
    store = Store(4, "copies=1")
    for number in range(12):
        put(store, b"%d" % number, f"k{number}")
        now(store.objects.delete("objects", f"k{number}", DeleteRequest()))
    hung = next(node for node in store.nodes if node.fragments)
    others = store.fragments - len(hung.fragments)
    assert others
    hung.remove = lambda name: Deferred()
    hung.holds = lambda incarnations: Deferred()
    store.clock.advance(GRACE + A_BIT)
    work = collector(store)
    done = work.round()
    for _ in range(60):
        store.clock.advance(PATIENCE / 2)
    now(done)
    assert work.removed == others
    assert store.fragments == len(hung.fragments)


def test_who_lost_the_lease_stops() -> None:
    """Between two batches."""
    store = Store(1)
    for number in range(BATCH + 20):
        put(store, b"%d" % number, f"k{number}")
        now(store.objects.delete("objects", f"k{number}", DeleteRequest()))
    store.clock.advance(GRACE + A_BIT)
    work = collector(store)
    try_lease, times = store.catalog.try_lease, []
    store.catalog.try_lease = lambda *a: (
        times.append(a)
        or (  # type: ignore[method-assign]
            try_lease(*a) if len(times) == 1 else succeed(False)
        )
    )
    now(work.round())
    assert work.removed == BATCH


def test_a_node_that_is_gone_is_one_line_and_is_not_asked_again_and_again() -> None:
    """However many fragments it has that nothing needs: they wait for it."""
    store = Store(3)
    for number in range(20):
        put(store, b"old", f"k{number}")
        now(store.objects.delete("objects", f"k{number}", DeleteRequest()))
    silent = store.nodes[0]
    asked: list[FragmentName] = []

    def remove(name: FragmentName) -> Deferred[bool]:
        asked.append(name)
        return fail(NodeUnreachable("gone"))

    silent.remove = remove
    store.clock.advance(GRACE + A_BIT)
    work = collector(store)
    with capturedLogs() as logs:
        now(work.round())
    warned = [event for event in logs if event["log_level"] is LogLevel.warn]
    (line,) = [formatEvent(event) for event in warned]
    assert line == (
        f"20 fragments that nothing needs stay on node {silent.node_id} until it answers"
    )
    assert len(asked) <= AT_ONCE
    assert work.removed == 0
    assert {node.node_id for node in store.nodes if node.fragments} == {silent.node_id}
