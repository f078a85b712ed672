"""
A queue, as locate needs it: at least once, in no order, gone unseen for a while if received.

It promises what SQS standard queues promise, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from godos.model.errors import Unavailable

HIDDEN = 5  # seconds that a received message stays hidden from others.  R6: never 0
LONGEST_WAIT = 20  # seconds.  Source: Amazon SQS Developer Guide, "Long polling"
BATCH = 10  # messages of one request.  Source: Amazon SQS, "Quotas"


class QueueUnavailable(Unavailable):
    """The queue gave no answer, or refused; `str()` says which queue and why."""


class MessageRefused(QueueUnavailable):
    """The queue did not take this message, for what it says or how long it is."""


@frozen
class Received:
    """
    One message.  `waited`: seconds since it was sent, by the queue service's own clocks.

    `receipt` deletes it.  Unless deleted it comes again after `HIDDEN` seconds, to anybody.
    """

    body: str
    receipt: str
    waited: float


class IQueue(Interface):
    """Everything fails with QueueUnavailable when the queue cannot be reached, or refuses."""

    name = Attribute("the queue's name (`str`)")

    def send(bodies: Sequence[str]) -> Deferred[None]:
        """Put messages in.  When it fails, some of them may be in the queue."""

    def receive(wait: int) -> Deferred[Sequence[Received]]:
        """
        Take up to `BATCH` messages, once there is one; none after `wait` seconds.

        One at a time.  Cancelling breaks the request off at once; messages that were on
        their way then stay hidden for a while.
        """

    def delete(receipts: Sequence[str]) -> Deferred[None]:
        """Remove received messages.  One that is gone already is no error."""

    def close() -> Deferred[None]:
        """Let go of connections and threads, until the next call.  Idempotent."""
