"""
Find, check, make and remove the SQS queues of one `--queue` address.

Shared queues are made once, by a person (`create_queues`); servers only look them up and
need no permission beyond SendMessage, ReceiveMessage, DeleteMessage and GetQueueUrl.
With queues of its own each server makes its queue when it starts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.interfaces import IReactorFromThreads

from godos.deferreds import InThread, deferred
from godos.messaging.addresses import SqsAddress
from godos.messaging.queues import QueueUnavailable
from godos.messaging.sqs import ERRORS, Clients, SqsQueue, code, reason
from godos.model.errors import CannotStart

T = TypeVar("T")

RETENTION = 300  # seconds that a message is kept; nobody waits longer than 5
OPENED = 1000  # queues of other servers that are remembered
CLUSTER_TAG = "godos-cluster"
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AccessDenied.Exception"})
_SEND, _LISTEN = ("send",), ("receive", "delete")


@frozen
class ApiQueues:
    """`replies` is listened to; `queries` takes questions, or None: each node has a queue."""

    replies: SqsQueue
    queries: SqsQueue | None


class SqsQueues:
    """
    The queues of `address`.

    Args:
        in_thread: a pool for sends, deletes and look-ups.
        clients: makes boto3 clients.
    """

    def __init__(
        self,
        address: SqsAddress,
        reactor: IReactorFromThreads,
        in_thread: InThread,
        clients: Clients | None = None,
    ) -> None:
        self._address = address
        self._reactor = reactor
        self._in_thread = in_thread
        self._clients = Clients(address) if clients is None else clients
        self._opened: OrderedDict[str, SqsQueue] = OrderedDict()

    # -- starting up ---------------------------------------------------------------------
    @deferred
    async def for_api(self, api_id: str, cluster_id: str) -> ApiQueues:
        """
        What an API server needs.

        Fails:
            CannotStart: a queue is missing, or something is not permitted; it says which.
        """
        if self._address.own:
            own = await self._own(self._address.of_api(api_id), cluster_id)
            return ApiQueues(own, None)
        return ApiQueues(
            replies=await self._checked(self._address.replies, (*_SEND, *_LISTEN)),
            queries=await self._checked(self._address.queries, _SEND),
        )

    @deferred
    async def for_nodes(self, node_ids: Sequence[str], cluster_id: str) -> Sequence[SqsQueue]:
        """
        The queues that a data server listens to.

        Fails:
            CannotStart: as `for_api`.
        """
        if self._address.own:
            names = [self._address.of_node(node_id) for node_id in node_ids]
            return [await self._own(name, cluster_id) for name in names]
        await self._checked(self._address.replies, _SEND)
        return [await self._checked(self._address.queries, _LISTEN)]

    @deferred
    async def create_queues(self) -> Sequence[str]:
        """
        Make the shared queues that do not exist; answers their names.

        Fails:
            CannotStart: it is not permitted, or SQS cannot be reached.
        """
        if self._address.own:
            return []  # each server makes its own
        made = []
        for name in (self._address.queries, self._address.replies):
            if await self._url(name) is None:
                await self._at_start(f"create queue {name}", self._create, name)
                made.append(name)
        return made

    @deferred
    async def _own(self, name: str, cluster_id: str) -> SqsQueue:
        url = await self._url(name)
        if url is None:
            tags = {CLUSTER_TAG: cluster_id}
            url = await self._at_start(f"create queue {name}", self._create, name, tags)
        return self._queue(name, url)

    @deferred
    async def _checked(self, name: str, actions: Sequence[str]) -> SqsQueue:
        url = await self._url(name)
        if url is None:
            raise CannotStart(
                f"there is no SQS queue {name}: `godos state init` makes it, or CreateQueue"
            )
        for action in actions:
            await self._at_start(f"{action} on queue {name}", self._probe, action, url)
        return self._queue(name, url)

    @deferred
    async def _url(self, name: str) -> str | None:
        return await self._at_start(f"look up queue {name}", self._look_up, name)

    @deferred
    async def _at_start(self, what: str, work: Callable[..., T], *args: Any) -> T:
        """Do `work` in a thread; what it cannot do is why the server does not start."""
        try:
            return await self._in_thread(work, *args)
        except ERRORS as error:
            raise CannotStart(f"cannot {what} at SQS: {reason(error)}") from error

    def _queue(self, name: str, url: str) -> SqsQueue:
        return SqsQueue(self._reactor, self._in_thread, self._clients, name, url)

    # -- while running -------------------------------------------------------------------
    @deferred
    async def reply_queue(self, api_id: str) -> SqsQueue:
        """Where the API server `api_id` hears replies; "" is for the ancestor's askers."""
        own = self._address.own
        return await self._open(self._address.of_api(api_id) if own else self._address.replies)

    @deferred
    async def node_queue(self, node_id: str) -> SqsQueue:
        """Where a node is asked, when each has a queue of its own."""
        return await self._open(self._address.of_node(node_id))

    @deferred
    async def _open(self, name: str) -> SqsQueue:
        """Look a queue up once.  Fails with QueueUnavailable when there is none."""
        queue = self._opened.get(name)
        if queue is None:
            try:
                url = await self._in_thread(self._look_up, name)
            except ERRORS as error:
                raise QueueUnavailable(f"cannot look up queue {name}: {reason(error)}") from error
            if url is None:
                raise QueueUnavailable(f"there is no queue {name}")
            queue = self._opened[name] = self._queue(name, url)
            while len(self._opened) > OPENED:
                self._opened.popitem(last=False)
        return queue

    @deferred
    async def remove(self, name: str) -> None:
        """Remove a queue.  One that is gone is no error.  Fails: QueueUnavailable."""
        try:
            await self._in_thread(self._remove, name)
        except ERRORS as error:
            raise QueueUnavailable(f"cannot remove queue {name}: {reason(error)}") from error

    @deferred
    async def strangers(self, live: Collection[str], cluster_id: str) -> Sequence[str]:
        """
        Queues of this cluster's nodes and API servers that are not among the ids `live`.

        Fails: QueueUnavailable.
        """
        try:
            return await self._in_thread(self._strangers, frozenset(live), cluster_id)
        except ERRORS as error:
            raise QueueUnavailable(f"cannot list queues: {reason(error)}") from error

    # -- in threads ----------------------------------------------------------------------
    def _look_up(self, name: str) -> str | None:
        try:
            return self._clients.sender().get_queue_url(QueueName=name)["QueueUrl"]
        except ERRORS as error:
            if code(error) in _MISSING:
                return None
            raise

    def _create(self, name: str, tags: dict[str, str] | None = None) -> str:
        attributes: Any = {"MessageRetentionPeriod": str(RETENTION)}
        answer = self._clients.sender().create_queue(
            QueueName=name, Attributes=attributes, tags=tags or {}
        )
        return answer["QueueUrl"]

    def _probe(self, action: str, url: str) -> None:
        """
        Ask for something impossible: refused as senseless it is permitted.

        AWS looks at permissions first.  Nothing is sent, received or deleted.
        """
        client = self._clients.sender()
        try:
            if action == "send":
                client.send_message_batch(QueueUrl=url, Entries=[])
            elif action == "delete":
                client.delete_message_batch(QueueUrl=url, Entries=[])
            else:
                client.receive_message(QueueUrl=url, MaxNumberOfMessages=0)
        except ERRORS as error:
            if not code(error) or code(error) in _DENIED:
                raise

    def _remove(self, name: str) -> None:
        url = self._look_up(name)
        if url is not None:
            self._clients.sender().delete_queue(QueueUrl=url)

    def _strangers(self, live: frozenset[str], cluster_id: str) -> Sequence[str]:
        client, names = self._clients.sender(), list[str]()
        kept = {
            of(member) for member in live for of in (self._address.of_node, self._address.of_api)
        }
        pages = client.get_paginator("list_queues").paginate(
            QueueNamePrefix=f"{self._address.name}-", PaginationConfig={"PageSize": 1000}
        )
        for page in pages:
            for url in page.get("QueueUrls", ()):
                name = url.rpartition("/")[2]
                if self._address.is_own(name) and name not in kept:
                    tags = client.list_queue_tags(QueueUrl=url).get("Tags", {})
                    if tags.get(CLUSTER_TAG) == cluster_id:
                        names.append(name)
        return names
