"""
The checksums that S3 keeps beside the ETag, of passing bytes and of objects made of parts.

Source: Amazon S3 User Guide, "Checking object integrity in Amazon S3".
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from hashlib import md5, sha1, sha256
from typing import Protocol

import crc32c
from attrs import frozen
from awscrt import checksums as crt  # type: ignore[import-untyped]

from godos.model.errors import InvalidDigest

Bytes = bytes | bytearray | memoryview
_Step = Callable[[Bytes, int], int]
_Combine = Callable[[int, int, int], int]


class Running(Protocol):
    """What `hashlib` calls a hash object: fed piece by piece, asked at the end, or sooner."""

    def update(self, data: Bytes, /) -> object:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """The raw digest so far."""


@frozen
class _Crc:
    """A CRC: its size in bytes, how it goes on, and how two of them are joined."""

    size: int
    step: _Step
    combine: _Combine


class _RunningCrc:
    """A CRC as a hash object."""

    def __init__(self, crc: _Crc) -> None:
        self._crc = crc
        self._value = 0

    def update(self, data: Bytes) -> None:
        self._value = self._crc.step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._crc.size, "big")


# Who computes them was chosen by speed: see docs/decisions/checksums.rst.
_CRCS = {
    "crc32": _Crc(4, zlib.crc32, crt.combine_crc32),
    "crc32c": _Crc(4, crc32c.crc32c, crt.combine_crc32c),
    "crc64nvme": _Crc(8, crt.crc64nvme, crt.combine_crc64nvme),
}
_HASHES: dict[str, Callable[[], Running]] = {
    "md5": lambda: md5(usedforsecurity=False),
    "sha1": lambda: sha1(usedforsecurity=False),
    "sha256": sha256,
}

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")  # S3's, in lower case
DEFAULT = "crc64nvme"  # kept of objects whose client asks for none, as S3 does


def running(algorithm: str) -> Running:
    """
    A new hash object; `md5` is one too, though no checksum of S3's.

    Raises:
        InvalidDigest: there is no such algorithm.
    """
    crc = _CRCS.get(algorithm)
    if crc is not None:
        return _RunningCrc(crc)
    make = _HASHES.get(algorithm)
    if make is None:
        raise InvalidDigest(
            f"there is no checksum {algorithm!r}; use one of {', '.join(ALGORITHMS)}"
        )
    return make()


def encoded(digest: bytes) -> str:
    """A raw digest as S3 writes it: base64, of CRCs big endian."""
    return b64encode(digest).decode("ascii")


def decoded(text: str) -> bytes:
    """
    The raw digest that base64 says.

    Raises:
        InvalidDigest: it is not base64.
    """
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError) as error:
        raise InvalidDigest(f"the checksum {text!r} is not base64") from error


def is_full_object(algorithm: str) -> bool:
    """Whether the checksum of a whole can be had from those of its parts: true of CRCs."""
    return algorithm in _CRCS


def combined(algorithm: str, pieces: Sequence[tuple[str, int]]) -> str:
    """
    The CRC of the bytes of all `pieces` one after the other; FULL_OBJECT in S3's words.

    Args:
        pieces: CRC in base64 and length in bytes of each.

    Raises:
        InvalidDigest: it is no CRC, or a piece's is none.
    """
    crc = _CRCS.get(algorithm)
    if crc is None:
        raise InvalidDigest(f"{algorithm} of a whole cannot be had from that of its parts")
    whole = 0
    for text, length in pieces:
        raw = decoded(text)
        if len(raw) != crc.size:
            raise InvalidDigest(f"{text!r} is no {algorithm}: that has {crc.size} bytes")
        whole = crc.combine(whole, int.from_bytes(raw, "big"), length)
    return encoded(whole.to_bytes(crc.size, "big"))


def composite(algorithm: str, digests: Sequence[str]) -> str:
    """
    The checksum of the parts' checksums, and how many they are; COMPOSITE in S3's words.

    Raises:
        InvalidDigest: there is no such algorithm, or a part's is not base64.
    """
    whole = running(algorithm)
    for text in digests:
        whole.update(decoded(text))
    return f"{encoded(whole.digest())}-{len(digests)}"
