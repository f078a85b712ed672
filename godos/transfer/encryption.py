"""
Encrypted blobs: AES-256-GCM in blocks that can each be read without the others.

The format is specified in docs/encryption.rst.  Every blob has a key of its own, made of
the object's data key and the blob's incarnation, so that a block number is a nonce that
never repeats under a key.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from godos.model.errors import FragmentDamaged
from godos.model.fragments import Pieces

AES256GCM = "aes256gcm-64k"  # the codec's name in rows and fragments
PLAIN_BLOCK = 64 << 10  # bytes of plaintext in a block; the last one has fewer
TAG = 16  # bytes that a block grows by
BLOCK = PLAIN_BLOCK + TAG  # bytes
INLINE = 2 * BLOCK  # bytes: decrypting them costs less than the way to a thread and back


def sealed_size(plain: int) -> int:
    """How many bytes a blob of `plain` bytes has when it is encrypted."""
    return plain + TAG * -(-plain // PLAIN_BLOCK)


def plain_room(sealed: int) -> int:
    """How many plain bytes at most encrypt to `sealed` bytes or fewer."""
    blocks, rest = divmod(sealed, BLOCK)
    return blocks * PLAIN_BLOCK + max(0, rest - TAG)


@frozen
class BlockRange:
    """
    The blocks that hold a range of plain bytes.

    Blocks [`first`, ...) are the blob's bytes [`start`, `stop`); their plaintext begins
    `skip` bytes before what is wanted.
    """

    first: int
    start: int
    stop: int
    skip: int

    @classmethod
    def around(cls, start: int, stop: int, size: int) -> BlockRange:
        """The blocks around plain bytes [start, stop) of `size`; the range is not empty."""
        first, end = start // PLAIN_BLOCK, -(-stop // PLAIN_BLOCK)
        return cls(
            first, first * BLOCK, min(end * BLOCK, sealed_size(size)), start - first * PLAIN_BLOCK
        )


def derived(secret: bytes, purpose: str, subject: str) -> bytes:
    """A key of 32 bytes for one purpose and one subject.  Source: RFC 5869, HKDF-SHA-256."""
    info = f"godos {purpose}\0{subject}".encode()
    return HKDF(SHA256(), 32, None, info).derive(secret)


class _Blocks:
    """One blob's key, and what is bound to each of its blocks."""

    def __init__(self, secret: bytes, incarnation: str) -> None:
        self._cipher = AESGCM(derived(secret, "blob", incarnation))

    @staticmethod
    def _nonce(number: int) -> bytes:
        return number.to_bytes(12, "big")

    @staticmethod
    def _bound(number: int, total: int | None) -> bytes:
        """Its number, and of the last block the whole plain size: no end can be faked."""
        last = b"\0" if total is None else b"\1" + total.to_bytes(8, "big")
        return number.to_bytes(8, "big") + last


class Sealer(_Blocks):
    """
    Encrypts one blob from its first byte to its last; only once for an incarnation.

    A block is given when bytes come that follow it, for the last one is marked.
    """

    def __init__(self, secret: bytes, incarnation: str) -> None:
        super().__init__(secret, incarnation)
        self._rest = b""  # up to one block, which may be the last
        self._number = 0
        self._size = 0

    def update(self, pieces: Pieces) -> list[bytes]:
        """Take the next plain bytes; answers whole blocks."""
        data = memoryview(b"".join((self._rest, *pieces)))
        whole = max(0, len(data) - 1) // PLAIN_BLOCK * PLAIN_BLOCK
        blocks = [
            self._seal(data[start : start + PLAIN_BLOCK], None)
            for start in range(0, whole, PLAIN_BLOCK)
        ]
        self._rest = bytes(data[whole:])
        return blocks

    def finish(self) -> list[bytes]:
        """The last block; none of a blob without bytes, which does not exist."""
        rest, self._rest = self._rest, b""
        return [self._seal(rest, self._size + len(rest))] if rest else []

    def _seal(self, plain: bytes | memoryview, total: int | None) -> bytes:
        number = self._number
        self._number += 1
        self._size += len(plain)
        return self._cipher.encrypt(self._nonce(number), plain, self._bound(number, total))


class Opener(_Blocks):
    """Decrypts blocks of one blob of `size` plain bytes, in any order."""

    def __init__(self, secret: bytes, incarnation: str, size: int) -> None:
        super().__init__(secret, incarnation)
        self._size = size
        self._last = (size - 1) // PLAIN_BLOCK

    def open(self, first: int, sealed: bytes | bytearray | memoryview) -> list[bytes]:
        """
        The plaintext of the whole blocks `sealed`, the first of which has number `first`.

        Raises:
            FragmentDamaged: a block is not what was written here under this key.
        """
        try:
            return [
                self._cipher.decrypt(self._nonce(number), block, self._bound_of(number))
                for number, block in enumerate(_cut(sealed), first)
            ]
        except InvalidTag as error:
            raise FragmentDamaged("an encrypted block fails its check") from error

    def _bound_of(self, number: int) -> bytes:
        return self._bound(number, self._size if number == self._last else None)


def _cut(sealed: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    view = memoryview(sealed)
    for start in range(0, len(view), BLOCK):
        yield view[start : start + BLOCK]


def seal_note(secret: bytes, incarnation: str, note: bytes) -> bytes:
    """Encrypt the one short text that goes with a blob; only once for an incarnation."""
    return AESGCM(derived(secret, "origin", incarnation)).encrypt(bytes(12), note, None)


def open_note(secret: bytes, incarnation: str, sealed: bytes) -> bytes:
    """
    What `seal_note` was given.

    Raises:
        FragmentDamaged: it is not what was written under this key.
    """
    try:
        return AESGCM(derived(secret, "origin", incarnation)).decrypt(bytes(12), sealed, None)
    except InvalidTag as error:
        raise FragmentDamaged("an encrypted origin block fails its check") from error
