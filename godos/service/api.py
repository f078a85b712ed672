"""`twistd godos-api`: a stateless server that clients connect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import CertificateOptions

from godos.cluster.given import GivenServers
from godos.cluster.heartbeat import ApiHeartbeat
from godos.cluster.members import Members
from godos.deferreds import WorkerPool, deferred
from godos.messaging.addresses import SqsAddress
from godos.model.members import ApiServer
from godos.model.names import new_id
from godos.service import common, s3_settings, upkeep_settings
from godos.service.access_log import access_log
from godos.service.addresses import advertised
from godos.service.announce import signers, welcome_api
from godos.service.binding import Binding, bind_clients
from godos.service.daemon import Assembly
from godos.service.front import Front, Surroundings
from godos.service.guests import guests
from godos.service.identity import Belonging
from godos.service.lifecycle import Step, service_step
from godos.service.listening import Listener
from godos.service.middleware import Middleware
from godos.service.options import DaemonOptions
from godos.service.pools import pools_step
from godos.service.s3_settings import S3Settings
from godos.service.serving import daemon_service
from godos.service.state import OpenCatalog
from godos.service.talk import Talk
from godos.service.tls import server_tls
from godos.service.upkeep_settings import UpkeepSettings
from godos.service.values import SqliteState, State
from godos.web.exchange import IExchange
from godos.web.listening import listen
from godos.web.s3.either_authentication import Guard
from godos.web.streaming import StreamingSite

DIGESTS = 2  # threads


@frozen
class ApiSettings:
    """What the person who starts it decided.  None: the default depends on the cluster."""

    binding: Binding
    guard: Guard | None
    s3: S3Settings
    upkeep: UpkeepSettings
    advertise: str | None
    state: State
    queue: SqsAddress | None
    dps: Sequence[str]
    policy: str | None
    tls: CertificateOptions | None
    log_level: Any  # a LogLevel
    stop_timeout: float  # seconds


class Options(DaemonOptions):
    """Of `twistd godos-api`."""

    daemon = "godos-api"
    longdesc = (
        "Start an API server: it keeps nothing itself, finds the catalog in --state, and moves "
        "bytes between clients and data servers."
    )
    settings = (
        common.port(8030),
        common.address("127.0.0.1 with --port"),
        common.ADVERTISE,
        common.STATE,
        common.QUEUE,
        common.DPS,
        common.POLICY,
        common.ALLOW_ANONYMOUS,
        *upkeep_settings.SETTINGS,
        *s3_settings.SETTINGS,
        common.TLS_CERT,
        common.TLS_KEY,
        common.LOG_LEVEL,
        common.STOP_TIMEOUT,
    )

    def record(self) -> ApiSettings:
        return ApiSettings(
            binding=bind_clients(
                self.chosen, self["allow-anonymous"], self["credentials"] is not None
            ),
            guard=guests(
                self["allow-anonymous"],
                self["address"],
                self["advertise"],
                (*self["domain"], *self["website-domain"]),
            ),
            advertise=self["advertise"],
            state=self["state"],
            queue=self["queue"],
            dps=self["dps"],
            policy=self["policy"],
            s3=s3_settings.s3_settings(self, self["queue"]),
            upkeep=upkeep_settings.upkeep_settings(self),
            tls=server_tls(self["tls-cert"], self["tls-key"]),
            log_level=self["log-level"],
            stop_timeout=self["stop-timeout"],
        )


def makeService(options: Options, reactor: Any = None) -> IService:
    """Twisted calls this; nothing is started yet."""
    return daemon_service(options, assemble, reactor)


def assemble(settings: ApiSettings, reactor: Any) -> Assembly:
    """Pick the implementations and put them in the order in which they start."""
    server = ApiServerDaemon(settings, reactor)
    return Assembly("godos-api", server.steps, server.welcome, settings.stop_timeout)


class ApiServerDaemon:
    """Stateless: all it knows is in the catalog and on data servers."""

    def __init__(self, settings: ApiSettings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._id = new_id()
        self._digests = WorkerPool(reactor, "digests", DIGESTS)
        self._catalog = OpenCatalog(reactor, settings.state)
        self._belonging = Belonging(
            self._catalog.get,
            str(settings.state),
            dict,
            may_begin=isinstance(settings.state, SqliteState),
            policy=settings.policy,
        )
        self._talk = Talk(reactor, self._belonging.cluster, self._digests)
        self._middleware = Middleware(reactor, settings.queue, self._talk)
        self._given = GivenServers(settings.dps, self._talk.ask, reactor)
        self._front = Front(
            reactor,
            Surroundings(
                catalog=self._catalog.get,
                cluster=self._belonging.cluster,
                stores={},
                connect=self._talk.fragments,
                way=self._way,
                digests=self._digests,
                policy=settings.policy,
                guard=settings.guard,
                s3=settings.s3,
                upkeep=settings.upkeep,
                relocate=self._given.relocate,
            ),
        )
        self._listener = Listener(
            reactor, settings.binding, listen, self._site, settings.stop_timeout, settings.tls
        )
        self._heartbeat: Any = None

    @property
    def steps(self) -> list[Step]:
        """In the order in which they start."""
        return [
            self._listener.reserving,
            pools_step(self._reactor, self._digests, self._middleware.pool),
            self._catalog.step,
            self._belonging.step,
            self._talk.step,
            service_step("asking the servers of --dps", lambda: succeed(self._given)),
            *self._front.steps,
            service_step("sweeping queues", self._sweep),
            self._listener.serving,
            Step("registering this server", self._register, self._sign_off),
        ]

    def welcome(self) -> list[str]:
        """For the terminal."""
        settings = self._settings
        return welcome_api(
            self._listener.url,
            settings.state,
            settings.queue,
            settings.binding.loopback_only,
            signers(settings.s3, self._front.catalog_users),
        )

    @property
    def _me(self) -> ApiServer:
        settings = self._settings
        address = advertised(settings.advertise, settings.binding, self._listener.number)
        return ApiServer(self._id, address)

    def _way(self, members: Members) -> Deferred[Any]:
        return self._middleware.way(self._me, members, self._belonging.cluster())

    def _sweep(self) -> Deferred[IService]:
        catalog, cluster = self._catalog.get(), self._belonging.cluster()
        return succeed(self._middleware.sweeper(catalog, self._front.members, cluster))

    @deferred
    async def _register(self) -> None:
        self._heartbeat = heartbeat = ApiHeartbeat(self._catalog.get(), self._reactor, self._me)
        await heartbeat.beat()
        heartbeat.startService()

    @deferred
    async def _sign_off(self) -> None:
        await self._heartbeat.stopService()
        await self._heartbeat.farewell()

    def _site(self) -> StreamingSite:
        gate, locator = self._talk.gate(), self._front.locator

        @deferred
        async def heard(reply: Any) -> None:
            locator.handed_over(reply, self._id)

        def located(exchange: IExchange) -> Deferred[None]:
            answering: Deferred[None] = gate.answer(exchange, heard)
            return answering

        return self._front.site(access_log(self._settings.log_level), located)
