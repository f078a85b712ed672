"""Sending to SQS queues that somebody else owns, named by their ARNs."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from attrs import frozen

from godos.deferreds import InThread, deferred
from godos.messaging.addresses import SqsAddress
from godos.messaging.queues import MessageRefused, QueueUnavailable
from godos.messaging.sqs import ERRORS, Clients, code, reason

_REMEMBERED = 1000  # queues
_REGIONS = 50  # whose clients are kept
_FIFO = ".fifo"
_REFUSALS = frozenset({"InvalidMessageContents", "InvalidParameterValue"})


@frozen
class Arn:
    """`arn:aws:sqs:REGION:ACCOUNT:NAME`; an empty region or account is our own."""

    region: str
    account: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """
        Raises:
            QueueUnavailable: it is no ARN of a queue.
        """
        parts = text.split(":")
        if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sqs" or not parts[5]:
            raise QueueUnavailable(f"{text[:200]!r} is no ARN of an SQS queue")
        return cls(parts[3], parts[4], parts[5])


class ArnQueues:
    """
    Args:
        in_thread: a pool for calls of boto3.
        endpoint: of a service that speaks SQS elsewhere than at AWS.
    """

    def __init__(self, in_thread: InThread, endpoint: str | None = None) -> None:
        self._in_thread = in_thread
        self._endpoint = endpoint
        self._lock = Lock()
        self._clients: OrderedDict[str, Clients] = OrderedDict()
        self._urls: OrderedDict[str, str] = OrderedDict()

    @deferred
    async def send(self, arn: str, body: str, group: str, unique: str) -> None:
        """
        Send one message, in one attempt.

        Args:
            group, unique: of a FIFO queue: what it is ordered within, and what is the same
                when the message is sent again.

        Fails:
            MessageRefused: the queue does not take this message.
            QueueUnavailable: it was not sent, or nobody knows whether it was.
        """
        try:
            await self._in_thread(self._send, arn, body, group, unique)
        except ERRORS as error:
            with self._lock:
                self._urls.pop(arn, None)  # made anew, it may have another
            refused = code(error).rpartition(".")[2] in _REFUSALS
            failure = MessageRefused if refused else QueueUnavailable
            raise failure(f"cannot send to {arn}: {reason(error)}") from error

    # -- in threads ----------------------------------------------------------------------
    def _send(self, arn: str, body: str, group: str, unique: str) -> None:
        named = Arn.parse(arn)
        client = self._of_region(named.region).sender()
        url = self._url(arn, named)
        if named.name.endswith(_FIFO):
            client.send_message(
                QueueUrl=url,
                MessageBody=body,
                MessageGroupId=_short(group),
                MessageDeduplicationId=_short(unique),
            )
        else:
            client.send_message(QueueUrl=url, MessageBody=body)

    def _url(self, arn: str, named: Arn) -> str:
        with self._lock:
            known = self._urls.get(arn)
        if known is not None:
            return known
        client = self._of_region(named.region).sender()
        if named.account:
            answer = client.get_queue_url(
                QueueName=named.name, QueueOwnerAWSAccountId=named.account
            )
        else:
            answer = client.get_queue_url(QueueName=named.name)
        with self._lock:
            self._urls[arn] = answer["QueueUrl"]
            while len(self._urls) > _REMEMBERED:
                self._urls.popitem(last=False)
        return answer["QueueUrl"]

    def _of_region(self, region: str) -> Clients:
        with self._lock:
            found = self._clients.get(region)
            if found is None:
                address = SqsAddress("events", region or None, self._endpoint)
                found = self._clients[region] = Clients(address, attempts=1)
                while len(self._clients) > _REGIONS:
                    self._clients.popitem(last=False)
            return found


def _short(text: str) -> str:
    """As an id of SQS, which has at most 128 characters, and not all of them."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
