"""What is made of the bytes of a body: taken apart in the reactor, verified anywhere."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Protocol

from godos.model.errors import PayloadMismatch
from godos.protocol.aws_chunked import ChunkEnd, Decoder, Part
from godos.protocol.sigv4_chunks import ChunkSignatures

_NO_TRAILERS: Mapping[bytes, bytes] = {}


class Reading(Protocol):
    """
    What is to be made of the bytes of one body.

    `feed` and `end` are called in the reactor's thread, `verify` in any thread but always
    in order, and `verified` after the last `verify`.
    """

    @property
    def trailers(self) -> Mapping[bytes, bytes]: ...

    def feed(self, data: bytes) -> list[Part]: ...

    def end(self) -> None: ...

    def verify(self, parts: Iterable[Part]) -> None: ...

    def verified(self) -> None: ...


class HashedReading:
    """
    A body whose SHA-256 the request announces.

    Args:
        expected: the digest, raw.
    """

    trailers = _NO_TRAILERS

    def __init__(self, expected: bytes) -> None:
        self._expected = expected
        self._digest = sha256()

    def feed(self, data: bytes) -> list[Part]:
        """See `Reading`."""
        return [data]

    def end(self) -> None:
        """See `Reading`."""

    def verify(self, parts: Iterable[Part]) -> None:
        """See `Reading`."""
        for part in parts:
            self._digest.update(part)  # type: ignore[arg-type] # `feed` gives bytes alone

    def verified(self) -> None:
        """
        All of it was hashed.

        Raises:
            PayloadMismatch: it has another digest.
        """
        if not hmac.compare_digest(self._digest.digest(), self._expected):
            raise PayloadMismatch("the body is not the one whose x-amz-content-sha256 was sent")


class ChunkedReading:
    """
    An aws-chunked body; without `signatures` nothing of it is verified but its framing.
    """

    def __init__(self, decoder: Decoder, signatures: ChunkSignatures | None) -> None:
        self._decoder = decoder
        self._signatures = signatures

    @property
    def trailers(self) -> Mapping[bytes, bytes]:
        """See `Reading`."""
        return self._decoder.trailers

    def feed(self, data: bytes) -> list[Part]:
        """See `Reading`."""
        return self._decoder.feed(data)

    def end(self) -> None:
        """See `Reading`."""
        self._decoder.end()

    def verify(self, parts: Iterable[Part]) -> None:
        """See `Reading`."""
        signatures = self._signatures
        if signatures is None:
            return
        for part in parts:
            if isinstance(part, ChunkEnd):
                signatures.end_chunk(part.signature)
            elif isinstance(part, bytes | memoryview):
                signatures.update(part)
            else:
                signatures.end_trailer(part.lines, part.signature)

    def verified(self) -> None:
        """See `Reading`."""
