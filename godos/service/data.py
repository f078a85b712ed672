"""`twistd godos-data`: the owner of storage folders, each of them a node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import IService

from godos.messaging.addresses import SqsAddress
from godos.service import common
from godos.service.binding import Binding, bind_open
from godos.service.daemon import Assembly
from godos.service.options import DaemonOptions
from godos.service.serving import daemon_service
from godos.service.values import State


@frozen
class DataSettings:
    """What the person who starts it decided.  `advertise` None: as it turns out."""

    binding: Binding
    advertise: str | None
    storage: Sequence[Path]
    zone: str
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
            state=self["state"],
            queue=self["queue"],
            stop_timeout=self["stop-timeout"],
        )


def makeService(options: Options, reactor: Any = None) -> IService:
    """Twisted calls this; nothing is started yet."""
    return daemon_service(options, assemble, reactor)


def assemble(settings: DataSettings, reactor: Any) -> Assembly:
    """Pick the implementations and put them in the order in which they start."""
    from godos.service.skeleton import skeleton

    return skeleton("godos-data", settings, reactor)
