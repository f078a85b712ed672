"""Whom a server that clients use lets in while there are no credentials."""

from __future__ import annotations

import socket
from collections.abc import Callable

from godos.web.access import Authorise, allow_anyone
from godos.web.own_machine import OwnMachine


def guests(
    allow_anonymous: bool, machine_name: Callable[[], str] = socket.gethostname
) -> Authorise:
    """Everybody when that was asked for; else this machine, to which the port is bound."""
    return allow_anyone if allow_anonymous else OwnMachine([machine_name()])
