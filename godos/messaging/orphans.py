"""Remove the queues of servers that are gone, when each server has a queue of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.messaging.outage import Outage
from godos.messaging.queues import QueueUnavailable
from godos.messaging.sqs_queues import SqsQueues

GRACE = 600.0  # seconds; a server may make its queue before the catalog tells of it


class Orphans:
    """
    A queue goes when nobody with its id was alive for `GRACE` seconds of our own clock.

    Two that sweep at once are harmless.  A node that comes back makes its queue again.

    Args:
        lease: tells whether this process is the one that sweeps now.
        live: ids of all registered nodes and API servers.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        queues: SqsQueues,
        cluster_id: str,
        lease: Callable[[], Deferred[bool]],
        live: Callable[[], Collection[str]],
    ) -> None:
        self._clock = clock
        self._queues = queues
        self._cluster_id = cluster_id
        self._lease = lease
        self._live = live
        self._since: dict[str, float] = {}  # name -> when it was first seen without a server
        self._outage = Outage("remove queues of servers that are gone")

    @deferred
    async def sweep(self) -> Sequence[str]:
        """
        Look once, and remove what has waited long enough; answers the names removed.

        Without the permissions (ListQueues, ListQueueTags, DeleteQueue) nothing goes, and
        the log says so once.
        """
        if not await self._lease():
            self._since.clear()  # whoever sweeps now counts for himself
            return ()
        try:
            removed = await self._sweep()
        except QueueUnavailable as error:
            self._outage.failed(error)
            return ()
        self._outage.worked()
        return removed

    @deferred
    async def _sweep(self) -> Sequence[str]:
        now, live = self._clock.seconds(), self._live()
        if not live:
            return ()  # nothing is known of the members: nobody is taken for gone
        orphans = await self._queues.strangers(live, self._cluster_id)
        self._since = {name: self._since.get(name, now) for name in orphans}
        removed = [name for name, since in self._since.items() if now - since >= GRACE]
        for name in removed:
            await self._queues.remove(name)
            self._log.info("removed queue {name}: its server is gone", name=name)
        return removed
