"""Bodies of requests: pace, ends and failures."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, IncompleteBody
from godos.web.request_body import EmptyBody, RequestBody
from tests.unit.web.streaming_wire import Sink


class Source:
    """A connection that only notes what the body asks of it."""

    def __init__(self) -> None:
        self.reading = False
        self.asked = 0

    def read_body(self) -> None:
        self.reading = True
        self.asked += 1

    def rest_body(self) -> None:
        self.reading = False


class RequestBodyTests(SynchronousTestCase):
    """A body with a connection on one side and a consumer on the other."""

    def setUp(self) -> None:
        self.source = Source()
        self.body = RequestBody(self.source, 10)

    def test_interfaces(self) -> None:
        """It is an `IBody`, and the push producer that it registers."""
        verifyObject(IBody, self.body)
        verifyObject(IPushProducer, self.body)
        verifyObject(IBody, EmptyBody())

    def test_nothing_is_read_unasked(self) -> None:
        """The client is not asked for a body that nobody wants yet."""
        self.assertFalse(self.source.reading)
        self.body.deliver_to(Sink())
        self.assertTrue(self.source.reading)

    def test_delivery(self) -> None:
        """The consumer gets all bytes in order, then the end, then `deliver_to` fires."""
        sink = Sink()
        done = self.body.deliver_to(sink)
        self.body.data_arrived(b"01234")
        self.body.data_arrived(b"56789")
        self.assertFalse(sink.ended)
        self.assertNoResult(done)
        self.body.all_arrived()
        self.assertTrue(sink.ended)
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(b"0123456789", sink.data)

    def test_what_came_early_is_kept(self) -> None:
        """Bytes that arrive before anybody asks are delivered first."""
        self.body.data_arrived(b"01")
        self.body.data_arrived(b"23456789")
        self.body.all_arrived()
        sink = Sink()
        self.successResultOf(self.body.deliver_to(sink))
        self.assertEqual(b"0123456789", sink.data)
        self.assertEqual(0, self.source.asked)

    def test_pause(self) -> None:
        """A consumer that rests gets nothing, and the connection rests too."""
        sink = Sink()
        done = self.body.deliver_to(sink)
        sink.producer.pauseProducing()
        self.assertFalse(self.source.reading)
        self.body.data_arrived(b"0123456789")
        self.body.all_arrived()
        self.assertEqual(b"", sink.data)
        sink.producer.resumeProducing()
        self.successResultOf(done)
        self.assertEqual(b"0123456789", sink.data)

    def test_paused_by_its_registration(self) -> None:
        """A consumer may rest before the first byte."""
        sink = Sink(paused=True)
        self.body.deliver_to(sink)
        self.assertEqual(0, self.source.asked)
        sink.producer.resumeProducing()
        self.assertTrue(self.source.reading)

    def test_pause_in_write(self) -> None:
        """A consumer that rests in the middle of what was held gets the rest later."""

        class Choosy(Sink):
            def write(self, data: bytes) -> None:
                super().write(data)
                self.producer.pauseProducing()

        for piece in (b"01", b"23", b"456789"):
            self.body.data_arrived(piece)
        self.body.all_arrived()
        sink = Choosy()
        done = self.body.deliver_to(sink)
        self.assertEqual([b"01"], sink.pieces)
        sink.producer.resumeProducing()
        self.assertEqual([b"01", b"23"], sink.pieces)
        self.assertNoResult(done)
        sink.producer.resumeProducing()
        self.successResultOf(done)

    def test_end_while_paused(self) -> None:
        """When all bytes were written the end needs no further resume."""
        sink = Sink()
        done = self.body.deliver_to(sink)
        self.body.data_arrived(b"0123456789")
        sink.producer.pauseProducing()
        self.body.all_arrived()
        self.assertTrue(sink.ended)
        self.successResultOf(done)

    def test_lost(self) -> None:
        """A sender that leaves fails the delivery; the consumer is not told of an end."""
        sink = Sink()
        done = self.body.deliver_to(sink)
        self.body.data_arrived(b"0123")
        self.body.lose(IncompleteBody("gone"))
        self.body.tell()
        self.assertEqual("gone", str(self.failureResultOf(done, IncompleteBody).value))
        self.assertFalse(sink.ended)

    def test_lost_before_it_was_wanted(self) -> None:
        """Whoever asks after the sender left is told at once."""
        self.body.data_arrived(b"0123")
        self.body.lose(IncompleteBody("gone"))
        self.body.tell()
        self.failureResultOf(self.body.deliver_to(Sink()), IncompleteBody)

    def test_lost_after_its_end(self) -> None:
        """A body that arrived whole stays whole."""
        self.body.data_arrived(b"0123456789")
        self.body.all_arrived()
        self.body.lose(IncompleteBody("gone"))
        self.body.tell()
        sink = Sink()
        self.successResultOf(self.body.deliver_to(sink))
        self.assertEqual(b"0123456789", sink.data)

    def test_cancel(self) -> None:
        """Cancelling stops the producer: nothing more is written or read."""
        sink = Sink()
        done = self.body.deliver_to(sink)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertFalse(self.source.reading)
        self.body.data_arrived(b"0123456789")
        self.body.all_arrived()
        self.assertEqual(b"", sink.data)
        self.assertFalse(sink.ended)
        sink.producer.resumeProducing()
        self.assertFalse(self.source.reading)

    def test_cancel_after_loss(self) -> None:
        """Who is cancelled because the sender left is told that, not that it was cancelled."""
        done = self.body.deliver_to(Sink())
        self.body.lose(IncompleteBody("gone"))
        done.cancel()
        self.failureResultOf(done, IncompleteBody)

    def test_consumer_stops(self) -> None:
        """A consumer that wants no more ends the delivery as a cancellation does."""
        sink = Sink()
        done = self.body.deliver_to(sink)
        sink.producer.stopProducing()
        self.failureResultOf(done, CancelledError)

    def test_consumer_fails(self) -> None:
        """What a consumer raises becomes the failure of the delivery."""

        class Broken(Sink):
            def write(self, data: bytes) -> None:
                raise OSError("no space")

        done = self.body.deliver_to(Broken())
        self.body.data_arrived(b"0123")
        self.failureResultOf(done, OSError)
        self.assertFalse(self.source.reading)

    def test_once(self) -> None:
        """A body can be taken once."""
        self.body.deliver_to(Sink())
        self.assertRaises(RuntimeError, self.body.deliver_to, Sink())

    def test_discarded(self) -> None:
        """After the answer the rest is thrown away."""
        done = self.body.deliver_to(Sink())
        self.body.discard()
        self.failureResultOf(done, CancelledError)
        self.body.data_arrived(b"0123456789")
        self.assertEqual(10, self.body.received)

    # -- collect --------------------------------------------------------------------------
    def test_collect(self) -> None:
        """A small body comes in pieces."""
        done = self.body.collect(10)
        self.body.data_arrived(b"01234")
        self.body.data_arrived(b"56789")
        self.body.all_arrived()
        self.assertEqual(b"0123456789", b"".join(self.successResultOf(done)))

    def test_collect_announced_too_large(self) -> None:
        """A length over the limit is refused before a byte is asked for."""
        self.failureResultOf(self.body.collect(9), EntityTooLarge)
        self.assertEqual(0, self.source.asked)

    def test_collect_too_large(self) -> None:
        """A body without length is refused once it is over the limit, and not read on."""
        body = RequestBody(self.source, None)
        done = body.collect(9)
        body.data_arrived(b"01234")
        self.assertNoResult(done)
        body.data_arrived(b"56789")
        self.failureResultOf(done, EntityTooLarge)
        self.assertFalse(self.source.reading)

    def test_collect_lost(self) -> None:
        """A sender that leaves fails it."""
        done = self.body.collect(10)
        self.body.lose(IncompleteBody("gone"))
        self.body.tell()
        self.failureResultOf(done, IncompleteBody)


class EmptyBodyTests(SynchronousTestCase):
    """Requests without a body."""

    def test_delivery(self) -> None:
        """The consumer sees a producer and the end."""
        sink = Sink(paused=True)
        self.successResultOf(EmptyBody().deliver_to(sink))
        self.assertTrue(sink.ended)
        self.assertEqual(0, EmptyBody().length)

    def test_collect(self) -> None:
        """There is nothing."""
        self.assertEqual([], self.successResultOf(EmptyBody().collect(0)))


@given(st.lists(st.sampled_from(["data", "pause", "resume", "take"]), max_size=30))
def test_any_order(steps: list[str]) -> None:
    """However a consumer rests, it gets each byte once, in order, and none while it rests."""

    class Watch(Sink):
        resting = False

        def write(self, data: bytes) -> None:
            assert not self.resting
            super().write(data)

    source, sink, sent = Source(), Watch(), 0
    body = RequestBody(source, None)
    done: Deferred[None] | None = None

    def act(step: str) -> Any:
        nonlocal done, sent
        if step == "data":
            body.data_arrived(bytes([sent % 256]))
            sent += 1
        elif step == "take" and done is None:
            done = body.deliver_to(sink)
        elif done is not None and step == "pause":
            sink.resting = True
            body.pauseProducing()
            assert not source.reading
        elif done is not None and step == "resume":
            sink.resting = False
            body.resumeProducing()
            assert source.reading

    for step in [*steps, "take", "resume"]:
        act(step)
    body.all_arrived()
    assert sink.data == bytes(n % 256 for n in range(sent))
    assert sink.ended
    assert done is not None
    assert done.called
