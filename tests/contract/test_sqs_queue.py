"""SQS queues, against stand-ins that disagree in details."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from godos.deferreds import WorkerPool
from godos.messaging.addresses import SqsAddress
from godos.messaging.sqs import SqsQueue
from godos.messaging.sqs_queues import SqsQueues
from godos.model.errors import CannotStart
from tests.contract.queues import QueueContract
from tests.standins import StandIn


@pytest.fixture
def in_thread() -> Iterator[WorkerPool]:
    from twisted.internet import reactor

    pool = WorkerPool(reactor, "sqs", 4)
    pool.start()
    yield pool
    pool.stop()


@pytest.fixture(params=["fauxqs", "moto", "ministack"])
def address(request: pytest.FixtureRequest) -> SqsAddress:
    """Queues with a new name, so that tests do not see each other's messages."""
    stand_in: StandIn = request.getfixturevalue(request.param)
    return SqsAddress(f"t{uuid4().hex[:12]}", endpoint=stand_in.url)


@pytest.fixture
def queues(address: SqsAddress, in_thread: WorkerPool) -> SqsQueues:
    from twisted.internet import reactor

    return SqsQueues(address, reactor, in_thread)


class TestSqsQueue(QueueContract):
    @pytest_twisted.async_yield_fixture
    async def queue(self, queues: SqsQueues) -> Any:
        await queues.create_queues()
        (queue,) = await queues.for_nodes(["n1"], "cluster")
        yield queue
        await queue.close()

    @pytest_twisted.async_yield_fixture
    async def other(self, queue: SqsQueue, address: SqsAddress, in_thread: WorkerPool) -> Any:
        from twisted.internet import reactor

        (other,) = await SqsQueues(address, reactor, in_thread).for_nodes(["n2"], "cluster")
        yield other
        await other.close()

    @pytest.fixture
    def pass_time(self) -> Callable[[float], Any]:
        from twisted.internet import reactor

        return lambda seconds: deferLater(reactor, seconds)


class TestQueuesOfAnAddress:
    @pytest_twisted.ensureDeferred
    async def test_missing_queues_are_named(self, queues: SqsQueues, address: SqsAddress) -> None:
        """A server does not start without its queues, and says which it wants."""
        with pytest.raises(CannotStart, match=f"no SQS queue {address.name}-located"):
            await queues.for_api("a1", "cluster")

    @pytest_twisted.ensureDeferred
    async def test_queues_are_made_once(self, queues: SqsQueues, address: SqsAddress) -> None:
        """And making them again changes nothing."""
        assert await queues.create_queues() == [address.name, f"{address.name}-located"]
        assert await queues.create_queues() == []
        found = await queues.for_api("a1", "cluster")
        assert found.queries is not None
        assert (found.queries.name, found.replies.name) == (address.queries, address.replies)
        reply_queue = await queues.reply_queue("whoever")
        assert reply_queue.name == address.replies

    @pytest_twisted.ensureDeferred
    async def test_servers_make_queues_of_their_own(
        self, address: SqsAddress, in_thread: WorkerPool
    ) -> None:
        """Each finds the other's by its id; those of servers that are gone can be removed."""
        from twisted.internet import reactor

        own = SqsAddress(address.name, endpoint=address.endpoint, own=True)
        queues = SqsQueues(own, reactor, in_thread)
        found = await queues.for_api("a1", "ours")
        listening = await queues.for_nodes(["n1", "n2"], "ours")
        await queues.for_nodes(["n3"], "another cluster")
        again = await queues.for_nodes(["n1"], "ours")
        assert found.queries is None
        assert [q.name for q in listening] == [own.of_node("n1"), own.of_node("n2")]
        assert [q.name for q in again] == [own.of_node("n1")]
        assert (await queues.node_queue("n2")).name == own.of_node("n2")
        assert (await queues.reply_queue("a1")).name == own.of_api("a1")
        assert set(await queues.strangers(["n1"], "ours")) == {own.of_node("n2"), own.of_api("a1")}
        await queues.remove(own.of_node("n2"))
        await queues.remove(own.of_node("n2"))
        assert set(await queues.strangers(["n1"], "ours")) == {own.of_api("a1")}
