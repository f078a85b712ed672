"""Encrypted blobs, block by block."""

from __future__ import annotations

import hmac
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import FragmentDamaged
from godos.transfer.encryption import (
    BLOCK,
    PLAIN_BLOCK,
    BlockRange,
    Opener,
    Sealer,
    open_note,
    plain_room,
    seal_note,
    sealed_size,
)

SECRET, NAME = b"s" * 32, "a" * 32
# around the ends of blocks, where mistakes live
SIZES = st.one_of(
    st.integers(1, 300),
    st.builds(
        lambda blocks, more: max(1, blocks * PLAIN_BLOCK + more),
        st.integers(0, 4),
        st.integers(-2, 2),
    ),
)


def data(size: int) -> bytes:
    """Bytes of which no two blocks are alike."""
    pattern = bytes(range(251))
    return (pattern * (size // len(pattern) + 1))[:size]


def seal(plain: bytes, pieces: int = 1 << 20, secret: bytes = SECRET, name: str = NAME) -> bytes:
    sealer = Sealer(secret, name)
    blocks = []
    for start in range(0, len(plain), pieces):
        blocks += sealer.update([plain[start : start + pieces]])
    return b"".join([*blocks, *sealer.finish()])


def unseal(sealed: bytes, size: int, secret: bytes = SECRET, name: str = NAME) -> bytes:
    return b"".join(Opener(secret, name, size).open(0, sealed))


@given(size=SIZES, piece=st.sampled_from([1000, PLAIN_BLOCK - 1, PLAIN_BLOCK, 1 << 20]))
def test_what_was_sealed_is_opened(size: int, piece: int) -> None:
    """However the bytes came; the size can be told before."""
    plain = data(size)
    sealed = seal(plain, piece)
    assert len(sealed) == sealed_size(size)
    assert unseal(sealed, size) == plain
    assert sealed == seal(plain)


@given(size=SIZES, data_=st.data())
def test_any_range(size: int, data_: st.DataObject) -> None:
    """A range needs the blocks around it and no others."""
    start = data_.draw(st.integers(0, size - 1))
    stop = data_.draw(st.integers(start + 1, size))
    plain = data(size)
    sealed = seal(plain)
    around = BlockRange.around(start, stop, size)
    assert around.stop - around.start <= stop - start + 2 * BLOCK
    blocks = Opener(SECRET, NAME, size).open(around.first, sealed[around.start : around.stop])
    opened = b"".join(blocks)
    assert opened[around.skip : around.skip + stop - start] == plain[start:stop]


@given(room=st.integers(0, 3 * BLOCK))
def test_how_much_fits(room: int) -> None:
    """`plain_room` is the largest size that does not grow beyond."""
    fits = plain_room(room)
    assert sealed_size(fits) <= room
    assert sealed_size(fits + 1) > room


@given(size=SIZES, data_=st.data())
def test_flipped_bits(size: int, data_: st.DataObject) -> None:
    """Any bit that was changed is noticed, and no byte of that block is given."""
    sealed = bytearray(seal(data(size)))
    at = data_.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data_.draw(st.integers(0, 7))
    with pytest.raises(FragmentDamaged):
        unseal(bytes(sealed), size)


def test_blocks_that_changed_places() -> None:
    """A block is good at its own place only."""
    size = 3 * PLAIN_BLOCK
    sealed = seal(data(size))
    swapped = sealed[BLOCK : 2 * BLOCK] + sealed[:BLOCK] + sealed[2 * BLOCK :]
    with pytest.raises(FragmentDamaged):
        unseal(swapped, size)


@pytest.mark.parametrize("rest", [0, 1])
def test_an_end_that_was_cut_off(rest: int) -> None:
    """Neither whole blocks nor bytes can be taken from the end, even when the size fits."""
    size = 3 * PLAIN_BLOCK + rest
    sealed = seal(data(size))
    for shorter in (size - 1, 2 * PLAIN_BLOCK, PLAIN_BLOCK):
        with pytest.raises(FragmentDamaged):
            unseal(sealed[: sealed_size(shorter)], shorter)


def test_an_end_that_was_put_on() -> None:
    """A blob does not go on after its last block."""
    size = 2 * PLAIN_BLOCK
    sealed = seal(data(size))
    with pytest.raises(FragmentDamaged):
        unseal(sealed + sealed[BLOCK:], size + PLAIN_BLOCK)


def test_every_blob_has_a_key_of_its_own() -> None:
    """Equal bytes under one data key differ, and one blob cannot be given for another."""
    plain, other = data(100), "b" * 32
    assert seal(plain) != seal(plain, name=other)
    assert seal(plain) != seal(plain, secret=b"S" * 32)
    with pytest.raises(FragmentDamaged):
        unseal(seal(plain), 100, name=other)
    with pytest.raises(FragmentDamaged):
        unseal(seal(plain), 100, secret=b"S" * 32)


def test_a_blob_without_bytes() -> None:
    """It has no blocks."""
    assert seal(b"") == b""
    assert sealed_size(0) == 0


def test_the_note_of_a_blob() -> None:
    """It is opened with the same key and name only, and is no block."""
    sealed = seal_note(SECRET, NAME, b"note")
    assert open_note(SECRET, NAME, sealed) == b"note"
    for secret, name, text in (
        (b"S" * 32, NAME, sealed),
        (SECRET, "b" * 32, sealed),
        (SECRET, NAME, sealed[:-1] + b"?"),
        (SECRET, NAME, seal(b"note")),
    ):
        with pytest.raises(FragmentDamaged):
            open_note(secret, name, text)


def hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, no salt, and 32 bytes of output, by its own words."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")


@pytest.mark.parametrize("size", [1, PLAIN_BLOCK, PLAIN_BLOCK + 1])
def test_the_format_is_the_documented_one(size: int) -> None:
    """What docs/encryption.rst says, done by hand, gives the same bytes: it may not change."""
    plain = data(size)
    cipher = AESGCM(hkdf(SECRET, b"godos blob\0" + NAME.encode()))
    blocks = []
    for number, start in enumerate(range(0, size, PLAIN_BLOCK)):
        last = start + PLAIN_BLOCK >= size
        bound = struct.pack(">Q?", number, last) + (struct.pack(">Q", size) if last else b"")
        nonce = bytes(4) + struct.pack(">Q", number)
        blocks.append(cipher.encrypt(nonce, plain[start : start + PLAIN_BLOCK], bound))
    assert seal(plain) == b"".join(blocks)
    note = AESGCM(hkdf(SECRET, b"godos origin\0" + NAME.encode())).encrypt(bytes(12), b"n", None)
    assert seal_note(SECRET, NAME, b"n") == note
