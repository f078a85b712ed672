"""Sending to queues by their ARNs, against stand-ins that disagree in details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from attrs import frozen
from pytest_twisted import ensureDeferred

from godos.deferreds import WorkerPool
from godos.messaging.arn_queues import ArnQueues
from godos.messaging.queues import MessageRefused, QueueUnavailable
from tests.standins import StandIn, free_port


@frozen
class Bench:
    """A stand-in, somebody who owns queues there, and us, who send to them."""

    owner: Any  # a client of boto3
    queues: ArnQueues

    def create(self, ending: str = "", **attributes: str) -> tuple[str, str]:
        """A new queue's URL and ARN."""
        url = self.owner.create_queue(QueueName=name(ending), Attributes=attributes)["QueueUrl"]
        return url, self.arn(url)

    def arn(self, url: str) -> str:
        answer = self.owner.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def bodies(self, url: str) -> list[str]:
        """What a queue holds; it is taken."""
        found: list[str] = []
        while messages := self.owner.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        ).get("Messages"):
            found += [message["Body"] for message in messages]
            for message in messages:
                self.owner.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


def name(ending: str = "") -> str:
    return f"t{uuid4().hex[:12]}{ending}"


@pytest.fixture
def in_thread() -> Iterator[WorkerPool]:
    from twisted.internet import reactor

    pool = WorkerPool(reactor, "events", 4)
    pool.start()
    yield pool
    pool.stop()


@pytest.fixture(params=["fauxqs", "moto", "ministack"])
def bench(request: pytest.FixtureRequest, in_thread: WorkerPool) -> Bench:
    stand_in: StandIn = request.getfixturevalue(request.param)
    owner = boto3.client("sqs", endpoint_url=stand_in.url)
    return Bench(owner, ArnQueues(in_thread, stand_in.url))


@ensureDeferred
async def test_messages_arrive(bench: Bench) -> None:
    """What is sent to an ARN is what its queue gives out."""
    url, arn = bench.create()
    await bench.queues.send(arn, '{"Records":[]}', "g", "u1")
    await bench.queues.send(arn, "another", "g", "u2")
    assert sorted(bench.bodies(url)) == ["another", '{"Records":[]}']


@ensureDeferred
async def test_fifo(bench: Bench) -> None:
    """A FIFO queue keeps the order, and a message that comes again is taken once."""
    url, arn = bench.create(".fifo", FifoQueue="true")
    key = "b1/" + "ключ " * 100
    for n in (1, 2, 2, 3):
        await bench.queues.send(arn, f"event {n}", key, f"{key} {n}")
    assert bench.bodies(url) == ["event 1", "event 2", "event 3"]


@ensureDeferred
async def test_no_such_queue(bench: Bench) -> None:
    """A queue that does not exist is named; once it is made it can be sent to."""
    missing = name()
    with pytest.raises(QueueUnavailable, match=missing):
        await bench.queues.send(f"arn:aws:sqs:us-east-1:000000000000:{missing}", "x", "g", "u")
    url = bench.owner.create_queue(QueueName=missing)["QueueUrl"]
    await bench.queues.send(bench.arn(url), "x", "g", "u")
    assert bench.bodies(url) == ["x"]


@ensureDeferred
async def test_made_anew(bench: Bench) -> None:
    """A queue that was removed and made again takes messages again."""
    url, arn = bench.create()
    await bench.queues.send(arn, "1", "g", "1")
    bench.owner.delete_queue(QueueUrl=url)
    with pytest.raises(QueueUnavailable):
        await bench.queues.send(arn, "2", "g", "2")
    bench.owner.create_queue(QueueName=arn.rpartition(":")[2])
    await bench.queues.send(arn, "3", "g", "3")
    assert bench.bodies(url)[-1:] == ["3"]


@ensureDeferred
async def test_too_long(bench: Bench) -> None:
    """A message that is too long for the queue is refused as that, and others are taken."""
    url, arn = bench.create(MaximumMessageSize="1024")
    with pytest.raises(MessageRefused):
        await bench.queues.send(arn, "x" * 1025, "g", "u1")
    await bench.queues.send(arn, "short", "g", "u2")
    assert bench.bodies(url) == ["short"]


@ensureDeferred
async def test_nobody_there(in_thread: WorkerPool, aws_environment: None) -> None:
    """A service that cannot be reached is an outage, and no bug."""
    queues = ArnQueues(in_thread, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(QueueUnavailable, match="cannot send to arn:aws:sqs:us-east-1:1:q"):
        await queues.send("arn:aws:sqs:us-east-1:1:q", "x", "g", "u")


@ensureDeferred
async def test_no_arn(in_thread: WorkerPool, aws_environment: None) -> None:
    """What is no ARN of a queue reaches nobody."""
    queues = ArnQueues(in_thread, f"http://127.0.0.1:{free_port()}")
    for text in ("q", "arn:aws:sns:us-east-1:1:q", "arn:aws:sqs:us-east-1:1:", "arn:aws:sqs:q"):
        with pytest.raises(QueueUnavailable, match="no ARN"):
            await queues.send(text, "x", "g", "u")
