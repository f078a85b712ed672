"""`twistd godos`: everything in one process, the catalog inside the first storage folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import CertificateOptions

from godos.cluster.asking import LocalStores
from godos.cluster.members import Members
from godos.cluster.ways import DirectWay
from godos.deferreds import WorkerPool
from godos.model.members import Node
from godos.protocol.answering import HeldBy
from godos.service import common, s3_settings, upkeep_settings
from godos.service.access_log import access_log
from godos.service.announce import signers, welcome_embedded
from godos.service.binding import Binding, bind_clients
from godos.service.daemon import Assembly
from godos.service.front import Front, Surroundings
from godos.service.guests import guests
from godos.service.hosting import DISK_THREADS, Hosting, disk_opener
from godos.service.identity import Belonging
from godos.service.lifecycle import Step
from godos.service.listening import Listener
from godos.service.options import DaemonOptions
from godos.service.pools import pools_step
from godos.service.s3_settings import S3Settings
from godos.service.serving import daemon_service
from godos.service.state import OpenCatalog
from godos.service.tls import server_tls
from godos.service.upkeep_settings import ScrubSettings, UpkeepSettings
from godos.service.values import SqliteState
from godos.web.listening import listen
from godos.web.s3.either_authentication import Guard
from godos.web.streaming import StreamingSite

CATALOG = "catalog.sqlite"  # in the first storage folder
DIGESTS = 2  # threads


@frozen
class EmbeddedSettings:
    """What the person who starts it decided.  `policy` None: the cluster's."""

    binding: Binding
    guard: Guard | None
    s3: S3Settings
    upkeep: UpkeepSettings
    scrub: ScrubSettings
    storage: Sequence[Path]
    policy: str | None
    tls: CertificateOptions | None
    log_level: Any  # a LogLevel
    stop_timeout: float  # seconds


class Options(DaemonOptions):
    """Of `twistd godos`."""

    daemon = "godos"
    longdesc = (
        "Start an object store that needs nothing else: it listens on this machine and keeps "
        "objects and catalog in one folder."
    )
    settings = (
        common.port(8030),
        common.address("127.0.0.1 with --port"),
        common.storage("godos-data"),
        common.POLICY,
        common.ALLOW_ANONYMOUS,
        *upkeep_settings.SETTINGS,
        *upkeep_settings.OF_DISKS,
        *s3_settings.SETTINGS,
        common.TLS_CERT,
        common.TLS_KEY,
        common.LOG_LEVEL,
        common.STOP_TIMEOUT,
    )

    def record(self) -> EmbeddedSettings:
        return EmbeddedSettings(
            binding=bind_clients(
                self.chosen, self["allow-anonymous"], self["credentials"] is not None
            ),
            guard=guests(
                self["allow-anonymous"],
                self["address"],
                domains=(*self["domain"], *self["website-domain"]),
            ),
            storage=common.distinct(self.chosen["storage"].origin, self["storage"]),
            policy=self["policy"],
            s3=s3_settings.s3_settings(self),
            upkeep=upkeep_settings.upkeep_settings(self),
            scrub=upkeep_settings.scrub_settings(self),
            tls=server_tls(self["tls-cert"], self["tls-key"]),
            log_level=self["log-level"],
            stop_timeout=self["stop-timeout"],
        )


def makeService(options: Options, reactor: Any = None) -> IService:
    """Twisted calls this; nothing is started yet."""
    return daemon_service(options, assemble, reactor)


def assemble(settings: EmbeddedSettings, reactor: Any) -> Assembly:
    """Pick the implementations and put them in the order in which they start."""
    server = EmbeddedServer(settings, reactor)
    return Assembly("godos", server.steps, server.welcome, settings.stop_timeout)


class EmbeddedServer:
    """All of godos in one process; fragments do not pass through a network."""

    def __init__(self, settings: EmbeddedSettings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._digests = WorkerPool(reactor, "digests", DIGESTS)
        self._disks = WorkerPool(reactor, "disk", DISK_THREADS)
        self._hosting = Hosting(
            reactor,
            settings.storage,
            "",
            disk_opener(reactor, self._disks, beside=(CATALOG,)),
            settings.scrub,
        )
        self._state = SqliteState(settings.storage[0] / CATALOG)
        self._catalog = OpenCatalog(reactor, self._state, self._hosting.known)
        self._belonging = Belonging(
            self._catalog.get, str(self._state), self._hosting.known, True, settings.policy
        )
        self._front = Front(
            reactor,
            Surroundings(
                catalog=self._catalog.get,
                cluster=self._belonging.cluster,
                stores=self._hosting.stores,
                connect=_nowhere_else,
                way=self._way,
                digests=self._digests,
                policy=settings.policy,
                guard=settings.guard,
                s3=settings.s3,
                upkeep=settings.upkeep,
                alone=True,
            ),
        )
        self._listener = Listener(
            reactor, settings.binding, listen, self._site, settings.stop_timeout, settings.tls
        )

    @property
    def steps(self) -> list[Step]:
        """In the order in which they start."""
        claiming = self._hosting.claiming(
            self._catalog.get, self._belonging.cluster, lambda: self._listener.address
        )
        return [
            self._listener.reserving,
            pools_step(self._reactor, self._digests, self._disks),
            self._hosting.opening,
            self._catalog.step,
            self._belonging.step,
            claiming,
            *self._front.steps,
            self._listener.serving,
        ]

    def welcome(self) -> list[str]:
        """For the terminal."""
        settings = self._settings
        return welcome_embedded(
            self._listener.url,
            settings.storage,
            self._state,
            settings.binding.loopback_only,
            signers(settings.s3, self._front.catalog_users),
        )

    def _site(self) -> StreamingSite:
        return self._front.site(access_log(self._settings.log_level))

    def _way(self, members: Members) -> Deferred[DirectWay]:
        local = LocalStores(self._hosting.stores.values)

        def ask(_address: str, names: Sequence[str]) -> Deferred[HeldBy]:
            return local.holds(names)

        return succeed(DirectWay(self._reactor, members.registered, ask))


def _nowhere_else(_: Node) -> None:
    """A node that is registered, but whose folder was not given with `--storage`."""
