"""What every `IQueue` promises; a test module says how to open one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from godos.messaging.queues import BATCH, HIDDEN, IQueue, Received


class QueueContract:
    """
    A subclass has fixtures: `queue`, one that is empty; `other`, the same queue as another
    process sees it; and `pass_time(seconds)`, which answers a Deferred.
    """

    @pytest_twisted.ensureDeferred
    async def test_it_is_a_queue(self, queue: Any) -> None:
        """It has what the interface names."""
        assert verifyObject(IQueue, queue)

    @pytest_twisted.ensureDeferred
    async def test_what_is_sent_is_received(self, queue: Any, other: Any) -> None:
        """Every message, whatever text it is, more than one request takes at a time."""
        bodies = [f'{{"n":{n},"text":"ü \\n {"x" * n}"}}' for n in range(2 * BATCH + 3)]
        await other.send(bodies)
        assert sorted(m.body for m in await drain(queue)) == sorted(bodies)

    @pytest_twisted.ensureDeferred
    async def test_large_messages_fit(self, queue: Any) -> None:
        """Ten of the largest that locate writes go out in one call."""
        bodies = [str(n) * (200 << 10) for n in range(10)]
        await queue.send(bodies)
        assert sorted(m.body for m in await drain(queue)) == bodies

    @pytest_twisted.ensureDeferred
    async def test_a_received_message_is_hidden_and_comes_again(
        self, queue: Any, other: Any, pass_time: Callable[[float], Any]
    ) -> None:
        """
        R6: from others too, for five seconds; unless it is deleted.  Then the receipts of
        the first time are stale, which is no error, as deleting twice is none.
        """
        await queue.send(["kept", "deleted"])
        first = await drain(queue, delete=False)
        assert {m.body for m in first} == {"kept", "deleted"}
        assert not await other.receive(0)
        await queue.delete([m.receipt for m in first if m.body == "deleted"])
        await pass_time(HIDDEN + 1)
        again = await drain(other, delete=False)
        assert [m.body for m in again] == ["kept"]
        await queue.delete([m.receipt for m in first])
        await other.delete([m.receipt for m in again])
        await other.delete([m.receipt for m in again])

    @pytest_twisted.ensureDeferred
    async def test_age_is_told_by_the_queues_clock(
        self, queue: Any, pass_time: Callable[[float], Any]
    ) -> None:
        """R4: seconds since it was sent; the answer's Date has whole seconds only."""
        await queue.send(["x"])
        await pass_time(2.5)
        (message,) = await drain(queue)
        assert 1.0 <= message.waited <= 60.0

    @pytest_twisted.ensureDeferred
    async def test_a_long_poll_ends_when_a_message_comes(self, queue: Any, other: Any) -> None:
        """Nobody waits for its whole time."""
        polling = queue.receive(20)
        await other.send(["x"])
        started = time.monotonic()
        assert [m.body for m in await polling] == ["x"]
        assert time.monotonic() - started < 10

    @pytest_twisted.ensureDeferred
    async def test_a_long_poll_can_be_broken_off(self, queue: Any, other: Any) -> None:
        """At once; the queue still works, and what comes later is received."""
        polling = queue.receive(20)
        await other.send(["before"])
        await polling
        polling = queue.receive(20)
        polling.cancel()
        with pytest.raises(CancelledError):
            await polling
        await queue.close()


async def drain(queue: Any, delete: bool = True) -> Sequence[Received]:
    """Receive until nothing comes."""
    messages: list[Received] = []
    while batch := await queue.receive(1 if not messages else 0):
        assert len(batch) <= BATCH
        messages += batch
        if delete:
            await queue.delete([m.receipt for m in batch])
    return messages
