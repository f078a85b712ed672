"""Bodies in batches, at the sink's pace."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from godos.model.bodies import IBody
from godos.model.errors import IncompleteBody, NodeFull
from godos.transfer.batches import Batches, deliver, receive


@implementer(IBody, IPushProducer)
class Sender:
    """A body that is sent by hand, and notes what its consumer tells it."""

    length = None

    def __init__(self) -> None:
        self.told: list[str] = []
        self.consumer: Any = None
        self.done: Deferred[None] = Deferred(lambda _: self.told.append("cancelled"))

    def deliver_to(self, consumer: Any) -> Deferred[None]:
        self.consumer = consumer
        consumer.registerProducer(self, True)
        return self.done

    def collect(self, limit: int) -> Deferred[list[bytes]]:
        raise AssertionError("not used here")

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")
        self.end(IncompleteBody("stopped"))

    def end(self, error: Exception | None = None) -> None:
        self.consumer.unregisterProducer()
        done, self.done = self.done, Deferred()
        done.callback(None) if error is None else done.errback(error)


class SlowSink:
    """Takes a batch, and says it is done when the test cranks it."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.running: Deferred[None] | None = None

    def __call__(self, batch: list[bytes]) -> Deferred[None]:
        assert self.running is None, "one batch at a time"
        self.taken.append(b"".join(batch))
        self.running = Deferred()
        return self.running

    def crank(self, error: Exception | None = None) -> None:
        assert self.running is not None
        running, self.running = self.running, None
        running.callback(None) if error is None else running.errback(error)


class BatchesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.sink = SlowSink()
        self.batches = Batches(self.sink, size=10)
        self.sender = Sender()

    def test_a_slow_sink_pauses_the_sender(self) -> None:
        """While one batch is in the sink, a second may fill, and no more is asked for."""
        delivered = deliver(self.sender, self.batches)
        self.batches.write(b"a" * 10)
        self.assertEqual([], self.sender.told)
        self.batches.write(b"b" * 12)
        self.assertEqual(["pause"], self.sender.told)
        self.sink.crank()
        self.assertEqual(["pause", "resume"], self.sender.told)
        self.batches.write(b"c")
        self.sender.end()
        self.assertNoResult(delivered)
        self.sink.crank()
        self.sink.crank()
        self.assertEqual(23, self.successResultOf(delivered))
        self.assertEqual([b"a" * 10, b"b" * 12, b"c"], self.sink.taken)

    def test_a_failing_sink_stops_the_sender(self) -> None:
        """The upload fails with the disk's error, not with the stop that followed from it."""
        delivered = deliver(self.sender, self.batches)
        self.batches.write(b"a" * 10)
        self.sink.crank(NodeFull("no room"))
        self.assertEqual(["stop"], self.sender.told)
        self.failureResultOf(delivered, NodeFull)

    def test_the_last_batch_may_fail(self) -> None:
        """An error after the body's end is not lost."""
        delivered = deliver(self.sender, self.batches)
        self.batches.write(b"a")
        self.sender.end()
        self.sink.crank(NodeFull("no room"))
        self.failureResultOf(delivered, NodeFull)

    def test_a_client_that_leaves_is_reported_when_the_sink_is_quiet(self) -> None:
        """Cleaning up must not race the write that is still going on."""
        delivered = deliver(self.sender, self.batches)
        self.batches.write(b"a" * 10)
        self.sender.end(IncompleteBody("gone"))
        self.assertNoResult(delivered)
        self.sink.crank()
        self.failureResultOf(delivered, IncompleteBody)

    def test_cancelling_waits_for_the_sink_too(self) -> None:
        """A cancelled upload stops the sender, and ends when the running write has."""
        delivered = deliver(self.sender, self.batches)
        self.batches.write(b"a" * 10)
        delivered.cancel()
        self.assertEqual(["cancelled"], self.sender.told)
        self.assertNoResult(delivered)
        self.sink.crank()
        self.failureResultOf(delivered, CancelledError)

    def test_a_short_body_can_be_taken_back(self) -> None:
        """What is less than a batch waits after `receive`, and need not go to the sink."""
        received = receive(self.sender, self.batches)
        self.batches.write(b"ab")
        self.batches.write(b"c")
        self.sender.end()
        self.assertEqual(3, self.successResultOf(received))
        self.assertEqual(b"abc", b"".join(self.batches.take_rest()))
        self.assertEqual([], self.sink.taken)

    def test_an_empty_body_reaches_no_sink(self) -> None:
        """Nothing to write is not a write of nothing."""
        delivered = deliver(self.sender, self.batches)
        self.sender.end()
        self.assertEqual(0, self.successResultOf(delivered))
        self.assertEqual([], self.sink.taken)


@given(st.lists(st.binary(max_size=30), max_size=30))
def test_all_bytes_arrive_in_order(pieces: list[bytes]) -> None:
    """However a body is cut, the sink gets the same bytes, in batches that are full."""
    taken: list[bytes] = []
    sender = Sender()

    def sink(batch: list[bytes]) -> Deferred[None]:
        taken.append(b"".join(batch))
        return succeed(None)

    delivered = deliver(sender, Batches(sink, size=16))
    for piece in pieces:
        sender.consumer.write(piece)
    sender.end()
    results: list[Any] = []
    delivered.addBoth(results.append)
    assert results == [sum(map(len, pieces))]
    assert b"".join(taken) == b"".join(pieces)
    assert all(len(batch) >= 16 for batch in taken[:-1])


def test_a_body_in_crumbs_takes_no_more_memory() -> None:
    """Whoever sends a few bytes at a time does not make us keep an object for each few."""
    taken: list[list[bytes]] = []

    def sink(batch: list[bytes]) -> Deferred[None]:
        taken.append(batch)
        return succeed(None)

    batches = Batches(sink, 64 << 10)
    crumbs = [bytes([n % 256, n % 251]) for n in range(100_000)]
    for crumb in crumbs:
        batches.write(crumb)
    batches.flush().addErrback(lambda failure: failure.raiseException())
    assert b"".join(piece for batch in taken for piece in batch) == b"".join(crumbs)
    assert max(len(batch) for batch in taken) <= 32
