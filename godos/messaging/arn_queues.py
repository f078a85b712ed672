"""Sending to SQS queues that somebody else owns, named by their ARNs."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from attrs import frozen

from godos.deferreds import InThread, deferred
from godos.messaging.addresses import SqsAddress
from godos.messaging.queues import QueueUnavailable
from godos.messaging.sqs import ERRORS, Clients, reason

_REMEMBERED = 1000  # queues
_FIFO = ".fifo"


@frozen
class Arn:
    """`arn:aws:sqs:REGION:ACCOUNT:NAME`."""

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
        self._clients: dict[str, Clients] = {}
        self._urls: OrderedDict[str, str] = OrderedDict()

    @deferred
    async def send(self, arn: str, body: str, group: str, unique: str) -> None:
        """
        Send one message.

        Args:
            group, unique: of a FIFO queue: what it is ordered within, and its id.

        Fails:
            QueueUnavailable: it was not sent, or nobody knows whether it was.
        """
        try:
            await self._in_thread(self._send, arn, body, group, unique)
        except ERRORS as error:
            self._urls.pop(arn, None)  # made anew, it may have another
            raise QueueUnavailable(f"cannot send to {arn}: {reason(error)}") from error

    # -- in threads ----------------------------------------------------------------------
    def _send(self, arn: str, body: str, group: str, unique: str) -> None:
        named = Arn.parse(arn)
        client = self._of_region(named.region).sender()
        url = self._urls.get(arn)
        if url is None:
            known = {} if self._endpoint else {"QueueOwnerAWSAccountId": named.account}
            answer = client.get_queue_url(QueueName=named.name, **known)
            url = answer["QueueUrl"]
            self._remember(arn, url)
        if named.name.endswith(_FIFO):
            client.send_message(
                QueueUrl=url,
                MessageBody=body,
                MessageGroupId=group,
                MessageDeduplicationId=unique,
            )
        else:
            client.send_message(QueueUrl=url, MessageBody=body)

    def _of_region(self, region: str) -> Clients:
        with self._lock:
            found = self._clients.get(region)
            if found is None:
                address = SqsAddress("events", region or None, self._endpoint)
                found = self._clients[region] = Clients(address)
            return found

    def _remember(self, arn: str, url: str) -> None:
        with self._lock:
            self._urls[arn] = url
            while len(self._urls) > _REMEMBERED:
                self._urls.popitem(last=False)
