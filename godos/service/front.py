"""What clients talk to: the use cases over catalog and nodes, and HTTP above them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed

from godos.cluster.locator import Locator
from godos.cluster.members import Members
from godos.deferreds import Background, InThread, WorkerPool, deferred
from godos.model.catalog import ICatalog
from godos.model.errors import GodosError, Unavailable
from godos.model.members import Cluster, Node
from godos.model.names import new_id
from godos.objects.collection import Collector
from godos.objects.credentials import Credentials
from godos.objects.keys import Keys
from godos.objects.lifecycle import Lifecycle
from godos.objects.notifications import Notifier
from godos.objects.objects import Objects
from godos.objects.placing import Placer
from godos.objects.redundancy import Redundancy
from godos.objects.sources import Sources
from godos.objects.trials import Trials
from godos.objects.usage import UsageSurvey
from godos.service.health_pages import health_pages
from godos.service.lifecycle import Step, service_step
from godos.service.notifications import EventQueues
from godos.service.pools import pools_step
from godos.service.s3 import s3_front
from godos.service.s3_settings import S3Settings
from godos.service.talk import LOCATED
from godos.service.upkeep import Upkeep
from godos.service.upkeep_settings import UpkeepSettings
from godos.web.admin import Admin
from godos.web.channel_exchange import Verbs
from godos.web.counters import AccessLog, Counters
from godos.web.exchange import IExchange
from godos.web.s3.either_authentication import Guard
from godos.web.streaming import StreamingSite
from godos.web.target import is_verb

SENDS = 8  # threads


@frozen
class Surroundings:
    """
    What a front is put into; functions answer once earlier steps have run.

    Args:
        stores: of the nodes in this process.
        connect: makes the `IFragmentStore` of a node elsewhere.
        way: makes the `IWay` that locate goes.
        digests: where bodies are hashed.
        policy: of new objects; None follows the cluster's.
        guard: looks at requests while there are no users; None lets everybody in.
        s3: what was decided of the S3 API.
        upkeep: what was decided of how the store looks after itself.
        relocate: see `Members`.
        alone: whether this is the only server of its catalog.
    """

    catalog: Callable[[], ICatalog]
    cluster: Callable[[], Cluster]
    stores: Mapping[str, Any]
    connect: Callable[[Node], Any]
    way: Callable[[Members], Deferred[Any]]
    digests: InThread
    policy: str | None
    guard: Guard | None
    s3: S3Settings
    upkeep: UpkeepSettings
    relocate: Callable[[Node], Node] = lambda node: node
    alone: bool = False


def finishing_step(background: Background) -> Step:
    """Start nothing; at the end wait for this background work."""
    return Step(
        "finishing what requests left", lambda: succeed(None), background.idle, background.cancel
    )


class Front:
    """The use cases, what they stand on, and the site that serves them."""

    def __init__(self, reactor: Any, around: Surroundings) -> None:
        self._reactor = reactor
        self._around = around
        self._background = Background()
        self.members: Any = None
        self.locator: Any = None
        self._placer: Any = None
        self._collector: Any = None
        self.objects: Any = None
        self.catalog_users = 0  # when this started
        self._sources: Any = None
        self._redundancy = Redundancy(around.upkeep.classes, self._policy)
        self.upkeep = Upkeep(
            reactor, around.catalog, lambda: self._sources, self._redundancy, around.upkeep
        )
        self._sends = WorkerPool(reactor, "events", SENDS)
        s3 = around.s3
        self._queues = EventQueues(self._sends, s3.notifications_endpoint, s3.notifications_queues)

    @property
    def steps(self) -> list[Step]:
        """In order; after them the port may open."""
        return [
            pools_step(self._reactor, self._sends),
            service_step("meeting the other servers", self._meet),
            service_step("preparing to locate", self._locate),
            Step("putting the use cases together", self._assemble, lambda: succeed(None)),
            *self.upkeep.steps,
            service_step("collecting what nobody needs", self._collect),
            service_step("expiring objects by their rules", self._expire),
            service_step("counting what buckets hold", self._count),
            service_step("telling queues of events", self._notify),
            Step("counting users", self._count_users, lambda: succeed(None)),
            finishing_step(self._background),
        ]

    @deferred
    async def _meet(self) -> IService:
        around = self._around
        self.members = members = Members(
            around.catalog(),
            self._reactor,
            around.stores,
            around.connect,
            time.monotonic,
            relocate=around.relocate,
        )
        await members.refresh()
        return members

    @deferred
    async def _locate(self) -> IService:
        way = await self._around.way(self.members)
        self.locator = locator = Locator(self._reactor, way, self.members.registered)
        return locator

    def _collect(self) -> Deferred[IService]:
        catalog = self._around.catalog()
        grace = self._around.upkeep.collect_after
        self._collector = Collector(
            catalog, self.members, self.locator, self._reactor, new_id(), grace, min(60.0, grace)
        )
        return succeed(self._collector)

    def _expire(self) -> Deferred[IService]:
        catalog, day = self._around.catalog(), self._around.s3.lifecycle_day
        return succeed(Lifecycle(catalog, self._reactor, new_id(), day))

    def _count(self) -> Deferred[IService]:
        return succeed(UsageSurvey(self._around.catalog(), self._reactor, new_id()))

    def _notify(self) -> Deferred[IService]:
        around = self._around
        # Who is alone needs not wait after a restart, until its own lease has run out.
        holder = around.cluster().id if around.alone else new_id()
        region = around.s3.region
        return succeed(Notifier(around.catalog(), self._queues, self._reactor, holder, region))

    @deferred
    async def _count_users(self) -> None:
        self.catalog_users = len(await self._around.catalog().users())

    def _assemble(self) -> Deferred[None]:
        catalog, reactor, members = self._around.catalog(), self._reactor, self.members
        self._placer = Placer(members, reactor, self._policy)
        digests = self._around.digests
        self._sources = sources = Sources(
            catalog, members, self.locator, reactor, self._background, digests
        )
        s3 = self._around.s3
        keys = Keys(s3.master_key, s3.kms_keys)
        self.objects = Objects.over(
            catalog, self._placer, sources, keys, digests, reactor.seconds, self._redundancy
        )
        return succeed(None)

    def _policy(self) -> str:
        return self._around.policy or self._around.cluster().policy

    @deferred
    async def unready(self) -> Sequence[str]:
        """Why objects cannot be stored or read now; empty when they can."""
        reasons: list[str] = []
        try:
            await self._around.catalog().cluster()
        except GodosError as error:
            reasons.append(f"the catalog does not answer: {error}")
        try:
            self._placer.plan()
        except Unavailable as error:
            reasons.append(str(error))
        return reasons

    def site(self, access_log: AccessLog, located: Verbs | None = None) -> StreamingSite:
        """
        The HTTP site.

        Args:
            located: answers requests for `LOCATED`, where other servers hand replies over.
        """
        counters, reactor, around = Counters(), self._reactor, self._around
        s3 = s3_front(
            reactor,
            self.objects,
            Credentials(around.s3.users, around.catalog(), reactor),
            around.s3,
            around.guard,
            around.digests,
            counters,
            access_log,
            reactor.seconds,
            Trials(self._queues, reactor),
        )
        verbs = s3.serving.serve
        authorise = s3.pipeline.admit
        pages = health_pages(
            reactor,
            around.catalog(),
            self.members,
            authorise,
            self.upkeep,
            lambda: self._collector,
            self._background,
        )
        admin = Admin(self.objects, authorise, verbs, self.unready, counters, reactor, pages)

        def of_bucket(exchange: IExchange) -> bool:
            """Whether the host is a bucket, in which every path is a key."""
            return bool(s3.hosts.of(exchange).bucket)

        serve = verbs if located is None else either(located, verbs, of_bucket)

        def is_ours(exchange: IExchange) -> bool:
            """Whether the request is of S3 (or the hand-over's), and not an admin resource."""
            return (
                is_verb(exchange.target, exchange.method)
                or of_bucket(exchange)
                or (located is not None and _is_handed_over(exchange))
            )

        site = StreamingSite(serve, admin.app.resource(), is_ours, reactor)
        site.noisy = False  # we tell ourselves where we listen
        return site


_LOCATED = LOCATED.encode("ascii")


def _is_handed_over(exchange: IExchange) -> bool:
    return (exchange.method, exchange.target) == (b"POST", _LOCATED)


def either(located: Verbs, others: Verbs, of_bucket: Callable[[IExchange], bool]) -> Verbs:
    """The hand-over's requests to `located`, and `others` for all other verbs."""

    def serve(exchange: IExchange) -> Deferred[None]:
        ours = _is_handed_over(exchange) and not of_bucket(exchange)
        return (located if ours else others)(exchange)

    return serve
