"""Whom a server that clients use lets in while there are no credentials."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from godos.service.values import Address, address
from godos.web.own_machine import OwnMachine
from godos.web.s3.either_authentication import Guard


def guests(
    allow_anonymous: bool,
    listens: Address | None,
    advertised: str | None = None,
    domains: Sequence[str] = (),
    machine_name: Callable[[], str] = socket.gethostname,
) -> Guard | None:
    """
    Everybody (None) when that was asked for; else this machine, to which the port is bound.

    Args:
        listens: what `--address` says; a name in it is one that people may use.
        advertised: the same for `--advertise`.
        domains: of `--domain` and `--website-domain`.
    """
    if allow_anonymous:
        return None
    hosts = [where.host for where in (listens, advertised and address(advertised)) if where]
    return OwnMachine([machine_name(), *(host for host in hosts if host)], domains)
