"""An object that is the body of an upload."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import BytesNotFound, EntityTooLarge
from godos.objects.passing import ReadBody
from tests.unit.objects.stores import now


class Pieces:
    """An `IObjectRead` of some pieces; `waiting` is a piece that the test gives later."""

    start = 0

    def __init__(self, *pieces: bytes | Exception | Deferred[bytes]) -> None:
        self._pieces = list(pieces)
        self.stop = 9
        self.asked = 0

    @deferred
    async def read(self) -> bytes:
        self.asked += 1
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return await piece if isinstance(piece, Deferred) else piece


class Consumer:
    """Takes what comes, and rests from the first piece on when told so."""

    def __init__(self, resting: bool = False) -> None:
        self.taken: list[bytes] = []
        self.producer: Any = None
        self.ended = False
        self._resting = resting

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.ended = True

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.taken.append(data)
        if self._resting:
            self.producer.pauseProducing()


def test_all_bytes_in_order() -> None:
    """Every piece comes, then the end."""
    read, consumer = Pieces(b"one", b"two", b"end"), Consumer()
    body = ReadBody(read)
    assert verifyObject(IBody, body)
    assert body.length == 9
    now(body.deliver_to(consumer))
    assert (consumer.taken, consumer.ended) == ([b"one", b"two", b"end"], True)


def test_nothing_is_read_before_it_is_wanted() -> None:
    """A body that nobody takes costs no read."""
    read = Pieces(b"one")
    ReadBody(read)
    assert read.asked == 0


def test_a_resting_consumer_is_not_read_for() -> None:
    """One piece is out at a time, until the consumer asks for more."""
    read, consumer = Pieces(b"one", b"two", b"end"), Consumer(resting=True)
    done = ReadBody(read).deliver_to(consumer)
    for count in (1, 2, 3):
        assert (read.asked, len(consumer.taken)) == (count, count)
        assert not consumer.ended
        consumer.producer.resumeProducing()
    now(done)
    assert consumer.ended


def test_a_consumer_that_stops() -> None:
    """It gets nothing more, and is not told that this was the end."""
    for at_rest in (True, False):
        later: Deferred[bytes] = Deferred()
        read, consumer = Pieces(b"one", later, b"end"), Consumer(resting=at_rest)
        done = ReadBody(read).deliver_to(consumer)
        consumer.producer.stopProducing()
        if not at_rest:
            later.callback(b"two")
        with pytest.raises(CancelledError):
            now(done)
        assert (consumer.taken, consumer.ended) == ([b"one"], False)


@pytest.mark.parametrize("at_rest", [True, False])
def test_cancelled(at_rest: bool) -> None:
    """Whether it waits for bytes or for the consumer."""
    gone: list[bool] = []
    later: Deferred[bytes] = Deferred(lambda _: gone.append(True))
    consumer = Consumer(resting=at_rest)
    done = ReadBody(Pieces(b"one", later)).deliver_to(consumer)
    done.cancel()
    with pytest.raises(CancelledError):
        now(done)
    assert gone == ([] if at_rest else [True])
    assert not consumer.ended


def test_bytes_that_cannot_be_had() -> None:
    """The failure is the upload's, which is not taken for whole."""
    consumer = Consumer()
    with pytest.raises(BytesNotFound):
        now(ReadBody(Pieces(b"one", BytesNotFound("gone"))).deliver_to(consumer))
    assert not consumer.ended


def test_small_bodies_are_collected() -> None:
    """Whole, when they are no larger than is taken."""
    assert now(ReadBody(Pieces(b"one", b"two", b"end")).collect(9)) == [b"one", b"two", b"end"]
    read = Pieces(b"one")
    with pytest.raises(EntityTooLarge):
        now(ReadBody(read).collect(8))
    assert read.asked == 0
