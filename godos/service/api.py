"""`twistd godos-api`: a stateless server that clients connect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.ssl import CertificateOptions

from godos.messaging.addresses import SqsAddress
from godos.service import common
from godos.service.binding import Binding, bind_guarded
from godos.service.daemon import Assembly
from godos.service.options import DaemonOptions
from godos.service.serving import daemon_service
from godos.service.tls import server_tls
from godos.service.values import State


@frozen
class ApiSettings:
    """What the person who starts it decided.  None: the default depends on the cluster."""

    binding: Binding
    advertise: str | None
    state: State
    queue: SqsAddress | None
    dps: Sequence[str]
    policy: str | None
    tls: CertificateOptions | None
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
        common.TLS_CERT,
        common.TLS_KEY,
        common.LOG_LEVEL,
        common.STOP_TIMEOUT,
    )

    def record(self) -> ApiSettings:
        return ApiSettings(
            binding=bind_guarded(self.chosen, self["allow-anonymous"]),
            advertise=self["advertise"],
            state=self["state"],
            queue=self["queue"],
            dps=self["dps"],
            policy=self["policy"],
            tls=server_tls(self["tls-cert"], self["tls-key"]),
            stop_timeout=self["stop-timeout"],
        )


def makeService(options: Options, reactor: Any = None) -> IService:
    """Twisted calls this; nothing is started yet."""
    return daemon_service(options, assemble, reactor)


def assemble(settings: ApiSettings, reactor: Any) -> Assembly:
    """Pick the implementations and put them in the order in which they start."""
    from godos.service.skeleton import skeleton

    return skeleton("godos-api", settings, reactor)
