"""The way of a PUT whose bytes are to be coded."""

from __future__ import annotations

from hashlib import md5, sha256
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail

from godos.model.blobs import Blob
from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    BadDigest,
    NodeFull,
    NodeUnreachable,
    NotEnoughNodes,
    PreconditionFailed,
)
from godos.model.fragments import SMALL, STRIPE
from godos.model.objects import CopyRequest, CopySource, GetRequest, NewUpload, PutRequest
from godos.model.policy import SMALL_CODED, Policy
from godos.model.versions import Attributes, WriteCondition
from godos.objects.redundancy import Redundancy, wanted_instead
from godos.objects.sealing import Sealing
from godos.protocol.coding import Coding, fragment_length
from godos.transfer.erasure import code_of
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Body, Store, now, whole

POLICY = Policy(4, 2)
MEDIUM = Random(1).randbytes(SMALL_CODED + 1)  # coded, and put in one request
LARGE = Random(2).randbytes(2 * STRIPE + 12_345)  # streamed


def put(store: Store, body: Body, key: str = "k", **told: Any) -> Any:
    return store.objects.put("objects", key, body, PutRequest(**told))


def get(store: Store, key: str = "k") -> bytes:
    return whole(now(store.objects.get("objects", key, GetRequest())))


def coded_store(stores: Any = 6, policy: str = "ec=4+2") -> Store:
    return Store(stores, policy)


def blob_of(store: Store, version: Any) -> Blob:
    blob: Blob = now(store.catalog.blob(version.incarnation))
    return blob


def payloads(store: Store, blob: Blob) -> dict[int, bytes]:
    """What nodes have of a blob, by the number of the fragment."""
    return {
        placed.shard: bytes(
            store.cluster.stores[placed.node].fragments[blob.name(placed.shard)].payload
        )
        for placed in blob.layout
    }


def decoded(blob: Blob, shards: dict[int, bytes]) -> bytes:
    """The blob's bytes out of some of its fragments."""
    coding, code = (
        Coding(blob.size, blob.policy.data),
        code_of(blob.policy.data, blob.policy.parity),
    )
    return b"".join(
        code.decode(
            {index: shard[cut.offset : cut.offset + cut.length] for index, shard in shards.items()},
            coding.stripe_size(cut.stripe),
        )
        for cut in coding.cuts(0, blob.size)
    )


SIZES = [
    0,
    1,
    SMALL_CODED,
    SMALL_CODED + 1,
    SMALL - 1,
    SMALL,
    SMALL + 1,
    2 * STRIPE,
    3 * STRIPE + 7,
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("policy", ["ec=4+2", "ec=2+1"])
def test_what_was_put_is_read(size: int, announced: bool, policy: str) -> None:
    """Whatever its size, with or without a length; small ones are copies."""
    data, wanted = Random(size).randbytes(size), Policy.parse(policy)
    store = coded_store(wanted.width + 1, policy)
    version = now(put(store, Body(data, announced=announced)))
    assert version.etag == md5(data).hexdigest()
    assert get(store) == data
    assert not now(store.catalog.repairs())
    if size:
        blob = blob_of(store, version)
        assert blob.policy == wanted.for_size(size)
        assert store.fragments == blob.policy.width == len(blob.layout)
    else:
        assert store.fragments == 0


@pytest.mark.parametrize("data", [MEDIUM, LARGE])
def test_any_fragments_that_suffice_give_the_bytes(data: bytes) -> None:
    """Each node has a shard of its own, and any four of the six are enough."""
    store = coded_store()
    blob = blob_of(store, now(put(store, Body(data))))
    shards = payloads(store, blob)
    assert sorted(shards) == list(range(6))
    assert {placed.node for placed in blob.layout} == set(store.cluster.stores)
    for chosen in combinations(range(6), 4):
        assert decoded(blob, {index: shards[index] for index in chosen}) == data


@pytest.mark.parametrize("data", [MEDIUM, LARGE])
def test_fragments_say_what_they_are(data: bytes) -> None:
    """The whole blob's size and digest, and their own length and place."""
    store = coded_store()
    blob = blob_of(store, now(put(store, Body(data))))
    for placed in blob.layout:
        header = store.cluster.stores[placed.node].fragments[blob.name(placed.shard)].header
        assert header.policy == "ec=4+2"
        assert header.length == fragment_length(POLICY, len(data))
        assert (header.blob_size, header.blob_sha256) == (len(data), sha256(data).hexdigest())
        assert b'"key":"k"' in header.origin


@given(st.integers(1, 2 * STRIPE), st.integers(1, STRIPE), st.booleans())
@settings(max_examples=25, deadline=None)
def test_in_pieces_of_any_size(size: int, piece: int, announced: bool) -> None:
    """However the network cuts a body, its fragments decode to it."""
    data, store = LARGE[:size], coded_store(3, "ec=2+1")
    body = Body(data, max(piece, size // 50), announced)
    blob = blob_of(store, now(put(store, body)))
    shards = payloads(store, blob)
    if blob.policy.coded:
        shards.pop(0)
        assert decoded(blob, shards) == data
    assert get(store) == data


@pytest.mark.parametrize("size", [SMALL_CODED - 100, SMALL_CODED, SMALL - 100, SMALL + 1])
@pytest.mark.parametrize("announced", [True, False])
def test_encrypted_bytes_are_coded(size: int, announced: bool) -> None:
    """What counts as small is what is stored, and no shard holds the plain bytes."""
    data, store = b"plain text " * (size // 11 + 1), coded_store()
    data = data[:size]
    version = now(put(store, Body(data, announced=announced), encryption=Encryption(Cipher.S3)))
    blob = blob_of(store, version)
    assert blob.policy == POLICY.for_size(blob.size)
    assert blob.size > size
    assert not any(b"plain text" in payload for payload in payloads(store, blob).values())
    assert get(store) == data


@pytest.mark.parametrize(
    ("data", "policy"),
    [
        (bytes(5 << 20), "copies=3"),
        (LARGE[:SMALL_CODED] + bytes(5 << 20), "ec=4+2"),
        (bytes(5 << 20) + LARGE, "ec=4+2"),
        (bytes(1000), "copies=3"),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("encryption", [None, Encryption(Cipher.S3)])
def test_compressed_bytes_are_coded(
    data: bytes, policy: str, announced: bool, encryption: Encryption | None
) -> None:
    """How large a blob is counts when it is compressed: much of little is small."""
    store = coded_store()
    now(store.objects.set_setting("objects", "storage", {"compression": "zstd"}))
    store.clock.advance(3)
    version = now(put(store, Body(data, announced=announced), encryption=encryption))
    blob = blob_of(store, version)
    assert blob.size < len(data)
    assert str(blob.policy) == policy
    assert store.fragments == blob.policy.width
    assert get(store) == data
    assert not now(store.catalog.repairs())


def test_parts_are_coded_by_the_upload_they_are_of() -> None:
    """With the storage class that the upload was begun with."""
    store = coded_store(6, "ec=2+1")
    upload = now(store.objects.create_upload("objects", "k", NewUpload("me")))
    part = now(store.objects.upload_part("objects", "k", upload.id, 1, Body(LARGE), PutRequest()))
    assert part.size == len(LARGE)
    assert store.fragments == 3


# -- which policy -----------------------------------------------------------------------------
def test_a_bucket_has_a_policy_of_its_own() -> None:
    """From the next upload on; what is there stays as it is."""
    store = coded_store(6, "auto")
    now(put(store, Body(MEDIUM), "before"))
    now(store.objects.set_setting("objects", "storage", {"policy": "ec=3+2"}))
    store.clock.advance(3)  # settings may be known for so long
    blob = blob_of(store, now(put(store, Body(MEDIUM + b"!"), "after")))
    assert str(blob.policy) == "ec=3+2"
    assert store.fragments == 3 + 5
    assert get(store, "before") == MEDIUM


def test_a_copy_shares_the_bytes_whatever_the_bucket_wants() -> None:
    """Copying moves no bytes, also into a bucket of another policy."""
    store = coded_store(6, "copies=2")
    now(put(store, Body(MEDIUM)))
    now(store.objects.create_bucket("coded", "me"))
    now(store.objects.set_setting("coded", "storage", {"policy": "ec=4+2"}))
    store.clock.advance(3)
    source = CopySource("objects", "k", GetRequest())
    now(store.objects.copy(source, "coded", "k2", CopyRequest(lambda version: version.attributes)))
    assert store.fragments == 2


def test_too_few_nodes_for_the_code() -> None:
    """It is refused before the body is asked for, and says what is missing; even if small."""
    store = coded_store(5)
    for data in (b"small", LARGE):
        body = Body(data)
        with pytest.raises(NotEnoughNodes, match=r"ec=4\+2 needs 6 nodes, and 5 are registered"):
            now(put(store, body))
        assert not body.asked_for


def test_nodes_that_are_being_emptied_do_not_count() -> None:
    """They will be gone."""
    store = coded_store(6)
    store.cluster.fill(store.nodes[0].node_id)
    with pytest.raises(NotEnoughNodes):
        now(put(store, Body(LARGE)))


# -- nodes that fail --------------------------------------------------------------------------
class Failing(MemoryFragments):
    """Fails the step in `breaks`, or hangs in it when `error` is None."""

    def __init__(self, node_id: str, breaks: str, error: Exception | None) -> None:
        super().__init__(node_id)
        self.breaks, self.error = breaks, error

    def _trouble(self) -> Deferred[Any]:
        return Deferred() if self.error is None else fail(self.error)

    def put(self, header: Any, payload: Any) -> Any:
        return self._trouble() if self.breaks == "put" else super().put(header, payload)

    def upload(self, name: Any, length: Any) -> Any:
        if self.breaks == "open":
            return self._trouble()
        return super().upload(name, length).addCallback(self._broken)

    def _broken(self, upload: Any) -> Any:
        if self.breaks in ("write", "seal"):
            setattr(upload, self.breaks, lambda _: self._trouble())
        return upload


def with_failing(count: int, breaks: str, error: Exception | None, nodes: int = 6) -> Store:
    failing: list[Any] = [Failing(f"{n:032x}", breaks, error) for n in range(count)]
    good = [MemoryFragments(f"{n:032x}") for n in range(count, nodes)]
    return coded_store([*failing, *good])


STEPS = [("put", MEDIUM), ("open", LARGE), ("write", LARGE), ("seal", LARGE)]


@pytest.mark.parametrize(("breaks", "data"), STEPS)
@pytest.mark.parametrize("error", [NodeUnreachable("gone"), NodeFull("full")])
def test_one_of_six_nodes_fails(breaks: str, data: bytes, error: Exception) -> None:
    """Five of six shards are enough: the write succeeds, and its repair is asked for."""
    store = with_failing(1, breaks, error)
    blob = blob_of(store, now(put(store, Body(data))))
    assert get(store) == data
    assert (str(blob.policy), len(blob.layout)) == ("ec=4+2", 5)
    [work] = now(store.catalog.repairs())
    assert work.incarnation == blob.incarnation
    assert [node.staged for node in store.nodes] == [0] * 6


@pytest.mark.parametrize(("breaks", "data"), STEPS)
def test_a_hung_node_delays_a_write_by_seconds(breaks: str, data: bytes) -> None:
    """Once five are done the sixth is given up."""
    store = with_failing(1, breaks, None)
    upload = put(store, Body(data))
    assert not upload.called
    store.clock.advance(2.1)
    now(upload)
    assert get(store) == data


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize(("breaks", "data"), [("write", LARGE), ("seal", LARGE)])
def test_too_few_nodes_finish(count: int, breaks: str, data: bytes) -> None:
    """Four of six shards may not lose one more: nothing is visible, and nothing is left."""
    store = with_failing(count, breaks, NodeUnreachable("gone"))
    with pytest.raises(NotEnoughNodes):
        now(put(store, Body(data)))
    assert store.fragments == 0
    assert [node.staged for node in store.nodes] == [0] * 6


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(("breaks", "data"), [("put", MEDIUM), ("open", LARGE)])
def test_copies_are_made_where_shards_cannot_be(count: int, breaks: str, data: bytes) -> None:
    """As long as no bytes of a body are lost for it: three copies survive two losses, too."""
    store = with_failing(count, breaks, NodeUnreachable("gone"))
    blob = blob_of(store, now(put(store, Body(data))))
    assert str(blob.policy) == "copies=3"
    assert len(blob.layout) == min(3, 6 - count)
    assert store.fragments == len(blob.layout)
    assert get(store) == data
    [work] = now(store.catalog.repairs())
    assert wanted_instead(work.reason) == POLICY
    assert [node.staged for node in store.nodes] == [0] * 6


@pytest.mark.parametrize("count", [5, 6])
@pytest.mark.parametrize(("breaks", "data"), [("put", MEDIUM), ("open", LARGE)])
def test_neither_shards_nor_copies(count: int, breaks: str, data: bytes) -> None:
    """One copy of three is no durable write."""
    store = with_failing(count, breaks, NodeUnreachable("gone"))
    with pytest.raises(NotEnoughNodes):
        now(put(store, Body(data)))
    assert store.fragments == 0


@pytest.mark.parametrize(("breaks", "data"), [("put", MEDIUM), ("open", LARGE)])
@pytest.mark.parametrize("count", [5, 6])
def test_full_disks_are_told_as_such(count: int, breaks: str, data: bytes) -> None:
    """The client learns that there is no room, whatever was tried."""
    with pytest.raises(NodeFull):
        now(put(with_failing(count, breaks, NodeFull("full")), Body(data)))


@pytest.mark.parametrize(("breaks", "data"), [("put", MEDIUM), ("open", LARGE)])
def test_spare_nodes_step_in(breaks: str, data: bytes) -> None:
    """With eight nodes two that refuse cost nothing: the object is coded and at target."""
    for _ in range(5):  # whichever six are chosen first
        store = with_failing(2, breaks, NodeUnreachable("gone"), nodes=8)
        blob = blob_of(store, now(put(store, Body(data))))
        assert sorted(placed.index for placed in blob.layout) == list(range(6))
        assert not now(store.catalog.repairs())


@pytest.mark.parametrize("data", [MEDIUM, LARGE])
def test_nodes_that_are_known_dead(data: bytes) -> None:
    """With two of six away, what is written meanwhile is copies, and says what it is to be."""
    store = coded_store()
    for node in store.nodes[:2]:
        store.cluster.dead.add(node.node_id)
    blob = blob_of(store, now(put(store, Body(data))))
    assert (str(blob.policy), len(blob.layout)) == ("copies=3", 3)
    [work] = now(store.catalog.repairs())
    assert work.incarnation == blob.incarnation
    assert wanted_instead(work.reason) == POLICY
    assert get(store) == data


def test_small_ones_are_copies_for_good() -> None:
    """Nothing is to be done about a small object that was written while nodes were away."""
    store = coded_store()
    for node in store.nodes[:2]:
        store.cluster.dead.add(node.node_id)
    now(put(store, Body(b"small")))
    assert not now(store.catalog.repairs())


def test_parts_say_what_they_are_to_be() -> None:
    """As objects do."""
    store = coded_store()
    upload = now(store.objects.create_upload("objects", "k", NewUpload("me")))
    for node in store.nodes[:2]:
        store.cluster.dead.add(node.node_id)
    now(store.objects.upload_part("objects", "k", upload.id, 1, Body(LARGE), PutRequest()))
    [work] = now(store.catalog.repairs())
    assert wanted_instead(work.reason) == POLICY


def test_what_is_to_be_coded_later_is_not_shared() -> None:
    """Equal content that is copies for good stays so, and does not keep this from its code."""
    store = coded_store()
    now(store.objects.create_bucket("copies", "me"))
    now(store.objects.set_setting("copies", "storage", {"policy": "copies=3"}))
    store.clock.advance(3)
    for node in store.nodes[:2]:
        store.cluster.dead.add(node.node_id)
    for_good = now(store.objects.put("copies", "k", Body(LARGE), PutRequest()))
    version = now(put(store, Body(LARGE)))
    assert version.incarnation != for_good.incarnation
    [work] = now(store.catalog.repairs())
    assert work.incarnation == version.incarnation


def test_three_of_six_dead_refuse_nothing_but_one_left_does() -> None:
    """Copies need two of three; a single node gives no durable write."""
    store = coded_store()
    for node in store.nodes[:5]:
        store.cluster.dead.add(node.node_id)
    body = Body(LARGE)
    with pytest.raises(NotEnoughNodes):
        now(put(store, body))
    assert not body.asked_for


# -- what is left behind ----------------------------------------------------------------------
def test_a_wrong_digest_stores_nothing() -> None:
    """Coded in one request or streamed."""
    store = coded_store()
    for data in (MEDIUM, LARGE):
        with pytest.raises(BadDigest):
            now(put(store, Body(data), md5=md5(b"?").digest()))
    assert store.fragments == 0
    assert [node.staged for node in store.nodes] == [0] * 6


@pytest.mark.parametrize("data", [MEDIUM, LARGE])
def test_a_lost_race_removes_all_shards(data: bytes) -> None:
    """The loser of `If-None-Match: *` leaves nothing on the nodes."""
    store = coded_store()
    only = WriteCondition(if_none_match_any=True)
    commit = store.catalog.commit

    def overtaken(*args: Any) -> Any:
        store.catalog.commit = commit
        now(put(store, Body(b"first")))
        return commit(*args)

    store.catalog.commit = overtaken
    with pytest.raises(PreconditionFailed):
        now(put(store, Body(data), condition=only))
    assert get(store) == b"first"
    assert store.fragments == 3


def test_a_storage_class_chooses_the_policy() -> None:
    """As the server maps it, whatever the bucket says; the class stays the object's own."""
    store = coded_store()
    redundancy = Redundancy({"REDUCED_REDUNDANCY": "copies=2"}, lambda: "ec=4+2")
    objects = store.another(redundancy)
    attributes = Attributes(storage_class="REDUCED_REDUNDANCY")
    request = PutRequest(attributes=attributes)
    reduced = now(objects.put("objects", "reduced", Body(MEDIUM), request))
    assert reduced.attributes.storage_class == "REDUCED_REDUNDANCY"
    assert str(blob_of(store, reduced).policy) == "copies=2"
    standard = now(objects.put("objects", "standard", Body(MEDIUM + b"!"), PutRequest()))
    assert str(blob_of(store, standard).policy) == "ec=4+2"
    upload = now(objects.create_upload("objects", "k", NewUpload("me", attributes)))
    now(objects.upload_part("objects", "k", upload.id, 1, Body(LARGE), PutRequest()))
    assert store.fragments == 2 + 6 + 2


@pytest.mark.parametrize("step", ["update", "finish"])
def test_a_stage_that_breaks_leaves_nothing_staged(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever a bug does on the way, no disk keeps half an upload for it."""
    store = coded_store()
    original, calls = getattr(Sealing, step), []

    def broken(*args: Any) -> Any:
        calls.append(step)
        if step == "update" and len(calls) == 1:
            return original(*args)
        raise ZeroDivisionError

    monkeypatch.setattr(Sealing, step, broken)
    with pytest.raises(ZeroDivisionError):
        now(put(store, Body(LARGE), encryption=Encryption(Cipher.S3)))
    assert calls
    assert [node.staged for node in store.nodes] == [0] * 6
    assert store.fragments == 0
