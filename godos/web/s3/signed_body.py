"""Bodies that are what their request's signature says: decoded and verified while they pass."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.deferreds import InThread, deferred
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, GodosError, PayloadMismatch
from godos.protocol.aws_chunked import ChunkEnd, Decoder, Part
from godos.protocol.signatures import SignatureRefused
from godos.protocol.sigv4_chunks import ChunkSignatures
from godos.transfer.digests import INLINE, MORSEL
from godos.web.errors import S3Error

BACKLOG = 1 << 20  # bytes that may wait to be verified before the sender has to

_NO_TRAILERS: Mapping[bytes, bytes] = {}


def refusal(error: SignatureRefused) -> S3Error:
    """A refused signature as S3 answers it."""
    return S3Error(error.code, str(error), **error.fields)


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


@implementer(IBody)
class CheckedBody:
    """
    `body` as it is to be stored.

    Its bytes are given out as they come; what turns out not to be what was signed fails
    before the end, so that it is never whole.  `trailers` are the fields of its trailer,
    names in lower case, once it has ended.

    Args:
        length: of the decoded bytes; None when it is not known.
        in_thread: where large pieces are hashed.
    """

    def __init__(
        self, body: IBody, length: int | None, reading: Reading, in_thread: InThread
    ) -> None:
        self.length = length
        self._body = body
        self._reading = reading
        self._in_thread = in_thread

    @property
    def trailers(self) -> Mapping[bytes, bytes]:
        """What came after the body's bytes."""
        return self._reading.trailers

    @deferred
    async def deliver_to(self, consumer: IConsumer) -> None:
        """See `IBody`.  Fails: PayloadMismatch, S3Error (a chunk's signature is wrong)."""
        passage = _Passage(consumer, self._reading, self._in_thread)
        try:
            await self._body.deliver_to(passage)
        except Exception as error:  # when it was stopped, the body says that it was cancelled
            if passage.failure is not None:
                raise _told(passage.failure) from error
            raise
        try:
            await passage.end()
        except SignatureRefused as error:
            raise refusal(error) from error
        consumer.unregisterProducer()

    @deferred
    async def collect(self, limit: int) -> list[bytes]:
        """See `IBody`."""
        gathered = _Gathered(limit)
        if self.length is not None and self.length > limit:
            raise gathered.too_large()
        try:
            await self.deliver_to(gathered)
        except Exception as error:
            if gathered.size > limit:
                raise gathered.too_large() from error
            raise
        if gathered.size > limit:
            raise gathered.too_large()
        return gathered.pieces


def _told(error: Exception) -> Exception:
    return refusal(error) if isinstance(error, SignatureRefused) else error


@implementer(IConsumer, IPushProducer)
class _Passage:
    """Between the sender of one body and its consumer; verifying may lag behind."""

    def __init__(self, consumer: Any, reading: Reading, in_thread: InThread) -> None:
        self.failure: Exception | None = None
        self._consumer = consumer
        self._reading = reading
        self._in_thread = in_thread
        self._producer: Any = None
        self._waiting: list[Part] = []  # to be verified
        self._size = 0  # bytes of it
        self._busy = False  # a thread is verifying
        self._idle: Deferred[None] | None = None
        self._asked_to_rest = False  # by the consumer
        self._resting = False

    # -- IConsumer, for the body -----------------------------------------------------------------
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Called by the body."""
        self._producer = producer
        self._consumer.registerProducer(self, streaming)

    def unregisterProducer(self) -> None:
        """Called by the body; the consumer is told when all is verified."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Called by the body."""
        if self.failure is not None:
            return
        try:
            parts = self._reading.feed(data)
        except GodosError as error:
            self._fail(error)
            return
        for piece in _joined(parts):
            self._consumer.write(piece)
            if self.failure is not None:
                return
        self._waiting += parts
        self._size += len(data)
        self._verify()
        self._pace()

    # -- IPushProducer, for the consumer ---------------------------------------------------------
    def pauseProducing(self) -> None:
        """Called by the consumer."""
        self._asked_to_rest = True
        self._pace()

    def resumeProducing(self) -> None:
        """Called by the consumer."""
        self._asked_to_rest = False
        self._pace()

    def stopProducing(self) -> None:
        """Called by the consumer: it takes nothing more."""
        self._fail(CancelledError())

    # -- verifying -------------------------------------------------------------------------------
    async def end(self) -> None:
        """All bytes came: fails unless they are what was signed."""
        self._reading.end()
        while self._busy and self.failure is None:
            self._idle = Deferred()
            await self._idle
        if self.failure is not None:
            raise self.failure
        self._reading.verified()

    def _verify(self) -> None:
        """Verify what waits, here when it is little, unless a thread is at it."""
        if self._busy or not self._waiting or self.failure is not None:
            return
        parts, self._waiting = self._waiting, []
        size, self._size = self._size, 0
        if size <= INLINE:
            try:
                self._reading.verify(_morsels(parts))
            except GodosError as error:
                self._fail(error)
            return
        self._busy = True
        self._in_thread(self._reading.verify, parts).addCallbacks(self._verified, self._refused)

    def _verified(self, _: None) -> None:
        self._busy = False
        self._verify()
        self._pace()
        self._tell()

    def _refused(self, failure: Failure) -> None:
        self._busy = False
        assert isinstance(failure.value, Exception)
        self._fail(failure.value)

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
            self._waiting.clear()
            if self._producer is not None:
                self._producer.stopProducing()
        self._tell()

    def _tell(self) -> None:
        idle = self._idle
        if idle is not None and (self.failure is not None or not self._busy):
            self._idle = None
            if not idle.called:
                idle.callback(None)

    def _pace(self) -> None:
        """Let the sender send, or rest."""
        rest = self._asked_to_rest or self._size > BACKLOG
        if self._producer is None or self.failure is not None or rest == self._resting:
            return
        self._resting = rest
        if rest:
            self._producer.pauseProducing()
        else:
            self._producer.resumeProducing()


def _joined(parts: list[Part]) -> Iterator[bytes]:
    """The bytes among `parts`; many small ones as one."""
    pieces = [part for part in parts if isinstance(part, bytes)]
    if len(pieces) > 1 and sum(map(len, pieces)) < INLINE:
        pieces = [b"".join(pieces)]
    return iter(pieces)


def _morsels(parts: list[Part]) -> Iterator[Any]:
    """The same in pieces for which hashlib keeps the interpreter's lock."""
    for part in parts:
        if isinstance(part, bytes) and len(part) > MORSEL:
            view = memoryview(part)
            for start in range(0, len(view), MORSEL):
                yield view[start : start + MORSEL]
        else:
            yield part


@implementer(IConsumer)
class _Gathered:
    """Keeps a small body; stops its producer when it is none."""

    def __init__(self, limit: int) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self._limit = limit
        self._producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: ARG002
        """Called by the body."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Called by the body."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Called by the body."""
        self.size += len(data)
        if self.size <= self._limit:
            self.pieces.append(data)
        elif self._producer is not None:
            self._producer.stopProducing()

    def too_large(self) -> EntityTooLarge:
        return EntityTooLarge(f"the body has more than {self._limit} bytes")
