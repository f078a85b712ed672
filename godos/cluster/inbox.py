"""What an API server does with each reply that it takes from a queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.together import together
from godos.deferreds import deferred
from godos.messaging.queues import QueueUnavailable, Received
from godos.model.members import ApiServer
from godos.protocol.answering import too_old
from godos.protocol.fields import Unreadable
from godos.protocol.messages import AncestorReply, Reply, as_json, decode_reply, encode

HAND_OVER_PATIENCE = 0.5  # seconds
MAX_HOPS = 4  # times that a reply goes back into the queue for want of its asker
ANCESTOR_KEPT = 30.0  # seconds that an ancestor's reply is left for whoever waits for it

# `hand_over(address, reply)`: `POST /-/located` to another API server
HandOver = Callable[[str, Mapping[str, Any]], Deferred[None]]


class ReplyInbox:
    """
    Replies to this server are heard; those to another are handed over.  R1, R2, R4, R5.

    `counts` tells how many messages were heard, late, handed over, put back, dropped,
    unreadable, and the ancestor's.

    Args:
        me: id of this API server.
        heard: takes a reply to this server; tells whether anybody waits for it.
        apis: the API servers that the catalog knows.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        me: str,
        queue: Any,
        heard: Callable[[Reply], bool],
        apis: Callable[[], Sequence[ApiServer]],
        hand_over: HandOver,
    ) -> None:
        self._clock = clock
        self._me = me
        self._queue = queue
        self._heard = heard
        self._apis = apis
        self._hand_over = hand_over
        self.counts: Counter[str] = Counter()

    @deferred
    async def take(self, batch: Sequence[Received]) -> None:
        """Finish what can be finished, and delete that."""
        finished = await together([self._finish(message) for message in batch])
        done = [m.receipt for m, is_done in zip(batch, finished, strict=True) if is_done]
        if done:
            try:
                await self._queue.delete(done)
            except QueueUnavailable:
                self.counts["not deleted"] += len(done)  # they come again, and change nothing

    @deferred
    async def _finish(self, message: Received) -> bool:
        """Tells whether the message can be deleted."""
        try:
            reply = decode_reply(message.body)
        except Unreadable as error:
            self._log.warn("deleted a message from {q}: {error}", q=self._queue.name, error=error)
            self.counts["unreadable"] += 1
            return True
        if isinstance(reply, AncestorReply):
            self.counts["ancestor"] += 1
            return message.waited > ANCESTOR_KEPT
        if reply.to == self._me:
            self.counts["heard" if self._heard(reply) else "late"] += 1
            return True
        return await self._pass_on(evolve(reply, spent=reply.spent + message.waited))

    @deferred
    async def _pass_on(self, reply: Reply) -> bool:
        if too_old(0.0, reply.spent, reply.ttl):
            self.counts["dropped"] += 1
            return True
        return await self._give(reply) or await self._put_back(reply)

    @deferred
    async def _give(self, reply: Reply) -> bool:
        """
        Hand a reply to its asker.

        The address comes from the catalog and not from the message: whoever can write
        to the queue must not choose whom this server calls.
        """
        address = next((api.address for api in self._apis() if api.id == reply.to), None)
        if address is None:
            return False
        try:
            call = self._hand_over(address, as_json(reply))
            await call.addTimeout(HAND_OVER_PATIENCE, self._clock)
        except CancelledError:
            raise
        except Exception as error:  # whatever it was: the asker does not have it
            self._log.debug("no hand-over to {address}: {error}", address=address, error=error)
            return False
        self.counts["handed over"] += 1
        return True

    @deferred
    async def _put_back(self, reply: Reply) -> bool:
        """Let the asker, or somebody who reaches it, find the reply in the queue."""
        if reply.hop >= MAX_HOPS:
            self.counts["dropped"] += 1
            return True
        try:
            await self._queue.send([encode(evolve(reply, hop=reply.hop + 1))])
        except QueueUnavailable:
            return False  # comes again
        self.counts["put back"] += 1
        return True
