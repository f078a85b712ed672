"""Telling queues what happened to objects: the events of the outbox, in order of each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.periodic import Periodic
from godos.cluster.together import together
from godos.deferreds import deferred
from godos.messaging.queues import MessageRefused, QueueUnavailable
from godos.model.catalog import OUTBOX_SHARDS, Event, ICatalog
from godos.model.errors import NoSuchBucket
from godos.protocol.notifications import message, wanted
from godos.protocol.outbox import HeldBack, Rests

LEASE = "notify"
SETTING = "notification"
EVERY = 1.0  # seconds between two looks into the outbox
LEASED = 30.0  # seconds without renewal until another server takes over
RENEWED = 5.0  # seconds between two renewals
LOOK = 5.0  # seconds between two looks whether any bucket notifies, and 1 more ...
BUCKETS_A_SECOND = 200  # ... for each so many
SWEEP = 60.0  # seconds between two looks into the outbox while none does
BATCH = 100  # events of a shard that are looked at together
TURN = 5.0  # seconds after which a shard begins nothing more in this round
LATE = 60.0  # seconds; older than any transaction that commits, however clocks differ
PATIENCE = 15.0  # seconds for one message
REFUSED = 60.0  # seconds until a message that a queue refused is tried again
GIVE_UP = 14 * 86400.0  # seconds; also the longest that SQS keeps a message


class Queues(Protocol):
    """Sends to queues by their ARNs."""

    def send(self, arn: str, body: str, group: str, unique: str, /) -> Deferred[None]:
        """
        Args:
            group, unique: what a FIFO queue orders by, and what is the same when a message
                comes again.

        Fails: QueueUnavailable; MessageRefused: it takes others.
        """


@define
class _Shard:
    """
    How far a shard of the outbox was read.

    While nothing is held back it is read from its start.  Else, until it is time to try
    again, only what comes behind that.  Rows may also come before the last one, from
    transactions that began earlier: so the last minute is read again.
    """

    number: int
    after: bytes = b""
    settled: bytes = b""  # nothing comes before this any more
    held: HeldBack = field(factory=HeldBack)

    def begin(self, now: float) -> None:
        """Choose where to read from."""
        if not self.held or now >= self.held.until:
            self.after = self.settled = b""
            self.held = HeldBack()

    def passed(self, event: Event, now: float) -> None:
        """This event was looked at."""
        self.after = event.place
        if event.document["time"] < now - LATE:
            self.settled = event.place

    def ended(self) -> None:
        """All was read.  The last of it is read again, for what was committed late."""
        self.after = self.settled


class Notifier(Periodic):
    """
    Delivers by whoever holds the lease; two at once tell some things twice.

    An event leaves the outbox once all queues that want it have it.  One that a queue does
    not take holds back the later ones of its key to that queue, until it is `GIVE_UP`
    seconds old; while a queue takes nothing, nothing is sent to it but what is oldest, now
    and then.  `delivered` and `given_up` count messages since the start.

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
    ) -> None:
        super().__init__("telling queues of events", self.round, EVERY, clock)
        self._catalog = catalog
        self._queues = queues
        self._clock = clock
        self._holder = holder
        self._region = region
        self._rests = Rests()
        self._shards: Sequence[_Shard] = ()  # none while another server delivers
        self._leased = self._looked = self._swept = float("-inf")
        self._look_after = 0.0
        self._notifies = False
        self.delivered = 0
        self.given_up = 0

    @deferred
    async def round(self) -> None:
        """Deliver what waits.  Fails as the catalog does; the next round goes on."""
        if not await self._is_time():
            return
        if not await self._is_ours():
            self._shards = ()
            return
        if not self._shards:
            self._shards = [_Shard(number) for number in range(OUTBOX_SHARDS)]
        await together([self._deliver(shard) for shard in self._shards])
        self._swept = self._clock.seconds()

    async def _is_time(self) -> bool:
        """A store that tells nobody anything should cost nothing."""
        now = self._clock.seconds()
        if now - self._looked >= self._look_after:
            buckets = await self._catalog.buckets()
            self._notifies = any(bucket.notifies for bucket in buckets)
            self._looked, self._look_after = now, LOOK + len(buckets) / BUCKETS_A_SECOND
        return self._notifies or now - self._swept >= SWEEP

    async def _is_ours(self) -> bool:
        now = self._clock.seconds()
        if now - self._leased < RENEWED:
            return bool(self._shards)
        self._leased = now
        return await self._catalog.try_lease(LEASE, self._holder, LEASED)

    # -- a shard -----------------------------------------------------------------------------
    @deferred
    async def _deliver(self, shard: _Shard) -> None:
        """Read on in this shard, and tell of what is there."""
        now = self._clock.seconds()
        shard.begin(now)
        while await self._batch(shard, now + TURN):
            pass

    async def _batch(self, shard: _Shard, until: float) -> bool:
        """Tell of the next events; answers whether there is more to do in this round."""
        events = await self._catalog.events(shard.number, BATCH, shard.after)
        done: list[Event] = []
        for event in events:
            if self._clock.seconds() >= until:
                break
            if await self._tell(shard.held, event):
                done.append(event)
            shard.passed(event, self._clock.seconds())
        if done:
            await self._catalog.delivered(done)
        if len(events) < BATCH and (not events or shard.after == events[-1].place):
            shard.ended()
            return False
        return self._clock.seconds() < until

    async def _tell(self, held: HeldBack, event: Event) -> bool:
        """Whether nobody needs to hear of this event any more."""
        before = list(event.document.get("told", ()))
        told = list(before)
        waits = False
        for queue in await self._wanting(event.document):
            if queue["Id"] not in before:
                if await self._sent(held, event, queue) or self._is_too_old(event.document, queue):
                    told.append(queue["Id"])
                else:
                    waits = True
        if waits and told != before:
            await self._catalog.told(event, told)
        return not waits

    async def _wanting(self, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The queues that want this event, by the configuration as it is now."""
        try:
            bucket = await self._catalog.bucket(document["bucket"])
        except NoSuchBucket:
            return ()
        if bucket.id != document["bucket_id"]:
            return ()  # another of the same name: its owner may be another
        configuration = (await self._catalog.settings(bucket)).get(SETTING) or {}
        return wanted(configuration, document["name"], document["key"])

    async def _sent(self, held: HeldBack, event: Event, queue: Mapping[str, Any]) -> bool:
        """Send one message, unless something older waits; tells whether it was sent."""
        document, arn = event.document, queue["QueueArn"]
        place = document["bucket_id"], document["key"]
        if held.holds(arn, place):
            return False
        if self._rests.rests(arn, self._clock.seconds()):
            held.hold(arn, self._rests.until(arn))
            return False
        body = message(document, queue["Id"], self._region)
        sending = self._queues.send(
            arn, body, "/".join(place), f"{event.place.hex()} {queue['Id']}"
        )
        try:
            await sending.addTimeout(PATIENCE, self._clock)
        except MessageRefused as error:
            held.hold_key(arn, place, self._clock.seconds() + REFUSED)
            self._log.warn("a message waits: {error}", error=error)
            return False
        except (QueueUnavailable, TimeoutError) as error:
            self._failed(arn, error)
            held.hold(arn, self._rests.until(arn))
            return False
        self._worked(arn)
        return True

    def _worked(self, arn: str) -> None:
        self.delivered += 1
        if self._rests.worked(arn):
            self._log.info("events go to {queue} again", queue=arn)

    def _failed(self, arn: str, error: Exception) -> None:
        if self._rests.failed(arn, self._clock.seconds()):
            reason = error if isinstance(error, QueueUnavailable) else "it did not answer in time"
            self._log.warn("events for {queue} wait: {reason}", queue=arn, reason=reason)

    def _is_too_old(self, document: Mapping[str, Any], queue: Mapping[str, Any]) -> bool:
        """Whether a message that was not sent never will be."""
        age = self._clock.seconds() - document["time"]
        if age < GIVE_UP:
            return False
        self.given_up += 1
        self._log.error(
            "{queue} is not told any more, after {days} days: {name} of {key!r} in {bucket}",
            queue=queue["QueueArn"],
            days=int(age / 86400),
            **{name: document[name] for name in ("bucket", "key", "name")},
        )
        return True
