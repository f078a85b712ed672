"""Telling queues what happened to objects: the events of the outbox, in order of each key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.messaging.queues import QueueUnavailable
from godos.model.catalog import OUTBOX_SHARDS, Event, ICatalog
from godos.model.errors import NoSuchBucket
from godos.protocol.notifications import message, wanted

LEASE = "notify"
SETTING = "notification"
EVERY = 1.0  # seconds between two looks into the outbox
BATCH = 100  # events of a shard that are looked at together
GIVE_UP = 14 * 86400.0  # seconds; also the longest that SQS keeps a message
PATIENCE = 30.0  # seconds for one message


class Queues(Protocol):
    """Sends to queues by their ARNs."""

    def send(self, arn: str, body: str, group: str, unique: str, /) -> Deferred[None]:
        """Fails: QueueUnavailable."""


class Notifier(Periodic):
    """
    Delivers by whoever holds the lease; two at once tell some things twice.

    An event leaves the outbox once all queues that want it have it.  One that cannot be
    delivered holds back the later ones of its key, and no others, until it is `GIVE_UP`
    seconds old.  `delivered` and `given_up` count events since the start.

    Args:
        region: that messages name.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        queues: Queues,
        clock: IReactorTime,
        holder: str,
        region: str,
        every: float = EVERY,
    ) -> None:
        super().__init__("telling queues of events", self.round, every, clock)
        self._catalog = catalog
        self._queues = queues
        self._clock = clock
        self._holder = holder
        self._region = region
        self._every = every
        self.delivered = 0
        self.given_up = 0

    @deferred
    async def round(self) -> None:
        """Deliver what waits.  Fails as the catalog does; the next round goes on."""
        patience = max(30.0, 3 * self._every)
        if not await self._catalog.try_lease(LEASE, self._holder, patience):
            return
        for shard in range(OUTBOX_SHARDS):
            await self._shard(shard)

    async def _shard(self, shard: int) -> None:
        """As long as whole batches leave the shard, there may be more."""
        while True:
            events: Sequence[Event] = await self._catalog.events(shard, BATCH)
            done = await self._deliver(events)
            if done:
                await self._catalog.delivered(done)
            if len(events) < BATCH or len(done) < len(events):
                return

    async def _deliver(self, events: Iterable[Event]) -> list[Event]:
        """Tell of these in order; answers those that are done with."""
        done: list[Event] = []
        held_back: set[tuple[str, str]] = set()
        for event in events:
            document = event.document
            place = document["bucket_id"], document["key"]
            if place in held_back:
                continue
            if await self._tell(event):
                done.append(event)
            else:
                held_back.add(place)
        return done

    async def _tell(self, event: Event) -> bool:
        """Whether this event is done with."""
        document = event.document
        try:
            for queue in await self._wanting(document):
                body = message(document, queue["Id"], self._region)
                unique = event.place.hex()
                sending = self._queues.send(queue["QueueArn"], body, document["bucket_id"], unique)
                await sending.addTimeout(PATIENCE, self._clock)
        except (QueueUnavailable, TimeoutError) as error:
            return self._is_too_old(document, error)
        self.delivered += 1
        return True

    async def _wanting(self, document: Any) -> Sequence[Any]:
        """The queues that want this event, by the configuration as it is now."""
        try:
            bucket = await self._catalog.bucket(document["bucket"])
        except NoSuchBucket:
            return ()
        if bucket.id != document["bucket_id"]:
            return ()  # another of the same name: its owner may be another
        configuration = (await self._catalog.settings(bucket)).get(SETTING) or {}
        return wanted(configuration, document["name"], document["key"])

    def _is_too_old(self, document: Any, error: Exception) -> bool:
        age = self._clock.seconds() - document["time"]
        if age < GIVE_UP:
            self._log.debug("an event of {bucket} waits: {error}", error=error, **_named(document))
            return False
        self.given_up += 1
        self._log.error(
            "an event of {bucket} is given up after {days} days: {name} of {key!r}: {error}",
            days=int(age / 86400),
            error=error,
            **_named(document),
        )
        return True


def _named(document: Any) -> dict[str, Any]:
    return {name: document[name] for name in ("bucket", "key", "name")}
