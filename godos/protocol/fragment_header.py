"""A fragment's header as JSON, and as the frame that bodies begin with: docs/wire-format.rst."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from struct import Struct
from typing import Any

from attrs import evolve
from crc32c import crc32c

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, InvalidRequest
from godos.model.names import FragmentName

LIMIT = 1 << 20  # bytes of a header's JSON

_MAGIC = b"GDF1"
_FRAME = Struct(">4sII")  # magic, length and CRC32C of the JSON
FRAME_HEAD = _FRAME.size
_SHA256 = re.compile(r"[0-9a-f]{64}")


def to_fields(header: FragmentHeader) -> dict[str, Any]:
    """The header as a JSON object."""
    fields: dict[str, Any] = {
        "name": str(header.name),
        "length": header.length,
        "blob_size": header.blob_size,
        "blob_sha256": header.blob_sha256,
        "policy": header.policy,
        "codec": header.codec,
    }
    if header.origin:
        fields["origin"] = b64encode(header.origin).decode("ascii")
    return fields


def from_fields(fields: Any) -> FragmentHeader:
    """
    Read a header out of a JSON object that somebody sent.

    Raises:
        InvalidRequest: it is not one.
    """
    try:
        return FragmentHeader(
            name=FragmentName.parse(_text(fields, "name")),
            length=_size(fields, "length"),
            blob_size=_size(fields, "blob_size"),
            blob_sha256=_digest(fields),
            policy=_text(fields, "policy"),
            codec=_text(fields, "codec"),
            origin=b64decode(fields.get("origin", ""), validate=True),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequest("that is no header of a fragment") from error


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _size(fields: Mapping[str, Any], key: str) -> int:
    value = fields[key]
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(key)
    return value


def _digest(fields: Mapping[str, Any]) -> str:
    value = _text(fields, "blob_sha256")
    if _SHA256.fullmatch(value) is None:
        raise ValueError("blob_sha256")
    return value


def _json(header: FragmentHeader) -> bytes:
    return json.dumps(to_fields(header), separators=(",", ":")).encode("ascii")


def to_line(header: FragmentHeader) -> bytes:
    """The header without its origin, as one line of base64: X-Godos-Fragment."""
    return b64encode(_json(evolve(header, origin=b"")))


def to_frame(header: FragmentHeader) -> bytes:
    """The header frame that a body begins with."""
    text = _json(header)
    return _FRAME.pack(_MAGIC, len(text), crc32c(text)) + text


def frame_size(head: bytes) -> int:
    """
    Length in bytes of a whole header frame, from its first `FRAME_HEAD` bytes.

    Raises:
        FragmentDamaged: no header frame begins so.
    """
    if len(head) < FRAME_HEAD:
        raise FragmentDamaged("the bytes are too few for a fragment's header")
    magic, size, _ = _FRAME.unpack(head)
    if magic != _MAGIC or size > LIMIT:
        raise FragmentDamaged("the bytes do not begin with a fragment's header")
    return FRAME_HEAD + int(size)


def from_frame(frame: bytes) -> FragmentHeader:
    """
    Read a whole header frame.

    Raises:
        FragmentDamaged: its bytes are not those that were sent.
        InvalidRequest: they are, and make no header.
    """
    if len(frame) != frame_size(frame[:FRAME_HEAD]):
        raise FragmentDamaged("the frame of a fragment's header is not whole")
    text = frame[FRAME_HEAD:]
    if crc32c(text) != _FRAME.unpack_from(frame)[2]:
        raise FragmentDamaged("the header of a fragment fails its checksum")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("that is no header of a fragment") from error
    return from_fields(fields)
