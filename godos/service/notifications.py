"""Where events go: SQS queues, as far as the operator lets them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from godos.deferreds import InThread, deferred
from godos.messaging.queues import QueueUnavailable
from godos.service import values
from godos.service.settings import Setting


def _patterns(text: str) -> tuple[str, ...]:
    """Several patterns of ARNs; empty pieces are skipped."""
    patterns = tuple(piece.strip() for piece in text.split(",") if piece.strip())
    for pattern in patterns:
        if not pattern.startswith(("arn:", "*")):
            raise ValueError(f"{pattern!r} is no ARN: arn:aws:sqs:REGION:ACCOUNT:NAME, or with *")
    return patterns


ENDPOINT = Setting(
    "notifications-endpoint",
    "Service that speaks SQS elsewhere than at AWS, for the queues that buckets notify.",
    values.endpoint,
    shown="that of --queue, or as the AWS environment says",
)
QUEUES = Setting(
    "notifications-queues",
    "Let buckets notify only queues whose ARN is like one of these, with * for any text and "
    "commas between.",
    _patterns,
    "*",
)
SETTINGS = (ENDPOINT, QUEUES)


class EventQueues:
    """
    The `Queues` of a server; boto3 is loaded with the first message.

    Args:
        in_thread: a pool for calls of boto3.
        endpoint: None is AWS, or what its environment says.
        allowed: patterns of ARNs.
    """

    def __init__(self, in_thread: InThread, endpoint: str | None, allowed: Sequence[str]) -> None:
        self._in_thread = in_thread
        self._endpoint = endpoint
        self._allowed = allowed
        self._queues: Any = None

    @deferred
    async def send(self, arn: str, body: str, group: str, unique: str) -> None:
        """As ArnQueues.send.  Fails with QueueUnavailable, too, when it is not allowed."""
        if not any(fnmatchcase(arn, pattern) for pattern in self._allowed):
            raise QueueUnavailable(
                f"{arn} is not allowed: the server's --notifications-queues says which queues are"
            )
        if self._queues is None:
            made = await self._in_thread(_arn_queues, self._in_thread, self._endpoint)
            self._queues = self._queues or made
        await self._queues.send(arn, body, group, unique)


def _arn_queues(in_thread: InThread, endpoint: str | None) -> Any:
    # boto3 takes a third of a second to load: only who notifies anybody pays for it
    from godos.messaging.arn_queues import ArnQueues

    return ArnQueues(in_thread, endpoint)
