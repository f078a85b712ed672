"""
SQS queues over boto3, as `IQueue`s.

Sends and deletes go through a pool of threads; each queue that is listened to has a
client and a thread of its own.  Errors are translated here, and logged once when a verb
of a queue stops working and once when it works again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.parsers import ResponseParserError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from godos.deferreds import InThread, deferred
from godos.messaging.addresses import SqsAddress
from godos.messaging.long_poll import Connections, LongPoll
from godos.messaging.outage import Outage
from godos.messaging.queues import BATCH, HIDDEN, IQueue, QueueUnavailable, Received

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")

MAX_REQUEST = 250_000  # bytes of the bodies in one request.  Source: Amazon SQS, "Quotas"
ERRORS = (BotoCoreError, ClientError, ResponseParserError)
_SEND = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"total_max_attempts": 3, "mode": "standard"},
    max_pool_connections=16,
)
_POLL = Config(
    connect_timeout=2,
    read_timeout=25,  # seconds: more than the longest poll
    retries={"total_max_attempts": 1, "mode": "standard"},
    max_pool_connections=2,
)


class Clients:
    """
    boto3 clients for one address.

    Clients may be used in any thread, but sessions may not: one client is made at a time.

    Args:
        attempts: of everything but polls.
    """

    def __init__(self, address: SqsAddress, attempts: int = 3) -> None:
        self._address = address
        self._sending = _SEND.merge(
            Config(retries={"total_max_attempts": attempts, "mode": "standard"})
        )
        self._lock = Lock()
        self._session: boto3.Session | None = None
        self._sender: SQSClient | None = None

    def sender(self) -> SQSClient:
        """The client for everything but polls.  Blocks: the first one is made in 70 ms."""
        with self._lock:
            if self._sender is None:
                self._sender = self._make(self._sending)
            return self._sender

    def poller(self) -> SQSClient:
        """A new client for the polls of one queue.  Blocks."""
        with self._lock:
            return self._make(_POLL)

    def _make(self, config: Config) -> SQSClient:
        if self._session is None:
            self._session = boto3.Session()
        region = self._address.region or self._session.region_name
        if region is None and self._address.endpoint is not None:
            region = "us-east-1"  # which such services expect, or do not look at
        return self._session.client(
            "sqs", region_name=region, endpoint_url=self._address.endpoint, config=config
        )


@implementer(IQueue)
class SqsQueue:
    """
    One queue whose URL is known.

    Args:
        clients: makes boto3 clients; called in threads only.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        in_thread: InThread,
        clients: Clients,
        name: str,
        url: str,
    ) -> None:
        self.name = name
        self._url = url
        self._in_thread = in_thread
        self._clients = clients
        self._connections = Connections()
        self._long_poll = LongPoll(reactor, f"poll {name}", self._connections)
        self._poll_client: SQSClient | None = None
        self._sending = Outage(f"send to queue {name}")
        self._receiving = Outage(f"receive from queue {name}")
        self._deleting = Outage(f"delete from queue {name}")

    def send(self, bodies: Sequence[str]) -> Deferred[None]:
        return _watched(self._sending, self._in_thread(self._send, bodies))

    def delete(self, receipts: Sequence[str]) -> Deferred[None]:
        return _watched(self._deleting, self._in_thread(self._delete, receipts))

    def receive(self, wait: int) -> Deferred[Sequence[Received]]:
        return _watched(self._receiving, self._long_poll.run(lambda: self._receive(wait)))

    def close(self) -> Deferred[None]:
        self._long_poll.end()
        return succeed(None)

    # -- in threads ----------------------------------------------------------------------
    def _send(self, bodies: Sequence[str]) -> None:
        client = self._clients.sender()
        for batch in _batches(bodies):
            answer = client.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate(batch)],
            )
            _refuse(answer.get("Failed", ()))

    def _delete(self, receipts: Sequence[str]) -> None:
        client = self._clients.sender()
        for start in range(0, len(receipts), BATCH):
            batch = receipts[start : start + BATCH]
            answer = client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(n), "ReceiptHandle": one} for n, one in enumerate(batch)],
            )
            # a handle that is no longer valid: somebody else has the message now
            _refuse(f for f in answer.get("Failed", ()) if f["Code"] != "ReceiptHandleIsInvalid")

    def _receive(self, wait: int) -> Sequence[Received]:
        if self._poll_client is None:
            self._poll_client = self._clients.poller()
            self._connections.watch(self._poll_client)
        answer = self._poll_client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait,
            VisibilityTimeout=HIDDEN,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        now = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return [
            Received(m["Body"], m["ReceiptHandle"], _waited(m.get("Attributes", {}), now))
            for m in answer.get("Messages", ())
        ]


def _batches(bodies: Sequence[str]) -> Iterable[Sequence[str]]:
    """As many as one request takes, by number and by size."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode("utf-8"))
        if batch and (len(batch) == BATCH or size + length > MAX_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch


def _waited(attributes: Any, now: str | None) -> float:
    """R4: from SentTimestamp to the Date of the same answer, so that our clock is not asked."""
    sent = attributes.get("SentTimestamp")
    if sent is None or now is None:
        return 0.0
    return max(0.0, parsedate_to_datetime(now).timestamp() - int(sent) / 1000)


def _refuse(failed: Iterable[Any]) -> None:
    for failure in failed:
        raise QueueUnavailable(f"{failure.get('Code')}: {failure.get('Message', '')}")


@deferred
async def _watched(outage: Outage, work: Deferred[T]) -> T:
    """`work` with boto3's errors translated, and outages logged."""
    try:
        result = await work
    except ERRORS as error:
        outage.failed(reason(error))
        raise QueueUnavailable(f"cannot {outage.what}: {reason(error)}") from error
    except QueueUnavailable as error:
        outage.failed(error)
        raise
    outage.worked()
    return result


def code(error: Exception) -> str:
    """AWS's code of an error, or "" when it never got as far as AWS."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def reason(error: Exception) -> str:
    """What to tell a person: AWS's words, or what botocore says; neither has a secret."""
    if isinstance(error, ClientError):
        return f"{code(error)}: {error.response['Error'].get('Message', '')}"
    if isinstance(error, NoRegionError):
        return "no AWS region: write sqs:NAME?region=…, or set AWS_DEFAULT_REGION"
    if isinstance(error, NoCredentialsError):
        return (
            "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this "
            "machine a role"
        )
    return str(error)
