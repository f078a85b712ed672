"""Objects that are stored compressed, with and without encryption, as copies and coded."""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import md5, sha256
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred, succeed

from godos.model.blobs import RAW, Blob
from godos.model.encryption import Cipher, Encryption
from godos.model.errors import BytesNotFound
from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.model.objects import ByteRange, GetRequest, PutRequest
from godos.objects.compressing import INLINE, Compressing
from godos.protocol.fragment_wire import block_checksum, checksum_seed
from godos.transfer.compression import SHAPE, ZSTD, Packed
from godos.transfer.encryption import AES256GCM
from tests.memory_fragments import BLOCK, MemoryFragments
from tests.unit.objects.stores import Body, Store, now, whole
from tests.unit.objects.test_reading import made_of

S3 = Encryption(Cipher.S3)
BOTH = f"{ZSTD}+{AES256GCM}"
BLOCKS = SHAPE.block  # plain bytes of one


def words(size: int, seed: int = 0) -> bytes:
    """Bytes that become half as long: hexadecimal digits."""
    return random.Random(seed).randbytes(size // 2 + 1).hex().encode()[:size]


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that become no shorter."""
    return random.Random(seed).randbytes(size)


def store_of(policy: str = "auto", nodes: int = 3, compression: str = "zstd") -> Store:
    store = Store(nodes, policy)
    compress(store, compression)
    return store


def compress(store: Store, compression: str) -> None:
    now(store.objects.set_setting("objects", "storage", {"compression": compression}))
    store.clock.advance(3)


def put(
    store: Store,
    plain: bytes,
    encryption: Encryption | None = None,
    body: Body | None = None,
    key: str = "k",
) -> Any:
    request = PutRequest(encryption=encryption)
    return now(store.objects.put("objects", key, body or Body(plain), request))


def get(store: Store, key: str = "k", **asked: Any) -> Any:
    return now(store.objects.get("objects", key, GetRequest(**asked)))


def blob_of(store: Store, version: Any) -> Blob:
    blob: Blob = now(store.catalog.blob(version.incarnation))
    return blob


SIZES = [0, 1, 300, 5000, BLOCKS, BLOCKS + 1, SMALL, SMALL + 1, 5 * BLOCKS + 7]


@pytest.mark.parametrize("encryption", [None, S3])
@pytest.mark.parametrize(("policy", "nodes"), [("copies=3", 3), ("ec=2+1", 3), ("ec=4+2", 6)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("announced", [True, False])
def test_what_was_put_is_read(
    encryption: Encryption | None, policy: str, nodes: int, size: int, announced: bool
) -> None:
    """Whatever its size; what clients see of it is of the plain bytes."""
    store, plain = store_of(policy, nodes), words(size)
    version = put(store, plain, encryption, Body(plain, announced=announced))
    assert (version.size, version.etag) == (size, md5(plain).hexdigest())
    assert whole(get(store)) == plain
    assert all(node.staged == 0 for node in store.nodes)
    if size >= 5000:
        blob = blob_of(store, version)
        assert blob.codec == (BOTH if encryption else ZSTD)
        assert blob.size < 0.6 * size
        assert blob.policy.coded == (policy != "copies=3" and blob.size > 128 << 10)


@pytest.mark.parametrize("encryption", [None, S3])
@pytest.mark.parametrize("size", [1, 300, 100_000, SMALL, 3_000_000])
@pytest.mark.parametrize("announced", [True, False])
def test_what_compresses_badly(encryption: Encryption | None, size: int, announced: bool) -> None:
    """It is stored as it is, and nothing tells that the bucket compresses."""
    store, plain = store_of(), noise(size)
    version = put(store, plain, encryption, Body(plain, announced=announced))
    blob = blob_of(store, version)
    assert blob.codec == (AES256GCM if encryption else RAW)
    assert whole(get(store)) == plain
    if encryption is None:
        assert (blob.size, blob.sha256) == (size, sha256(plain).hexdigest())
        for node in store.nodes:
            assert [kept.payload for kept in node.fragments.values()] == [plain]


def test_a_bucket_that_compresses_no_more() -> None:
    """What is there is read as before, and what comes is stored as it is."""
    store = store_of()
    old = put(store, words(50_000), key="old")
    compress(store, "none")
    new = put(store, words(50_000, 1), key="new")
    assert [blob_of(store, version).codec for version in (old, new)] == [ZSTD, RAW]
    assert whole(get(store, "old")) == words(50_000)
    assert whole(get(store, "new")) == words(50_000, 1)


def test_what_a_newer_server_knows() -> None:
    """A compression that this server has no idea of is not used by it."""
    store = store_of(compression="better")
    assert blob_of(store, put(store, words(50_000))).codec == RAW


PARTS = [words(300_000), noise(200_000), b"", words(3_000_000, 2), b"end"]


@pytest.mark.parametrize("encryption", [None, S3])
def test_parts(encryption: Encryption | None) -> None:
    """Each part is compressed by itself, or not."""
    store, all_of_it = store_of(), b"".join(PARTS)
    made_of(store, PARTS, encryption)
    codecs = {kept.header.codec for node in store.nodes for kept in node.fragments.values()}
    assert codecs == ({AES256GCM, BOTH} if encryption else {RAW, ZSTD})
    assert whole(get(store)) == all_of_it
    for first, last in ((0, 0), (299_999, 300_000), (100, 3_400_000), (499_999, 500_000)):
        part = whole(get(store, range=ByteRange(first, last)))
        assert part == all_of_it[first : last + 1]


# -- ranges ------------------------------------------------------------------------------------
SHORT, LONG = words(900_000), words(4_000_000) + bytes(3 * BLOCKS) + noise(BLOCKS)


def filled(plain: bytes, encryption: Encryption | None, policy: str) -> Store:
    store = store_of(policy, 6)
    put(store, plain, encryption)
    return store


FILLED = [
    (plain, filled(plain, encryption, policy))
    for plain in (SHORT, LONG)
    for encryption in (None, S3)
    for policy in ("copies=2", "ec=4+2")
]


@settings(max_examples=150, deadline=None)
@given(which=st.sampled_from(FILLED), one=st.floats(0, 0.999999), length=st.integers(1, 1 << 20))
def test_ranges(which: tuple[bytes, Store], one: float, length: int) -> None:
    """Any range is the slice of the plain bytes."""
    plain, store = which
    first = int(one * len(plain))
    read = get(store, range=ByteRange(first, first + length - 1))
    assert whole(read) == plain[first : first + length]


def opens(store: Store) -> list[tuple[int, int]]:
    """The ranges that its only node is asked for from now on."""
    asked: list[tuple[int, int]] = []
    opened: Callable[..., Any] = store.nodes[0].open

    def noting(name: FragmentName, start: int, stop: int) -> Any:
        asked.append((start, stop))
        return opened(name, start, stop)

    store.nodes[0].open = noting
    return asked


def test_a_small_blob_is_read_in_one_go() -> None:
    """Up to 1 MiB of stored bytes index and blocks come together, whatever the range."""
    store = store_of(nodes=1)
    blob = blob_of(store, put(store, SHORT))
    asked = opens(store)
    assert whole(get(store, range=ByteRange(700_000, 700_010))) == SHORT[700_000:700_011]
    assert whole(get(store)) == SHORT
    assert asked == [(0, blob.size)] * 2


def test_a_range_reads_its_own_blocks() -> None:
    """Of a larger one it reads the index and the blocks that it touches."""
    store = store_of(nodes=1)
    blob = blob_of(store, put(store, LONG))
    way = Packed(blob.size, len(LONG))
    asked = opens(store)
    place = 5 * BLOCKS - 2
    assert whole(get(store, range=ByteRange(place, place + 3))) == LONG[place : place + 4]
    index, blocks = asked
    assert index == (way.end, blob.size)
    assert blob.size - way.end == SHAPE.index_length(len(LONG)) < 200
    assert blocks[1] - blocks[0] < 2 * BLOCKS
    asked.clear()
    assert whole(get(store)) == LONG
    assert asked == [(way.end, blob.size), (0, way.end)]


# -- damage ------------------------------------------------------------------------------------
def rewrite(node: MemoryFragments, place: int) -> None:
    """Flip a bit, and let the node think that it is good."""
    for name, kept in node.fragments.items():
        kept.payload[place] ^= 1
        seed = checksum_seed(name)
        kept.checksums[:] = [
            block_checksum(seed, number, kept.payload[start : start + BLOCK])
            for number, start in enumerate(range(0, len(kept.payload), BLOCK))
        ]


@pytest.mark.parametrize("plain", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("encryption", [None, S3], ids=["plain", "encrypted"])
@pytest.mark.parametrize("where", ["first", "middle", "page", "directory", "footer"])
def test_damage_that_no_node_noticed(
    plain: bytes, encryption: Encryption | None, where: str
) -> None:
    """Other nodes are asked, and the reader notices nothing; never is a wrong byte given."""
    store = store_of()
    blob = blob_of(store, put(store, plain, encryption))
    places = {
        "first": 100,
        "middle": 300_000,
        "page": blob.size - 28 - 8 - 10,
        "directory": blob.size - 30,
        "footer": blob.size - 10,
    }
    for node in store.nodes[1:]:
        rewrite(node, places[where])
    assert whole(get(store)) == plain
    assert whole(get(store, range=ByteRange(200_000, 800_000))) == plain[200_000:800_001]
    rewrite(store.nodes[0], places[where])
    with pytest.raises(BytesNotFound):
        whole(get(store))


@pytest.mark.parametrize("encryption", [None, S3], ids=["plain", "encrypted"])
@pytest.mark.parametrize("size", [900_000, 4_000_000])
@pytest.mark.parametrize("place", [10, 70_000, -1, -40])
def test_damage_in_shards_that_no_node_noticed(
    size: int, encryption: Encryption | None, place: int
) -> None:
    """A code whose shards lie gives nonsense: other shards are tried until it makes sense."""
    plain, store = words(size), store_of("ec=4+2", 6)
    put(store, plain, encryption)
    for node in store.nodes:
        rewrite(node, place)
        assert whole(get(store)) == plain
        rewrite(node, place)  # as it was


def test_other_bytes_in_its_place() -> None:
    """A row that names a compressed blob of another size is found out."""
    store = store_of()
    put(store, words(50_000, 1), key="other")
    version = put(store, words(51_000, 2))
    other = blob_of(store, get(store, "other").version)
    for wrong in (evolve(other, incarnation=version.incarnation), evolve(other, size=20)):
        store.catalog.blob = lambda _, wrong=wrong: succeed(wrong)  # type: ignore[misc]
        store.objects = store.another()
        with pytest.raises(BytesNotFound):
            get(store)


@pytest.mark.parametrize("codec", [RAW, ZSTD, AES256GCM, BOTH, "", f"{AES256GCM}+{ZSTD}", "lz4"])
@pytest.mark.parametrize("encryption", [None, S3])
def test_what_is_not_encrypted_does_not_pass_for_it(
    codec: str, encryption: Encryption | None
) -> None:
    """Whatever codec somebody writes into a blob's row: other bytes than stored are not given."""
    store, plain = store_of(nodes=1), words(50_000)
    version = put(store, plain, encryption)
    blob = blob_of(store, version)
    if codec == blob.codec:
        return
    for size in (blob.size, len(plain)):
        forged = evolve(blob, codec=codec, size=size)
        store.catalog.blob = lambda _, forged=forged: succeed(forged)  # type: ignore[misc]
        store.objects = store.another()
        with pytest.raises(BytesNotFound):
            whole(get(store))


def test_plain_compressed_bytes_under_an_encrypted_objects_name() -> None:
    """Who can write rows and disks still cannot slip in what was never encrypted."""
    store = store_of(nodes=1)
    version = put(store, words(50_000), S3)
    plain = blob_of(store, put(store, words(50_000, 1), key="other"))
    forged = evolve(plain, incarnation=plain.incarnation)
    assert version.incarnation != forged.incarnation
    store.catalog.blob = lambda _: succeed(forged)  # type: ignore[method-assign]
    store.objects = store.another()
    with pytest.raises(BytesNotFound, match="stored as zstd-256k, and not as aes256gcm-64k"):
        get(store)


# -- the stage ---------------------------------------------------------------------------------
def test_large_pieces_are_compressed_elsewhere() -> None:
    """In a thread; what is small is done at once."""
    sent: list[int] = []

    def in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        sent.append(sum(map(len, args[0])))
        return maybeDeferred(function, *args, **kwargs)

    stage = Compressing(in_thread)
    assert now(stage.update([words(INLINE)])) == []
    assert not sent
    out = now(stage.update([words(SMALL)]))
    assert sent == [SMALL]
    out += now(stage.finish())
    assert (stage.codec, stage.size) == (ZSTD, sum(map(len, out)))
    assert stage.sha256 == sha256(b"".join(out)).digest()


def test_how_long_it_becomes_is_not_known() -> None:
    """Before the bytes were seen."""
    stage = Compressing(maybeDeferred)
    assert (stage.size_of(0), stage.size_of(1000), stage.codec) == (0, None, RAW)


def test_memory_is_bounded() -> None:
    """A large body passes in pieces, in and out, also where it becomes almost nothing."""
    store = store_of(nodes=1)
    plain = words(6 << 20) + bytes(60 << 20) + words(6 << 20)
    put(store, plain)
    read, sizes = get(store), []
    digest = sha256()
    while piece := now(read.read()):
        sizes.append(len(piece))
        digest.update(piece)
    assert digest.digest() == sha256(plain).digest()
    assert max(sizes) <= 1 << 20
