"""Bodies that are what their request's signature says: decoded and verified while they pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from godos.deferreds import InThread, deferred
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge
from godos.protocol.signatures import SignatureRefused
from godos.web.errors import S3Error
from godos.web.s3.body_passage import Passage
from godos.web.s3.body_readings import Reading


def refusal(error: SignatureRefused) -> S3Error:
    """A refused signature as S3 answers it."""
    return S3Error(error.code, str(error), **error.fields)


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
        passage = Passage(consumer, self._reading, self._in_thread)
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
