"""
Whom a server without credentials lets in: people and programs on its machine, not web pages.

A browser on that machine is on it, too, and so is what any page makes it send.  Why these
rules: `docs/decisions/web-pages.rst`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from godos.model.errors import AccessDenied
from godos.web.exchange import IExchange

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/?#\s]+)(?::[0-9]*)?")
_READS = frozenset((b"GET", b"HEAD", b"OPTIONS"))
_REMEMBERED = 256  # Host headers


class OwnMachine:
    """
    The guard of a server without credentials that only its own machine can connect to.

    Args:
        names: of the machine, beside `localhost`.
        domains: whose names, and all below them, the operator gave to this server.
    """

    def __init__(self, names: Iterable[str] = (), domains: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in ("localhost", *names, *domains))
        self._suffixes = (".localhost", *("." + name.lower() for name in domains))
        self._is_ours = lru_cache(_REMEMBERED)(self._read_host)

    def __call__(self, exchange: IExchange) -> None:
        """
        Refuse what a page of somebody else's may have made a browser send.

        Raises:
            AccessDenied: this is such a request.
        """
        host, origin = exchange.header(b"host"), exchange.header(b"origin")
        # over TLS the browser has compared the name with our certificate's
        if host and not exchange.secure and not self._is_ours(host):
            raise _stranger(host)
        if origin is not None and exchange.method not in _READS and not _is_same(origin, host):
            raise AccessDenied(f"a page of {_shown(origin)} may not change what is here")

    def _read_host(self, host: bytes) -> bool:
        """Whether no name server that is somebody else's can have led a browser here."""
        match = _HOST.fullmatch(host.decode("latin-1").lower())
        if match is None:
            return False
        name = match[1].rstrip(".")
        return name in self._names or name.endswith(self._suffixes) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_same(origin: bytes, host: bytes | None) -> bool:
    """Whether a page came from where its request goes.  Source: RFC 6454, section 7."""
    scheme, _, where = origin.lower().partition(b"://")
    return scheme in (b"http", b"https") and where == (host or b"").lower()


def _stranger(host: bytes) -> AccessDenied:
    return AccessDenied(
        "without credentials this server answers only to localhost, IP addresses and its own "
        f"names, and not to {_shown(host)}: name it with --address, or let everybody in with "
        "--allow-anonymous"
    )


def _shown(value: bytes) -> str:
    return ascii(value[:100].decode("latin-1"))
