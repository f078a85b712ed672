"""Objects that are encrypted at rest."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import md5
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    AccessDenied,
    BytesNotFound,
    InvalidEncryption,
    NoSuchEncryptionKey,
)
from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.model.objects import ByteRange, GetRequest, PutRequest
from godos.model.versions import Attributes
from godos.objects.keys import Keys
from godos.protocol.fragment_wire import block_checksum, checksum_seed
from godos.transfer.encryption import AES256GCM, open_note, plain_room, sealed_size
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Body, Store, now, whole

CUSTOMER = b"c" * 32
S3 = Encryption(Cipher.S3)
KMS = Encryption(Cipher.KMS, key_id="second", context="eyJhIjoiYiJ9")
CUSTOMERS = Encryption(Cipher.CUSTOMER, key=CUSTOMER)
EVERY = [S3, KMS, CUSTOMERS]
ROOM = plain_room(SMALL)  # plain bytes that travel in one piece
SIZES = [0, 1, 65535, 65536, 65537, ROOM, ROOM + 1, SMALL, SMALL + 1, 3_000_000]


def data(size: int) -> bytes:
    pattern = bytes(range(251))
    return (pattern * (size // len(pattern) + 1))[:size]


def put(store: Store, plain: bytes, encryption: Encryption, body: Body | None = None) -> Any:
    request = PutRequest(Attributes(metadata={"m": "private"}), encryption=encryption)
    return now(store.objects.put("objects", "k", body or Body(plain), request))


def get(store: Store, encryption: Encryption, **asked: Any) -> Any:
    request = GetRequest(customer_key=encryption.key, **asked)
    return now(store.objects.get("objects", "k", request))


@pytest.mark.parametrize("encryption", EVERY)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("announced", [True, False])
def test_what_was_put_is_read(encryption: Encryption, size: int, announced: bool) -> None:
    """Whatever its size; that it is encrypted shows in the rows only."""
    store, plain = Store(), data(size)
    version = put(store, plain, encryption, Body(plain, announced=announced))
    assert version.size == size
    assert version.attributes.encryption["cipher"] == encryption.cipher
    assert whole(get(store, encryption)) == plain
    assert all(node.staged == 0 for node in store.nodes)
    if size:
        blob = now(store.catalog.blob(version.incarnation))
        assert (blob.codec, blob.size) == (AES256GCM, sealed_size(size))
    else:
        assert store.fragments == 0


PLAIN = data(400_000)


def stored(encryption: Encryption = S3, plain: bytes = PLAIN, nodes: int = 3) -> tuple[Store, Any]:
    store = Store(nodes)
    return store, put(store, plain, encryption)


STORED = {encryption.cipher: stored(encryption)[0] for encryption in EVERY}


@settings(max_examples=60)
@given(
    encryption=st.sampled_from(EVERY),
    one=st.integers(0, len(PLAIN) - 1),
    other=st.integers(0, len(PLAIN) - 1),
)
def test_ranges(encryption: Encryption, one: int, other: int) -> None:
    """Any range is the slice of the plain bytes."""
    first, last = sorted((one, other))
    read = get(STORED[encryption.cipher], encryption, range=ByteRange(first, last))
    assert (read.start, read.stop) == (first, last + 1)
    assert whole(read) == PLAIN[first : last + 1]


def test_a_range_reads_the_blocks_around_it() -> None:
    """A byte out of the middle costs a block or two, not the object."""
    store, _ = stored(nodes=1)
    asked = []
    opened = store.nodes[0].open

    def noting(name: FragmentName, start: int, stop: int | None) -> Any:
        asked.append((start, stop))
        return opened(name, start, stop)

    store.nodes[0].open = noting
    assert whole(get(store, S3, range=ByteRange(200_000, 200_000))) == PLAIN[200_000:200_001]
    assert asked == [(3 * 65552, 4 * 65552)]


def rewrite(store: Store, version: Any, payload: bytes) -> None:
    """Let all nodes hold other bytes, whose checksums fit."""
    for node in store.nodes:
        for name, kept in node.fragments.items():
            if name.incarnation == version.incarnation:
                kept.payload[:] = payload
                blocks = range(0, len(payload), 128 << 10)
                kept.checksums[:] = [
                    block_checksum(checksum_seed(name), n, payload[start : start + (128 << 10)])
                    for n, start in enumerate(blocks)
                ]


def payload_of(store: Store, version: Any) -> bytearray:
    name = FragmentName(version.incarnation, 0)
    return bytearray(next(n.fragments[name].payload for n in store.nodes if name in n.fragments))


@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, sealed_size(len(PLAIN)) - 1), bit=st.integers(0, 7))
def test_any_bit_that_somebody_changed(at: int, bit: int) -> None:
    """Even with checksums that fit, no wrong byte is given: the read fails instead."""
    store, version = stored(nodes=1)
    payload = payload_of(store, version)
    payload[at] ^= 1 << bit
    rewrite(store, version, bytes(payload))
    got = bytearray()
    with pytest.raises(BytesNotFound):
        read = get(store, S3)
        while piece := now(read.read()):
            got += piece
    assert PLAIN.startswith(got)


def test_one_copy_that_somebody_changed() -> None:
    """Another copy is asked, from the block that did not decrypt."""
    store, version = stored()
    payload = payload_of(store, version)
    payload[200_000] ^= 1
    blob = now(store.catalog.blob(version.incarnation))
    first = store.cluster.stores[blob.layout[0].node]
    others = [node for node in store.nodes if node is not first]
    kept = {node.node_id: dict(node.fragments) for node in others}
    for node in others:
        node.fragments.clear()
    rewrite(store, version, bytes(payload))
    for node in others:
        node.fragments.update(kept[node.node_id])
    assert whole(get(store, S3)) == PLAIN
    assert [work.incarnation for work in now(store.catalog.repairs())] == [version.incarnation]


def test_bytes_of_another_object_do_not_pass() -> None:
    """Who swaps the files of two objects, or stores plain bytes, gets an error answered."""
    store, version = stored(nodes=1)
    other = now(store.objects.put("objects", "other", Body(PLAIN), PutRequest(encryption=S3)))
    rewrite(store, version, bytes(payload_of(store, other)))
    with pytest.raises(BytesNotFound):
        get(store, S3)


def test_plain_bytes_do_not_pass_for_encrypted_ones() -> None:
    """Who changes a blob's row in the catalog cannot slip in what was never encrypted."""
    store, version = stored(nodes=1)
    rewrite(store, version, PLAIN)
    row = evolve(now(store.catalog.blob(version.incarnation)), codec="raw", size=len(PLAIN))
    store.catalog.blob = lambda _: succeed(row)  # type: ignore[method-assign]
    with pytest.raises(BytesNotFound, match="raw"):
        get(store, S3)


# -- keys --------------------------------------------------------------------------------------
def test_a_customers_key_is_needed_for_every_look() -> None:
    """Without it 400, with another one 403, also for HEAD, also for an empty object."""
    for plain in (PLAIN, b""):
        store, _ = stored(CUSTOMERS, plain)
        for ask in (store.objects.get, store.objects.head):
            with pytest.raises(InvalidEncryption):
                now(ask("objects", "k", GetRequest()))
            with pytest.raises(AccessDenied):
                now(ask("objects", "k", GetRequest(customer_key=b"C" * 32)))
            now(ask("objects", "k", GetRequest(customer_key=CUSTOMER)))


@pytest.mark.parametrize("encryption", [None, S3, KMS])
def test_a_customers_key_that_is_not_needed(encryption: Encryption | None) -> None:
    """It is refused: the client thinks wrongly of the object."""
    store = Store()
    now(store.objects.put("objects", "k", Body(b"x"), PutRequest(encryption=encryption)))
    for ask in (store.objects.get, store.objects.head):
        with pytest.raises(InvalidEncryption):
            now(ask("objects", "k", GetRequest(customer_key=CUSTOMER)))


@pytest.mark.parametrize("encryption", [S3, KMS])
def test_a_server_without_keys(encryption: Encryption) -> None:
    """It stores nothing unencrypted that was to be encrypted, and asks for no body."""
    store, body = Store(keys=Keys()), Body(b"x")
    request = PutRequest(encryption=encryption)
    with pytest.raises(NoSuchEncryptionKey):
        now(store.objects.put("objects", "k", body, request))
    assert not body.asked_for


def test_etags() -> None:
    """With SSE-S3 it is the MD5 of the plain bytes; otherwise it tells nothing of them."""
    for encryption in EVERY:
        version = stored(encryption)[1]
        assert len(bytes.fromhex(version.etag)) == 16
        assert (version.etag == md5(PLAIN).hexdigest()) == (encryption.cipher is Cipher.S3)


def test_equal_objects_look_different() -> None:
    """Nobody who sees the disks learns that two objects are the same."""
    store, first = stored()
    second = put(store, PLAIN, S3)
    assert payload_of(store, first) != payload_of(store, second)


# -- what is on the nodes ------------------------------------------------------------------------
@pytest.mark.parametrize("encryption", EVERY)
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_the_origin_block_is_encrypted(encryption: Encryption, size: int) -> None:
    """It can be rebuilt from the fragment and the key, and from nothing less."""
    store, version = stored(encryption, data(size))
    for node in store.nodes:
        for name, kept in node.fragments.items():
            assert b"private" not in kept.header.origin
            assert kept.header.codec == AES256GCM
            block = json.loads(kept.header.origin)
            opened = now(store.keys.open(block["encryption"], encryption.key))
            note = open_note(opened.secret, name.incarnation, b64decode(block["sealed"]))
            origin = json.loads(note)
            assert origin["metadata"] == {"m": "private"}
            assert (origin["key"], origin["etag"]) == ("k", version.etag)


def test_a_client_that_leaves_in_mid_body() -> None:
    """What was staged is dropped on all nodes."""
    store, body = Store(), Body(data(3_000_000))
    deliver, held = body.deliver_to, Deferred[None]()
    body.deliver_to = lambda consumer: deliver(consumer).addCallback(lambda _: held)  # type: ignore[method-assign]
    upload = store.objects.put("objects", "k", body, PutRequest(encryption=S3))
    assert [node.staged for node in store.nodes] == [1, 1, 1]
    upload.cancel()
    with pytest.raises(CancelledError):
        now(upload)
    assert [node.staged for node in store.nodes] == [0, 0, 0]
    assert store.fragments == 0


class Noting(MemoryFragments):
    """Notes how many bytes come at a time."""

    largest = 0

    def upload(self, name: FragmentName, length: int | None) -> Any:
        return super().upload(name, length).addCallback(self._noted)

    def _noted(self, upload: Any) -> Any:
        write = upload.write

        def noting(pieces: Any) -> Any:
            self.largest = max(self.largest, sum(map(len, pieces)))
            return write(pieces)

        upload.write = noting
        return upload


def test_memory_is_bounded() -> None:
    """A large body passes in pieces, in and out."""
    node = Noting("0" * 32)
    store, plain = Store([node]), data(20 << 20)
    put(store, plain, S3)
    assert node.largest < 3 << 20
    read, sizes = get(store, S3), []
    while piece := now(read.read()):
        sizes.append(len(piece))
    assert sum(sizes) == len(plain)
    assert max(sizes) <= 2 << 20
