"""Equal content is stored once, and is as durable as if it were stored twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, fail

from godos.model.blobs import SHARED_FROM, Blob
from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    BadDigest,
    CatalogUnavailable,
    CommitUnknown,
    Conflict,
    NodeFailed,
    NodeUnreachable,
    NoSuchKey,
    PreconditionFailed,
)
from godos.model.members import NodeState
from godos.model.names import FragmentName
from godos.model.objects import DeleteRequest, GetRequest, NewUpload, PutRequest
from godos.model.policy import Policy
from godos.model.versions import WriteCondition
from godos.objects.collection import GRACE, Collector
from godos.objects.sharing import PATIENCE
from tests.unit.objects.stores import Body, Store, now, whole
from tests.unit.storage.nodes import picture, serving

SMALL, LARGE = Random(1).randbytes(SHARED_FROM), Random(2).randbytes(3_000_000)
S3 = Encryption(Cipher.S3)


def put(store: Store, key: str, data: bytes = SMALL, **asked: Any) -> Any:
    return now(store.objects.put("objects", key, Body(data), PutRequest(**asked)))


def get(store: Store, key: str) -> bytes:
    return whole(now(store.objects.get("objects", key, GetRequest())))


def delete(store: Store, key: str) -> None:
    now(store.objects.delete("objects", key, DeleteRequest()))


def collect(store: Store) -> None:
    """Let a day pass, and what nothing refers to be removed."""
    for _ in range(3):
        store.clock.advance(GRACE + 3600)
        collector = Collector(store.catalog, store.cluster, store.locator, store.clock, "c")
        now(collector.round())


def blob_of(store: Store, version: Any) -> Blob:
    blob: Blob = now(store.catalog.blob(version.incarnation))
    return blob


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("policy", "width"), [("copies=1", 1), ("copies=3", 3), ("ec=2+1", 3)])
def test_equal_objects(data: bytes, policy: str, width: int) -> None:
    """The second one adds no fragment, and is an object of its own in all else."""
    store = Store(3, policy)
    if policy == "ec=2+1":
        width = Policy.parse(policy).for_size(len(data)).width
    first, second = put(store, "a", data), put(store, "b", data)
    assert store.fragments == width
    assert first.incarnation == second.incarnation
    assert first.reference != second.reference
    assert all(node.staged == 0 for node in store.nodes)
    assert get(store, "a") == get(store, "b") == data
    delete(store, "a")
    collect(store)
    assert get(store, "b") == data
    delete(store, "b")
    collect(store)
    assert store.fragments == 0


def test_the_same_object_again() -> None:
    """Sent anew it refers to the bytes that it had, and these stay."""
    store = Store()
    put(store, "a")
    put(store, "a")
    assert store.fragments == 3
    collect(store)
    assert get(store, "a") == SMALL


def test_parts() -> None:
    """Equal parts of one upload, and of others, are stored once, as are objects like them."""
    store = Store()
    for key in ("x", "y"):
        upload = now(store.objects.create_upload("objects", key, NewUpload("me")))
        for number in (1, 2):
            place = "objects", key, upload.id, number
            part = now(store.objects.upload_part(*place, Body(LARGE), PutRequest()))
            assert part.size == len(LARGE)
        assert store.fragments == 3
    put(store, "z", LARGE)
    assert store.fragments == 3


def test_what_is_tiny() -> None:
    """Less than 16 KiB is not worth a look."""
    store = Store()
    put(store, "a", SMALL[:-1])
    put(store, "b", SMALL[:-1])
    assert store.fragments == 6


def test_what_is_encrypted() -> None:
    """It is never shared: not with what is encrypted as well, nor with what is not."""
    store = Store()
    for key, encryption in (("a", S3), ("b", S3), ("c", None)):
        put(store, key, LARGE, encryption=encryption)
    assert store.fragments == 9


def test_other_ways_of_storing() -> None:
    """The same bytes under another policy, or compressed, are other blobs."""
    store = Store()
    text = SMALL.hex().encode() * 2 + LARGE[:100_000].hex().encode()
    seen = set()
    for number, words in enumerate(
        ({}, {"policy": "copies=2"}, {"compression": "zstd"}, {"compression": "zstd"}, {})
    ):
        now(store.objects.set_setting("objects", "storage", words or None))
        store.clock.advance(3)
        seen.add(put(store, str(number), text).incarnation)
    assert len(seen) == 3
    assert all(get(store, str(number)) == text for number in range(5))


def test_bytes_on_real_disks(tmp_path: Path) -> None:
    """Ten equal objects take the room of one."""

    def used() -> int:
        return sum(data.count(LARGE) for data in picture(tmp_path).values())

    with ExitStack() as closing:
        store = Store([closing.enter_context(serving(tmp_path / name)) for name in "ab"])
        for number in range(10):
            put(store, str(number), LARGE)
            assert used() == 2
        for number in range(9):
            delete(store, str(number))
        collect(store)
        assert (used(), get(store, "9")) == (2, LARGE)
        delete(store, "9")
        collect(store)
        assert used() == 0


# -- only what was read back is shared -----------------------------------------------------------
def lose(store: Store, blob: Blob, which: int) -> None:
    """Take a fragment away."""
    placed = blob.layout[which]
    del store.cluster.stores[placed.node].fragments[FragmentName(blob.incarnation, placed.index)]


def damage(store: Store, blob: Blob, which: int) -> None:
    placed = blob.layout[which]
    store.cluster.stores[placed.node].damage(FragmentName(blob.incarnation, placed.index), 7)


@pytest.mark.parametrize("harm", [lose, damage])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_a_damaged_candidate(harm: Any, data: bytes) -> None:
    """One bad copy of three is passed over, and mended; with two nothing is shared."""
    store = Store()
    blob = blob_of(store, put(store, "a", data))
    harm(store, blob, 0)
    kept = store.fragments
    assert put(store, "b", data).incarnation == blob.incarnation
    assert store.fragments == kept
    harm(store, blob, 1)
    third = put(store, "c", data)
    assert third.incarnation != blob.incarnation
    assert len(blob_of(store, third).layout) == 3
    assert [work.incarnation for work in now(store.catalog.repairs())] == [blob.incarnation]
    assert put(store, "d", data).incarnation == third.incarnation
    assert get(store, "c") == data


def test_a_coded_candidate() -> None:
    """Of ec=2+2 three intact fragments are enough, and two are not."""
    store = Store(4, "ec=2+2")
    blob = blob_of(store, put(store, "a", LARGE))
    assert blob.policy.coded
    damage(store, blob, 0)
    assert put(store, "b", LARGE).incarnation == blob.incarnation
    lose(store, blob, 3)
    assert put(store, "c", LARGE).incarnation != blob.incarnation


def away(store: Store, node: str) -> None:
    store.cluster.dead.add(node)


def failed(store: Store, node: str) -> None:
    store.cluster.rows[node] = evolve(store.cluster.rows[node], state=NodeState.FAILED)


@pytest.mark.parametrize("lost", [away, failed])
def test_nodes_that_are_away(lost: Any) -> None:
    """What lives on nodes that do not serve is not counted on; one of three waits for repair."""
    store = Store(5, "copies=3")
    blob = blob_of(store, put(store, "a"))
    assert put(store, "b").incarnation == blob.incarnation
    assert not now(store.catalog.repairs())
    lost(store, blob.layout[0].node)
    assert put(store, "c").incarnation == blob.incarnation
    assert [work.incarnation for work in now(store.catalog.repairs())] == [blob.incarnation]
    lost(store, blob.layout[1].node)
    assert put(store, "d").incarnation != blob.incarnation


def test_a_node_that_just_failed() -> None:
    """The others confirm, and the blob waits for repair."""
    store = Store()
    blob = blob_of(store, put(store, "a"))
    node = store.cluster.stores[blob.layout[0].node]
    node.verify = lambda _: fail(NodeFailed("its disk"))
    assert put(store, "b").incarnation == blob.incarnation
    assert [work.incarnation for work in now(store.catalog.repairs())] == [blob.incarnation]


@pytest.mark.parametrize("field", ["blob_size", "blob_sha256", "codec", "policy"])
def test_fragments_of_something_else(field: str) -> None:
    """A node that has other bytes under the name does not confirm it."""
    store = Store()
    blob = blob_of(store, put(store, "a"))
    for node in store.nodes:
        for kept in node.fragments.values():
            changed = 1 if field == "blob_size" else "other"
            kept.header = evolve(kept.header, **{field: changed})
    assert put(store, "b").incarnation != blob.incarnation


def test_a_node_that_hangs() -> None:
    """Who uploads waits a while for it, and then has bytes of their own."""
    store = Store(2)
    first = put(store, "a")
    for node in store.nodes:
        node.verify = lambda _: Deferred()
    putting = store.objects.put("objects", "b", Body(SMALL), PutRequest())
    store.clock.advance(PATIENCE - 1)
    assert not putting.called
    store.clock.advance(2)
    assert now(putting).incarnation != first.incarnation
    assert store.fragments == 4


@pytest.mark.parametrize("error", [NodeUnreachable("gone"), RuntimeError("a bug")])
def test_nodes_that_fail(error: Exception) -> None:
    """Whatever goes wrong, the upload does without."""
    store = Store()
    first = put(store, "a")
    for node in store.nodes:
        node.verify = lambda _: fail(error)
    assert put(store, "b").incarnation != first.incarnation
    assert get(store, "b") == SMALL


def test_a_catalog_that_does_not_answer_that() -> None:
    """The upload does without."""
    store = Store()
    first = put(store, "a")
    store.catalog.content = lambda *_: fail(CatalogUnavailable("no"))  # type: ignore[method-assign]
    assert put(store, "b").incarnation != first.incarnation


# -- the commit ----------------------------------------------------------------------------------
def test_a_candidate_that_is_being_removed() -> None:
    """Whose removal began after it was found: the commit falls back to the bytes that came."""
    store = Store()
    first = put(store, "a")
    stale = blob_of(store, first)
    delete(store, "a")
    store.clock.advance(GRACE + 3600)
    assert [removal.blob.incarnation for removal in now(store.catalog.removals(GRACE))] == [
        first.incarnation
    ]
    found = now(store.catalog.content(stale.size, stale.sha256, stale.codec, stale.policy))
    assert found is None
    asked: list[Any] = []

    def content(*wanted: Any) -> Deferred[Blob]:
        asked.append(wanted)
        answer: Deferred[Blob] = Deferred()
        answer.callback(stale)
        return answer

    store.catalog.content = content  # type: ignore[method-assign]
    second = put(store, "b")
    assert asked
    assert second.incarnation != first.incarnation
    collect(store)
    assert get(store, "b") == SMALL


@pytest.mark.parametrize("error", [PreconditionFailed("no", "If-Match"), CommitUnknown("?")])
def test_a_commit_that_fails(error: Exception) -> None:
    """What came is removed again, for only the shared bytes can have been referred to."""
    store = Store()
    put(store, "a")
    store.catalog.commit = lambda *_: fail(error)  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        put(store, "b")
    assert store.fragments == 3
    assert get(store, "a") == SMALL


def test_a_condition_that_does_not_hold() -> None:
    """The object stays as it was, and nothing is left."""
    store = Store()
    put(store, "a")
    body = Body(SMALL)
    before = store.catalog.head
    store.catalog.head = lambda *_: fail(NoSuchKey("not yet"))  # type: ignore[method-assign]
    request = PutRequest(condition=WriteCondition(if_none_match_any=True))
    with pytest.raises(PreconditionFailed):
        now(store.objects.put("objects", "a", body, request))
    store.catalog.head = before  # type: ignore[method-assign]
    assert store.fragments == 3
    assert get(store, "a") == SMALL


def test_both_commits_fail() -> None:
    """With the shared bytes and with those that came: these are removed."""
    store = Store()
    put(store, "a")
    store.catalog.commit = lambda *_: fail(Conflict("busy"))  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        put(store, "b")
    assert store.fragments == 3


def test_a_server_that_stops() -> None:
    """While it looks for equal content: no object, and what came stays for the census."""
    store = Store(2)
    put(store, "a")
    for node in store.nodes:
        node.verify = lambda _: Deferred()
    putting = store.objects.put("objects", "b", Body(SMALL), PutRequest())
    store.background.cancel()
    with pytest.raises(CancelledError):
        now(putting)
    with pytest.raises(NoSuchKey):
        get(store, "b")


# -- whom a digest helps ---------------------------------------------------------------------------
def other_bytes(data: bytes) -> Iterator[bytes]:
    yield data[:-1]
    yield data[:-1] + bytes([data[-1] ^ 1])
    yield data + b"x"


def test_a_digest_is_no_key() -> None:
    """Who names the digests of somebody's object, and does not have its bytes, gets nothing."""
    store = Store()
    secret = put(store, "secret", LARGE)
    for number, wrong in enumerate(other_bytes(LARGE)):
        for claim in (
            PutRequest(sha256=bytes.fromhex(blob_of(store, secret).sha256)),
            PutRequest(md5=bytes.fromhex(secret.etag)),
        ):
            with pytest.raises(BadDigest):
                now(store.objects.put("objects", str(number), Body(wrong), claim))
            with pytest.raises(NoSuchKey):
                get(store, str(number))
        assert put(store, str(number), wrong).incarnation != secret.incarnation
        assert get(store, str(number)) == wrong
