"""How locate travels: over SQS where `--queue` says so, else straight over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.internet import TimerService
from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.cluster.answerer import Answerer, Peers
from godos.cluster.asking import LocalStores
from godos.cluster.members import Members
from godos.cluster.queue_ways import Desk, OwnWay, SharedWay
from godos.cluster.ways import DirectWay, IWay
from godos.deferreds import WorkerPool, deferred
from godos.messaging.addresses import SqsAddress
from godos.model.catalog import ICatalog
from godos.model.errors import GodosError, NoSuchBucket, NoSuchKey, Unavailable
from godos.model.members import ApiServer, Cluster
from godos.model.names import new_id
from godos.service.identity import FIRST_BUCKET
from godos.service.talk import Talk

SENDS = 8  # threads
SWEEP_EVERY = 60.0  # seconds between two looks for queues whose server is gone
SWEEP_PATIENCE = 180.0  # seconds until another server takes the sweeping over
_log = Logger()


class Middleware:
    """
    The queues of one process, opened when they are asked for.

    Args:
        address: None for none.
    """

    def __init__(self, reactor: Any, address: SqsAddress | None, talk: Talk) -> None:
        self._reactor = reactor
        self._address = address
        self._talk = talk
        self.pool = WorkerPool(reactor, "sqs", SENDS)
        self._queues: Any = None

    def _sqs(self, address: SqsAddress) -> Any:
        # boto3 takes a third of a second to load: only who uses SQS pays for it
        from godos.messaging.sqs_queues import SqsQueues

        if self._queues is None:
            self._queues = SqsQueues(address, self._reactor, self.pool)
        return self._queues

    # -- an API server ----------------------------------------------------------------------
    @deferred
    async def way(self, me: ApiServer, members: Members, cluster: Cluster) -> IWay:
        """
        How an API server asks.

        Fails:
            CannotStart: a queue is missing, or something is not permitted.
        """
        if self._address is None:
            return DirectWay(self._reactor, members.registered, self._talk.ask)
        queues = self._sqs(self._address)
        mine = await queues.for_api(me.id, cluster.id)
        desk = Desk(self._reactor, me, mine.replies, members.apis, self._talk.hand_over)
        if mine.queries is None:
            return OwnWay(desk, members.registered, queues.node_queue)
        return SharedWay(desk, mine.queries)

    def sweeper(self, catalog: ICatalog, members: Members, cluster: Cluster) -> IService:
        """Removes queues of servers that are gone, where each has its own."""
        if self._address is None or not self._address.own:
            return MultiService()
        from godos.messaging.orphans import Orphans

        holder = new_id()

        def lease() -> Deferred[bool]:
            return catalog.try_lease("queues", holder, SWEEP_PATIENCE)

        def live() -> list[str]:
            nodes, apis = members.registered(), members.apis()
            return [node.id for node in nodes] + [api.id for api in apis]

        orphans = Orphans(self._reactor, self._sqs(self._address), cluster.id, lease, live)
        timer = TimerService(SWEEP_EVERY, _sweep, orphans)
        timer.clock = self._reactor
        return timer

    # -- a data server ----------------------------------------------------------------------
    @deferred
    async def answerer(
        self,
        where: str,
        stores: Callable[[], Sequence[Any]],
        members: Members,
        catalog: ICatalog,
        cluster: Cluster,
    ) -> IService:
        """
        What answers the questions that come over queues; without queues, nothing.

        Fails:
            CannotStart: as `way`.
        """
        if self._address is None:
            return MultiService()
        queues, local = self._sqs(self._address), LocalStores(stores)
        peers = Peers(members.registered, members.live, self._talk.ask)

        def find(name: str) -> Deferred[str | None]:
            return find_object(catalog, members, name)

        answering = Answerer(
            self._reactor,
            where,
            local,
            None if self._address.own else peers,
            queues.reply_queue,
            find,
        )
        for queue in await queues.for_nodes(list(local.ids), cluster.id):
            answering.listen(queue)
        return answering


@deferred
async def _sweep(orphans: Any) -> None:
    """One sweep; the next one comes whatever happens."""
    try:
        await orphans.sweep()
    except GodosError as error:
        _log.warn("queues of servers that are gone were not looked for: {error}", error=error)


@deferred
async def find_object(catalog: ICatalog, members: Members, name: str) -> str | None:
    """
    For the ancestor's questions: the address of an API server that serves `objects/<name>`.

    Fails:
        Unavailable: no API server is known, which the next time may be otherwise.
    """
    try:
        await catalog.head(await catalog.bucket(FIRST_BUCKET), name)
    except (NoSuchBucket, NoSuchKey):
        return None
    apis = members.apis()
    if not apis:
        raise Unavailable("no API server is alive, as far as this one has heard")
    return apis[hash(name) % len(apis)].address
