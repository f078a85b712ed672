"""`twistd godos-data`: the owner of storage folders, each of them a node."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed

from godos.cluster.members import Members
from godos.deferreds import Background, WorkerPool, deferred
from godos.messaging.addresses import SqsAddress
from godos.service import common, upkeep_settings
from godos.service.addresses import advertised
from godos.service.announce import welcome_data
from godos.service.binding import Binding, bind_open
from godos.service.daemon import Assembly
from godos.service.front import finishing_step
from godos.service.hosting import DISK_THREADS, Hosting, disk_opener
from godos.service.identity import Belonging
from godos.service.lifecycle import Step, service_step
from godos.service.listening import Listener
from godos.service.middleware import Middleware
from godos.service.options import DaemonOptions
from godos.service.pools import pools_step
from godos.service.serving import daemon_service
from godos.service.state import OpenCatalog
from godos.service.talk import Talk
from godos.service.upkeep_settings import ScrubSettings
from godos.service.values import SqliteState, State
from godos.web.data import PATIENCE, DataServer
from godos.web.listening import listen
from godos.web.streaming import StreamingSite

DIGESTS = 2  # threads


@frozen
class DataSettings:
    """What the person who starts it decided.  `advertise` None: as it turns out."""

    binding: Binding
    advertise: str | None
    storage: Sequence[Path]
    zone: str
    scrub: ScrubSettings
    state: State
    queue: SqsAddress | None
    stop_timeout: float  # seconds


class Options(DaemonOptions):
    """Of `twistd godos-data`."""

    daemon = "godos-data"
    longdesc = (
        "Start a data server: it keeps what API servers give it in its storage folders. It "
        "answers only servers that know the cluster's secret, so it may listen everywhere."
    )
    settings = (
        common.port(8031),
        common.address("all interfaces with --port"),
        common.ADVERTISE,
        common.storage("/data"),
        common.ZONE,
        *upkeep_settings.OF_DISKS,
        common.STATE,
        common.QUEUE,
        common.LOG_LEVEL,
        common.STOP_TIMEOUT,
    )

    def record(self) -> DataSettings:
        return DataSettings(
            binding=bind_open(self.chosen),
            advertise=self["advertise"],
            storage=common.distinct(self.chosen["storage"].origin, self["storage"]),
            zone=self["zone"] or "",
            scrub=upkeep_settings.scrub_settings(self),
            state=self["state"],
            queue=self["queue"],
            stop_timeout=self["stop-timeout"],
        )


def makeService(options: Options, reactor: Any = None) -> IService:
    """Twisted calls this; nothing is started yet."""
    return daemon_service(options, assemble, reactor)


def assemble(settings: DataSettings, reactor: Any) -> Assembly:
    """Pick the implementations and put them in the order in which they start."""
    server = DataServerDaemon(settings, reactor)
    return Assembly("godos-data", server.steps, server.welcome, settings.stop_timeout)


class DataServerDaemon:
    """The owner of some disks, which other servers of the cluster reach over HTTP."""

    def __init__(self, settings: DataSettings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._digests = WorkerPool(reactor, "digests", DIGESTS)
        self._disks = WorkerPool(reactor, "disk", DISK_THREADS)
        opener = disk_opener(reactor, self._disks)
        self._hosting = Hosting(reactor, settings.storage, settings.zone, opener, settings.scrub)
        self._catalog = OpenCatalog(reactor, settings.state, self._hosting.known)
        self._belonging = Belonging(
            self._catalog.get,
            str(settings.state),
            self._hosting.known,
            may_begin=isinstance(settings.state, SqliteState),
        )
        self._talk = Talk(reactor, self._belonging.cluster, self._digests)
        self._middleware = Middleware(reactor, settings.queue, self._talk)
        self._background = Background()
        self._members: Any = None
        self._uploads: Any = None  # of the site, once there is one
        self._listener = Listener(
            reactor, settings.binding, listen, self._site, settings.stop_timeout
        )

    @property
    def steps(self) -> list[Step]:
        """In the order in which they start."""
        claiming = self._hosting.claiming(self._catalog.get, self._belonging.cluster, self._address)
        return [
            self._listener.reserving,
            pools_step(self._reactor, self._digests, self._disks, self._middleware.pool),
            self._hosting.opening,
            self._catalog.step,
            self._belonging.step,
            self._talk.step,
            finishing_step(self._background),
            service_step("meeting the other servers", self._meet),
            Step("keeping uploads", lambda: succeed(None), self._drop_uploads),
            self._listener.serving,
            claiming,  # who reads the row may ask at once
            service_step("answering questions", self._answer),
        ]

    def welcome(self) -> list[str]:
        """For the terminal."""
        settings = self._settings
        return welcome_data(self._address(), settings.storage, settings.state)

    def _address(self) -> str:
        settings = self._settings
        return advertised(settings.advertise, settings.binding, self._listener.number)

    @deferred
    async def _meet(self) -> IService:
        self._members = members = Members(
            self._catalog.get(),
            self._reactor,
            self._hosting.stores,
            self._talk.fragments,
            time.monotonic,
        )
        await members.refresh()
        return members

    def _drop_uploads(self) -> Deferred[None]:
        """What was not sealed is nobody's any more."""
        if self._uploads is not None:
            self._uploads.drop_all()
        return succeed(None)

    def _answer(self) -> Deferred[IService]:
        return self._middleware.answerer(
            self._address(),
            lambda: list(self._hosting.stores.values()),
            self._members,
            self._catalog.get(),
            self._belonging.cluster(),
        )

    def _site(self) -> StreamingSite:
        stores, gate = self._hosting.stores, self._talk.gate()
        server = DataServer(stores, gate, self._reactor, self._background)
        self._uploads = server.uploads
        site = StreamingSite(
            server.verbs, server.app.resource(), server.is_verb, self._reactor, patience=PATIENCE
        )
        site.noisy = False  # we tell ourselves where we listen
        return site
