"""
The framing of `aws-chunked` bodies, taken apart.

    <hex size>[;chunk-signature=<hex>] CRLF <bytes> CRLF … 0[;chunk-signature=<hex>] CRLF
    [<name>:<value> CRLF … [x-amz-trailer-signature:<hex> CRLF]] CRLF

Sans-IO.  Source: Amazon S3 API Reference, as in `sigv4_chunks`.  Beside what stands there,
a trailer's lines may end with a bare newline and an empty line may stand before the trailer's
signature, as minio-go writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from attrs import frozen

from godos.model.errors import IncompleteBody, InvalidRequest

MAX_HEAD = 1024  # bytes of a chunk's first line
MAX_TRAILER = 8 << 10  # bytes of all lines of a trailer
MAX_PADDING = 4  # bytes after the end

_HEAD = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[ \t]*([^\r\n]*))?")
_SIGNATURE = b"chunk-signature="
_TRAILER_SIGNATURE = b"x-amz-trailer-signature"
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")


class MalformedTrailer(InvalidRequest):
    """The trailer of a body is not the one that the request announced."""


@frozen
class ChunkEnd:
    """All bytes of a chunk were given out; `signature` is empty when it has none."""

    signature: bytes


@frozen
class TrailerEnd:
    """The trailer came; `lines` are as they are signed."""

    lines: bytes
    signature: bytes


Part = bytes | ChunkEnd | TrailerEnd


class Decoder:
    """
    Takes one body apart, in pieces of any size.

    `trailers` are the trailer's fields, names in lower case, once the end came.

    Args:
        signed: whether each chunk, and a trailer, has a signature.
        announced: the names of the trailer's fields, in lower case.
        length: bytes that all chunks have together, None when it is not known.
    """

    def __init__(
        self, signed: bool, announced: Collection[bytes] = (), length: int | None = None
    ) -> None:
        self.trailers: Mapping[bytes, bytes] = {}
        self._signed = signed
        self._announced = frozenset(announced)
        self._length = length
        self._size = 0  # bytes of all chunks whose first lines came
        self._rest = b""  # what came and could not be read yet
        self._left = 0  # bytes of this chunk that did not come yet
        self._signature = b""  # of this chunk
        self._fields: dict[bytes, bytes] = {}
        self._lines: list[bytes] = []
        self._trailer_size = 0
        self._trailer_signature = b""
        self._padding = 0
        self._over = False
        self._step: Callable[[bytes, int, list[Part]], int] = self._head

    def feed(self, data: bytes) -> list[Part]:
        """
        The parts that these bytes bring: bytes of chunks, and their ends.

        Raises:
            InvalidRequest: this is no aws-chunked body, or not the announced one.
            IncompleteBody: its length is not the announced one.
        """
        if self._rest:
            data = self._rest + data
        parts: list[Part] = []
        at = 0
        while at < len(data):
            following = self._step(data, at, parts)
            if following < 0:
                break
            at = following
        self._rest = data[at:] if at else data
        return parts

    def end(self) -> None:
        """
        No more bytes will come.

        Raises:
            IncompleteBody: there should be more.
            MalformedTrailer: a field that was announced did not come.
        """
        if not self._over and (self._step != self._trailer or self._rest or self._announced):
            raise IncompleteBody("the body ended before the last of its chunks")
        if not self._over:
            self._finish([])  # without the last empty line, which carries nothing

    # -- the states: each answers where it stopped reading, or -1 when it needs more -----------
    def _head(self, data: bytes, at: int, parts: list[Part]) -> int:
        end = data.find(b"\r\n", at, at + MAX_HEAD)
        if end < 0:
            if len(data) - at >= MAX_HEAD:
                raise InvalidRequest(f"the first line of a chunk has over {MAX_HEAD} bytes")
            return -1
        match = _HEAD.fullmatch(data, at, end)
        if match is None:
            raise InvalidRequest("a chunk of an aws-chunked body begins with its size in hex")
        size, extension = int(match[1], 16), match[2] or b""
        self._signature = extension[len(_SIGNATURE) :] if extension[:16] == _SIGNATURE else b""
        if self._signed and not self._signature:
            raise InvalidRequest("each chunk of a signed body has a chunk-signature")
        self._count(size)
        self._left = size
        if size:
            self._step = self._data
        else:
            parts.append(ChunkEnd(self._signature))
            self._step = self._trailer
        return end + 2

    def _count(self, size: int) -> None:
        self._size += size
        if self._length is None:
            return
        if self._size > self._length or (not size and self._size < self._length):
            raise IncompleteBody(
                f"the chunks do not have the {self._length} bytes that "
                "x-amz-decoded-content-length announces"
            )

    def _data(self, data: bytes, at: int, parts: list[Part]) -> int:
        end = min(at + self._left, len(data))
        parts.append(data[at:end])
        self._left -= end - at
        if not self._left:
            self._step = self._after_data
        return end

    def _after_data(self, data: bytes, at: int, parts: list[Part]) -> int:
        if len(data) - at < 2:
            return -1
        if data[at : at + 2] != b"\r\n":
            raise InvalidRequest("a chunk of the body is longer than its first line says")
        parts.append(ChunkEnd(self._signature))
        self._step = self._head
        return at + 2

    def _trailer(self, data: bytes, at: int, parts: list[Part]) -> int:
        end = data.find(b"\n", at)
        self._trailer_size += (end if end >= 0 else len(data)) - at
        if self._trailer_size > MAX_TRAILER:
            raise MalformedTrailer(f"the trailer has over {MAX_TRAILER} bytes")
        if end < 0:
            self._trailer_size -= len(data) - at  # these come again, with more
            return -1
        line = data[at:end].removesuffix(b"\r")
        if line:
            self._field(line)
        elif not self._awaits_signature:
            self._finish(parts)
        return end + 1

    @property
    def _awaits_signature(self) -> bool:
        return self._signed and bool(self._lines) and not self._trailer_signature

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if not colon or _NAME.fullmatch(name) is None or self._trailer_signature:
            raise MalformedTrailer("a trailer is lines of name:value, its signature last")
        if name == _TRAILER_SIGNATURE:
            self._trailer_signature = value
            return
        if name in self._fields or name not in self._announced:
            raise MalformedTrailer("a trailer has what x-amz-trailer announces, each field once")
        self._fields[name] = value
        self._lines.append(b"%s:%s\n" % (name, value))

    def _finish(self, parts: list[Part]) -> None:
        if self._announced - self._fields.keys():
            raise MalformedTrailer("the trailer lacks a field that x-amz-trailer announces")
        if self._lines:
            parts.append(TrailerEnd(b"".join(self._lines), self._trailer_signature))
        self.trailers = self._fields
        self._over = True
        self._step = self._nothing

    def _nothing(self, data: bytes, at: int, parts: list[Part]) -> int:  # noqa: ARG002
        """Some clients end with one line break too many."""
        self._padding += len(data) - at
        if self._padding > MAX_PADDING or data[at:].strip(b"\r\n"):
            raise InvalidRequest("the body goes on after its last chunk")
        return len(data)
