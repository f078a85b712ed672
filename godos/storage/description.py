"""What a fragment says of itself on disk: docs/disk-format.rst, "The fragment's description"."""

from __future__ import annotations

import struct
from struct import Struct

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, InvalidRequest
from godos.model.names import FragmentName

MAX_DESCRIPTION = 1 << 20  # bytes; what one record or footer may carry

_FIXED = Struct(">Q32sHHI")


def encode(header: FragmentHeader) -> bytes:
    """
    The description of `header`.

    Raises:
        InvalidRequest: it cannot be written down.
    """
    policy, codec = header.policy.encode(), header.codec.encode()
    digest = _digest(header.blob_sha256)
    if len(policy) + len(codec) + len(header.origin) > MAX_DESCRIPTION - _FIXED.size:
        raise InvalidRequest(f"the origin of fragment {header.name} is too large")
    fixed = _FIXED.pack(header.blob_size, digest, len(policy), len(codec), len(header.origin))
    return b"".join((fixed, policy, codec, header.origin))


def _digest(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise InvalidRequest("the SHA-256 of a blob is 64 hex digits")
    return raw


def decode(name: FragmentName, length: int, raw: bytes) -> FragmentHeader:
    """
    Read a description whose checksum was right.

    Raises:
        FragmentDamaged: it makes no sense even so.
    """
    try:
        size, digest, policy, codec, origin = _FIXED.unpack_from(raw)
        codec_at = _FIXED.size + policy
        origin_at = codec_at + codec
        if origin_at + origin != len(raw):
            raise ValueError("its lengths do not add up")
        return FragmentHeader(
            name=name,
            length=length,
            blob_size=size,
            blob_sha256=digest.hex(),
            policy=raw[_FIXED.size : codec_at].decode(),
            codec=raw[codec_at:origin_at].decode(),
            origin=raw[origin_at:],
        )
    except (ValueError, struct.error) as error:
        raise FragmentDamaged(f"the description of fragment {name} makes no sense") from error
