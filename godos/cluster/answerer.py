"""Answer the questions that a data server finds in its queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.asking import AskServer, LocalStores, Round
from godos.cluster.together import together
from godos.deferreds import deferred
from godos.messaging.poller import Poller
from godos.messaging.queues import QueueUnavailable, Received
from godos.model.members import Node
from godos.protocol.answering import Answers, Gathered, reply_to, too_old
from godos.protocol.fields import Unreadable
from godos.protocol.messages import (
    MAX_NAMES,
    AncestorQuery,
    AncestorReply,
    Query,
    Reply,
    decode_query,
    encode,
    split,
)

PEER_PATIENCE = 0.25  # seconds for other data servers
ANCESTOR_PATIENCE = 2.0  # seconds to look an object up in the catalog
ANCESTOR_TTL = 30.0  # seconds; the ancestor's messages do not say how long they live


@frozen
class Peers:
    """
    The other data servers.

    Args:
        registered: all nodes that the catalog knows: these make a "no" complete.
        live: those of them that are worth asking.
        ask: one authenticated call to a server.
    """

    registered: Callable[[], Sequence[Node]]
    live: Callable[[], Sequence[Node]]
    ask: AskServer


@frozen
class _Asked:
    """A question with the message that brought it, and the seconds since it was opened."""

    message: Received
    query: Query
    spent: float


class Answerer(MultiService):
    """
    Finishes every message that it receives: looks here, asks the peers, replies, deletes.

    `counts` tells how many questions were answered, repeated, expired, unreadable, and the
    ancestor's.

    Args:
        address: `host:port` of this server.
        local: the nodes of this process.
        peers: None answers for the nodes of this process alone, as with a queue for each.
        reply_queue: opens the queue on which the API server with that id hears replies.
        find_object: address of an API server that serves `objects/<name>`, or None; for
            the ancestor's questions, whose replies go to `reply_queue("")`.  None: these
            are dropped.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        address: str,
        local: LocalStores,
        peers: Peers | None,
        reply_queue: Callable[[str], Deferred[Any]],
        find_object: Callable[[str], Deferred[str | None]] | None = None,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._address = address
        self._local = local
        self._peers = peers
        self._reply_queue = reply_queue
        self._find_object = find_object
        self._answers = Answers()
        self.counts: Counter[str] = Counter()

    def listen(self, queue: Any) -> None:
        """Answer what comes in by `queue` (an `IQueue`) while this service runs."""

        def take(batch: Sequence[Received]) -> Deferred[None]:
            return self.take(queue, batch)

        Poller(self._clock, queue, take).setServiceParent(self)

    @deferred
    async def take(self, queue: Any, batch: Sequence[Received]) -> None:
        """Finish what can be finished, then delete that.  What is left comes again."""
        done, asked, ancestors = self._sort(queue.name, batch)
        work = [self._answer(group) for group in _groups(asked)]
        work += [self._answer_ancestor(message, query) for message, query in ancestors]
        for finished in await together(work):
            done += [message.receipt for message in finished]
        if done:
            try:
                await queue.delete(done)
            except QueueUnavailable:
                self.counts["not deleted"] += len(done)  # they come again, and cost a look-up

    def _sort(
        self, name: str, batch: Sequence[Received]
    ) -> tuple[list[str], list[_Asked], list[tuple[Received, AncestorQuery]]]:
        """Receipts of what needs no answer; our questions; the ancestor's."""
        done: list[str] = []
        asked: list[_Asked] = []
        ancestors: list[tuple[Received, AncestorQuery]] = []
        for message in batch:
            try:
                query = decode_query(message.body)
            except Unreadable as error:
                self._log.warn("deleted a message from {name}: {error}", name=name, error=error)
                self.counts["unreadable"] += 1
                done.append(message.receipt)
                continue
            if isinstance(query, AncestorQuery):
                ancestors.append((message, query))
            elif too_old(message.waited, query.spent, query.ttl):
                self.counts["expired"] += 1
                done.append(message.receipt)
            else:
                asked.append(_Asked(message, query, message.waited + query.spent))
        return done, asked, ancestors

    # -- our own questions ---------------------------------------------------------------
    @deferred
    async def _answer(self, group: Sequence[_Asked]) -> list[Received]:
        """Reply to these; answers the messages that can be deleted."""
        known = [self._answers.given(asked.query, asked.spent) for asked in group]
        fresh = [asked for asked, reply in zip(group, known, strict=True) if reply is None]
        replies = [reply for reply in known if reply is not None]
        self.counts["repeated"] += len(replies)
        if fresh:
            replies += await self._look(fresh)
        sent = await self._send(replies)
        return [asked.message for asked in group if asked.query.asker in sent]

    @deferred
    async def _look(self, fresh: Sequence[_Asked]) -> list[Reply]:
        started, names = self._clock.seconds(), _names(fresh)
        gathered = Gathered()
        gathered.add(self._address, await self._local.holds(names))
        registered: frozenset[str] = frozenset()
        if self._peers is not None:
            addresses = self._worth_asking(self._peers, gathered, fresh)
            ask = self._peers.ask
            await Round(self._clock, ask, names, gathered, PEER_PATIENCE).start(addresses)
            registered = frozenset(node.id for node in self._peers.registered())
        took, alone = self._clock.seconds() - started, self._peers is None
        replies = [reply_to(a.query, gathered, registered, a.spent + took, alone) for a in fresh]
        for reply in replies:
            self._answers.remember(reply)
        self.counts["answered"] += len(replies)
        return replies

    def _worth_asking(
        self, peers: Peers, gathered: Gathered, fresh: Sequence[_Asked]
    ) -> frozenset[str]:
        """Addresses of servers whose nodes some asker has not heard yet."""
        heard = frozenset.intersection(*(frozenset(asked.query.asked) for asked in fresh))
        covered = heard.union(gathered.said, self._local.ids)
        return frozenset(node.address for node in peers.live() if node.id not in covered)

    @deferred
    async def _send(self, replies: Sequence[Reply]) -> frozenset[str]:
        """Send replies; answers the ids of the askers to whom that worked."""
        to: dict[str, list[str]] = {}
        for reply in replies:
            to.setdefault(reply.to, []).extend(split(reply))
        sent = await together([self._send_to(asker, bodies) for asker, bodies in to.items()])
        return frozenset(asker for asker, ok in zip(to, sent, strict=True) if ok)

    @deferred
    async def _send_to(self, asker: str, bodies: Sequence[str]) -> bool:
        try:
            queue = await self._reply_queue(asker)
            await queue.send(bodies)
        except QueueUnavailable:
            return False  # which the queue has logged; the question comes again
        return True

    # -- the ancestor's ------------------------------------------------------------------
    @deferred
    async def _answer_ancestor(self, message: Received, query: AncestorQuery) -> list[Received]:
        """
        Name an API server that serves the object.  The ancestor knows no other answer:
        for an object that does not exist its asker hears nothing.
        """
        if self._find_object is None or message.waited > ANCESTOR_TTL:
            self.counts["expired"] += 1
            return [message]
        try:
            finding = self._find_object(query.name)
            address = await finding.addTimeout(ANCESTOR_PATIENCE, self._clock)
        except CancelledError:
            raise
        except Exception as error:  # whatever it was: the message comes again
            self._log.warn("cannot look up an object for an old client: {error}", error=error)
            return []
        self.counts["ancestor"] += 1
        if address is None:
            return [message]
        reply = encode(AncestorReply(query.uid, query.name, address))
        return [message] if await self._send_to("", [reply]) else []


def _names(asked: Iterable[_Asked]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in asked for name in one.query.names))


def _groups(asked: Sequence[_Asked]) -> Iterable[Sequence[_Asked]]:
    """Questions that are looked up together: as many as fit into one call to each peer."""
    group: list[_Asked] = []
    for one in asked:
        if group and len(_names([*group, one])) > MAX_NAMES:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
