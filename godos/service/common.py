"""The settings that several daemons have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from godos.messaging.addresses import parse_queue
from godos.service import values
from godos.service.settings import Setting, SettingError

TLS_CERT = Setting(
    "tls-cert",
    "Serve HTTPS (TLS 1.2 or newer) with the certificate chain in this PEM file.",
    values.path,
)
TLS_KEY = Setting("tls-key", "PEM file with the private key of --tls-cert.", values.path)
LOG_LEVEL = Setting(
    "log-level",
    "Log events of this level and above: debug, info, warn or error.",
    values.level,
    "info",
)
STOP_TIMEOUT = Setting(
    "stop-timeout",
    "After SIGTERM let running requests finish for this many seconds, then break them off.",
    values.seconds,
    "10",
)
STATE = Setting(
    "state",
    "Where the catalog is: sqlite:PATH for one machine, or "
    "dynamodb:TABLE[?region=…&endpoint=…], a table made by `godos state init`.",
    values.state,
    "sqlite:godos-state.sqlite",
)
QUEUE = Setting(
    "queue",
    "What carries questions between servers: none (plain HTTP), or "
    "sqs:NAME[?region=…&endpoint=…&own=1] for the queues NAME and NAME-located.",
    parse_queue,
    "none",
)
POLICY = Setting(
    "policy",
    "How nodes keep each new object: copies=N, ec=K+M (any K of K + M fragments suffice), or auto "
    "for as many copies as there are nodes, up to 3.",
    values.policy,
    shown="the cluster's, which is auto at first",
)
ADVERTISE = Setting(
    "advertise",
    "HOST:PORT at which the other servers reach this one.",
    values.reachable,
    shown="the address it listens on; this machine's own when that is all of them",
)
ALLOW_ANONYMOUS = Setting(
    "allow-anonymous",
    "Let everybody who can connect read and write everything. Without it, and as long as there "
    "are no credentials, only this machine can connect.",
    flag=True,
)
DPS = Setting(
    "dps",
    "Data servers HOST:PORT,HOST:PORT,… to reach at these addresses, whatever they advertise. "
    "Those not named here are found in the catalog.",
    values.servers,
    "",
    shown="none",
)
ZONE = Setting(
    "zone",
    "Failure domain, such as a rack, of this server's nodes: copies go to different zones first.",
    values.zone,
)


def port(default: int) -> Setting:
    """`--port` with this default."""
    return Setting(
        "port", "TCP port to listen on; 0 takes any that is free.", values.port, str(default)
    )


def address(default: str) -> Setting:
    """`--address`, of whose default this is said."""
    return Setting(
        "address",
        "Listen on HOST:PORT, :PORT or [::1]:PORT; its port is an alternative to --port.",
        values.address,
        shown=default,
    )


def storage(default: str) -> Setting:
    """`--storage` with this default."""
    return Setting(
        "storage",
        "Folder to keep bytes in, one disk each; it is made when missing.",
        values.path,
        default,
        repeatable=True,
    )


def distinct(origin: str, folders: Sequence[Path]) -> Sequence[Path]:
    """
    Storage folders, each named once.

    Raises:
        SettingError: one is named twice, perhaps by another path.
    """
    seen: set[str] = set()
    for folder in folders:
        real = os.path.realpath(folder)
        if real in seen:
            raise SettingError(f"{origin}: {folder} is named twice")
        seen.add(real)
    return folders
