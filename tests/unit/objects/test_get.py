"""The way of a GET."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail

from godos.model.errors import (
    BytesNotFound,
    InvalidRange,
    MethodNotAllowed,
    NodeUnreachable,
    NoSuchKey,
    NoSuchVersion,
    NotModified,
)
from godos.model.locating import Holder, Located
from godos.model.members import Node
from godos.model.names import FragmentName
from godos.model.objects import ByteRange, DeleteRequest, GetRequest, PutRequest, ReadCondition
from godos.model.versions import Versioning
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Body, Store, now, whole

DATA = bytes(range(251)) * 12_000  # 2.9 MiB: three chunks


def stored(nodes: int = 3, data: bytes = DATA) -> tuple[Store, Any]:
    store = Store(nodes)
    return store, now(store.objects.put("objects", "k", Body(data), PutRequest()))


def get(store: Store, **asked: Any) -> Any:
    return now(store.objects.get("objects", "k", GetRequest(**asked)))


def holder(store: Store, version: Any, place: int = 0) -> tuple[Any, FragmentName]:
    """The node that stands at `place` in the layout, and the fragment it holds."""
    placed = now(store.catalog.blob(version.incarnation)).layout[place]
    return store.cluster.stores[placed.node], FragmentName(version.incarnation, placed.index)


def lane_of(read: Any) -> Any:
    """What is being read, of the one node that gave the last piece."""
    return read._rest._part._lane


def test_a_missing_key_is_a_404_without_asking_any_node() -> None:
    """Only the catalog says that something does not exist."""
    store = Store()
    with pytest.raises(NoSuchKey):
        get(store)
    assert store.locator.asked == 0


@settings(max_examples=40)
@given(st.integers(0, len(DATA) - 1), st.integers(0, len(DATA) - 1))
def test_ranges(one: int, other: int) -> None:
    """Any range is the slice of the object."""
    store, _ = STORED
    first, last = sorted((one, other))
    read = get(store, range=ByteRange(first, last))
    assert (read.start, read.stop) == (first, last + 1)
    assert whole(read) == DATA[first : last + 1]


STORED = stored()


def test_a_range_past_the_end() -> None:
    """416, with the size."""
    with pytest.raises(InvalidRange) as caught:
        get(STORED[0], range=ByteRange(len(DATA), None))
    assert caught.value.size == len(DATA)


def test_a_conditional_read_moves_no_bytes() -> None:
    """304 and 412 are decided from the catalog."""
    store, version = stored()
    for node in store.nodes:
        node.fragments.clear()
    with pytest.raises(NotModified):
        get(store, condition=ReadCondition(if_none_match=(version.etag,)))


@pytest.mark.parametrize("offset", [0, 1_500_000, len(DATA) - 1])
def test_damage_is_made_good_from_another_copy(offset: int) -> None:
    """Wherever the bit flipped, the client gets every byte right, and repair is asked for."""
    store, version = stored()
    node, name = holder(store, version)
    node.damage(name, offset)
    assert whole(get(store)) == DATA
    assert [work.incarnation for work in now(store.catalog.repairs())] == [version.incarnation]


def test_damage_of_all_copies_is_an_error_not_a_short_answer() -> None:
    """The read fails at the damaged byte."""
    store, version = stored()
    for place in range(3):
        node, name = holder(store, version, place)
        node.damage(name, 1_500_000)
    read = get(store)
    with pytest.raises(BytesNotFound):
        whole(read)


def test_damage_at_the_first_byte_is_told_before_any_byte() -> None:
    """A 503 with the reasons, because nothing was sent yet."""
    store, version = stored(1)
    node, name = holder(store, version)
    node.damage(name, 0)
    with pytest.raises(BytesNotFound, match=node.node_id):
        get(store)


def test_a_node_that_dies_in_mid_object() -> None:
    """Another one goes on at the very byte."""
    store, version = stored()
    node, _ = holder(store, version)
    read = get(store)
    first = now(read.read())
    node.broken = NodeUnreachable("gone")
    assert first + whole(read) == DATA
    assert node.node_id in store.cluster.dead


def test_a_connection_that_breaks_in_mid_object() -> None:
    """The node is not blamed for it: it goes on at the very byte."""
    store, version = stored()
    node, _ = holder(store, version)
    read = get(store)
    first = now(read.read())
    lane_of(read)._reader.read = lambda: fail(NodeUnreachable("the connection broke"))
    second = now(read.read())
    assert lane_of(read).placed.node == node.node_id
    assert first + second + whole(read) == DATA
    assert not store.cluster.dead


def test_a_node_that_breaks_off_because_of_damage() -> None:
    """Asked again it says so: the bytes come from another, and repair is asked for."""
    store, version = stored()
    node, name = holder(store, version)
    read = get(store)
    first = now(read.read())
    node.damage(name, len(first))
    lane_of(read)._reader.read = lambda: fail(NodeUnreachable("the connection broke"))
    assert first + whole(read) == DATA
    assert [work.incarnation for work in now(store.catalog.repairs())] == [version.incarnation]
    assert not store.cluster.dead


def test_a_node_that_hangs_in_mid_object() -> None:
    """Another one is asked after a moment."""
    store, _ = stored()
    read = get(store)
    first = now(read.read())
    lane_of(read)._reader.read = lambda: Deferred()
    waiting = read.read()
    assert not waiting.called
    store.clock.advance(0.11)
    second = now(waiting)
    assert first + second + whole(read) == DATA


def test_dead_nodes_are_asked_last() -> None:
    """A node known dead costs a reader no time."""
    store, version = stored()
    node, _ = holder(store, version)
    store.cluster.dead.add(node.node_id)
    node.open = lambda *_: Deferred()
    assert whole(get(store)) == DATA


def test_a_fragment_moved_to_another_node_is_found_and_written_down() -> None:
    """An operator moved a file: locate finds it, the read proves it, the layout follows."""
    store, version = stored(1)
    node, name = holder(store, version)
    other = MemoryFragments("f" * 32)
    store.cluster.stores[other.node_id] = other
    store.cluster.rows[other.node_id] = Node(other.node_id, "b", "127.0.0.1:9", "z9", 1000, 1000)
    other.fragments[name] = node.fragments.pop(name)
    assert whole(get(store)) == DATA
    assert store.locator.asked == 1
    [placed] = now(store.catalog.blob(version.incarnation)).layout
    assert placed.node == other.node_id
    assert whole(get(store)) == DATA
    assert store.locator.asked == 1


def test_a_stranger_under_the_right_name_is_not_believed() -> None:
    """Bytes of another blob are no answer, whoever offers them."""
    store, version = stored(1)
    node, name = holder(store, version)
    other = now(store.objects.put("objects", "other", Body(DATA[::-1]), PutRequest()))
    _, other_name = holder(store, other)
    stranger = node.fragments[other_name]
    stranger.header = evolve(stranger.header, name=name)
    node.fragments[name] = stranger
    with pytest.raises(BytesNotFound):
        get(store)


def test_a_wrong_hint_is_not_kept() -> None:
    """A located holder that does not give the bytes is asked for anew by the next reader."""
    store, version = stored(1)
    node, name = holder(store, version)
    other = MemoryFragments("f" * 32)
    store.cluster.stores[other.node_id] = other
    store.cluster.rows[other.node_id] = Node(other.node_id, "b", "127.0.0.1:9", "z9", 1000, 1000)
    other.fragments[name] = node.fragments.pop(name)
    other.open = lambda *_: fail(NodeUnreachable("gone"))  # type: ignore[method-assign]
    with pytest.raises(BytesNotFound):
        get(store)
    assert store.locator.forgotten == [version.incarnation]


def test_a_no_is_believed_more_than_a_remembered_yes() -> None:
    """A file that moved, and moved back, is found although locate remembers where it was."""
    store, version = stored(1)
    node, name = holder(store, version)
    other = MemoryFragments("f" * 32)
    store.cluster.stores[other.node_id] = other
    store.cluster.rows[other.node_id] = Node(other.node_id, "b", "127.0.0.1:9", "z9", 1000, 1000)
    other.fragments[name] = node.fragments.pop(name)
    assert whole(get(store)) == DATA
    node.fragments[name] = other.fragments.pop(name)
    where_it_was = Holder(other.node_id, "127.0.0.1:9", (name.index,))
    store.locator.known[name.incarnation] = Located((where_it_was,), complete=True)
    assert whole(get(store)) == DATA
    assert store.locator.forgotten == [name.incarnation]


def test_lost_bytes_are_a_503_and_the_row_stays() -> None:
    """All nodes say no: the object is unavailable, never missing."""
    store, version = stored()
    for node in store.nodes:
        node.fragments.clear()
    with pytest.raises(BytesNotFound):
        get(store)
    assert now(store.objects.head("objects", "k", GetRequest())).etag == version.etag


def test_versions_and_markers() -> None:
    """Old versions are read by id; a marker hides the key and cannot be read."""
    store, _ = stored()
    now(store.objects.set_versioning("objects", Versioning.ENABLED))
    second = now(store.objects.put("objects", "k", Body(b"second"), PutRequest()))
    marker = now(store.objects.delete("objects", "k", DeleteRequest()))
    assert marker.is_delete_marker
    with pytest.raises(NoSuchKey) as caught:
        get(store)
    assert caught.value.delete_marker == marker.version_id
    assert whole(get(store, version_id=second.version_id)) == b"second"
    assert whole(get(store, version_id="null")) == DATA
    with pytest.raises(MethodNotAllowed):
        get(store, version_id=marker.version_id)
    with pytest.raises(NoSuchVersion):
        get(store, version_id="0" * len(second.version_id))


def test_listings_are_full_pages() -> None:
    """A page of 3 of 7 keys has 3 entries, and `next` leads to the rest."""
    store = Store(1)
    for n in range(7):
        now(store.objects.put("objects", f"a/{n}", Body(b""), PutRequest()))
    keys, after = [], ""
    while True:
        page = now(store.objects.list_objects("objects", "a/", "", after, 3))
        keys.append([version.key for version in page.versions])
        if page.next is None:
            break
        after = page.next
    assert [len(some) for some in keys] == [3, 3, 1]
    assert [key for some in keys for key in some] == [f"a/{n}" for n in range(7)]
    assert now(store.objects.list_objects("objects", "", "", "", 0)).versions == ()


def test_locate_names_the_holders() -> None:
    """As they are now, whatever is remembered; an empty object has nobody to ask for."""
    store, version = stored()
    store.locator.known[version.incarnation] = Located((), complete=True)
    (located,) = now(store.objects.locate("objects", "k", None)).values()
    assert len(located.holders) == 3
    now(store.objects.put("objects", "empty", Body(b""), PutRequest()))
    assert now(store.objects.locate("objects", "empty", None)) == {}


@pytest.mark.parametrize("step", ["open", "read"])
def test_a_node_that_fails_like_nothing_foreseen(step: str) -> None:
    """Whatever broke there, another node has the bytes; and the log has the fault."""
    store, version = stored()
    broken, _ = holder(store, version)

    def trouble(*_: object) -> Deferred[Any]:
        return fail(OSError("Input/output error"))

    def with_trouble(reader: Any) -> Any:
        reader.read = trouble
        return reader

    opened = broken.open
    broken.open = (
        trouble if step == "open" else lambda *asked: opened(*asked).addCallback(with_trouble)
    )
    assert whole(get(store)) == DATA
