"""`twistd godos`: everything in one process, the catalog inside the first storage folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.ssl import CertificateOptions

from godos.service import common
from godos.service.binding import Binding, bind_guarded
from godos.service.daemon import Assembly
from godos.service.options import DaemonOptions
from godos.service.serving import daemon_service
from godos.service.tls import server_tls


@frozen
class EmbeddedSettings:
    """What the person who starts it decided.  `policy` None: the cluster's."""

    binding: Binding
    storage: Sequence[Path]
    policy: str | None
    tls: CertificateOptions | None
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
        common.TLS_CERT,
        common.TLS_KEY,
        common.LOG_LEVEL,
        common.STOP_TIMEOUT,
    )

    def record(self) -> EmbeddedSettings:
        return EmbeddedSettings(
            binding=bind_guarded(self.chosen, self["allow-anonymous"]),
            storage=common.distinct(self.chosen["storage"].origin, self["storage"]),
            policy=self["policy"],
            tls=server_tls(self["tls-cert"], self["tls-key"]),
            stop_timeout=self["stop-timeout"],
        )


def makeService(options: Options, reactor: Any = None) -> IService:
    """Twisted calls this; nothing is started yet."""
    return daemon_service(options, assemble, reactor)


def assemble(settings: EmbeddedSettings, reactor: Any) -> Assembly:
    """Pick the implementations and put them in the order in which they start."""
    from godos.service.skeleton import skeleton

    return skeleton("godos", settings, reactor)
