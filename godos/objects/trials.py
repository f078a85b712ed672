"""Trying the queues of a notification configuration before it is kept."""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime

from godos.cluster.together import together
from godos.deferreds import deferred
from godos.messaging.queues import QueueUnavailable
from godos.model.names import new_id
from godos.objects.notifications import PATIENCE, Queues
from godos.protocol.notifications import trial_message


class Trials:
    """Sends the message that says that a queue was configured: `s3:TestEvent`."""

    def __init__(self, queues: Queues, clock: IReactorTime) -> None:
        self._queues = queues
        self._clock = clock

    @deferred
    async def send(self, bucket: str, arns: Collection[str], request_id: str) -> None:
        """
        Send it to all of these.

        Fails:
            QueueUnavailable: one of them took it not, or not in time; others may have it.
        """
        body = trial_message(bucket, self._clock.seconds(), request_id)
        await together([self._try(arn, body) for arn in sorted(set(arns))])

    @deferred
    async def _try(self, arn: str, body: str) -> None:
        sending = self._queues.send(arn, body, "s3:TestEvent", new_id())
        try:
            await sending.addTimeout(PATIENCE, self._clock)
        except TimeoutError as error:
            raise QueueUnavailable(f"{arn} did not answer in time") from error
