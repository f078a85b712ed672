"""The port of a daemon: reserved first, so that its number is known, and opened last."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import CertificateOptions

from godos.deferreds import deferred
from godos.model.errors import CannotStart
from godos.service.binding import Binding
from godos.service.lifecycle import Step
from godos.service.values import joined


class Site(Protocol):
    """As much of a `StreamingSite` as is needed here."""

    def quiesce(self, timeout: float) -> Deferred[None]:
        """Close idle connections, the others after their request or `timeout` seconds."""

    def abort(self) -> None:
        """Break off every connection."""


Listen = Callable[..., IListeningPort]


def bound(binding: Binding) -> socket.socket:
    """
    A socket that has the place, and does not listen.

    Raises:
        CannotStart: the port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in binding.interface else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((binding.interface, binding.port))
    except OSError as error:
        made.close()
        raise _cannot(binding.interface, binding.port, error) from error
    return made


def _cannot(interface: str, port: int, error: OSError) -> CannotStart:
    where = joined(interface or "0.0.0.0", port)
    return CannotStart(f"cannot listen on {where}: {error.strerror or error}")


class Listener:
    """
    The port of a daemon.

    Args:
        listen: as `web.listening.listen`.
        site: makes the site when the port opens; what it serves runs by then.
        stop_timeout: seconds that running requests get at the end.
    """

    def __init__(
        self,
        reactor: Any,
        binding: Binding,
        listen: Listen,
        site: Callable[[], Site],
        stop_timeout: float,
        tls: CertificateOptions | None = None,
    ) -> None:
        self._reactor = reactor
        self._binding = binding
        self._listen = listen
        self._make_site = site
        self._stop_timeout = stop_timeout
        self._tls = tls
        self._reserved: socket.socket | None = None
        self._port: Any = None
        self._site: Site | None = None
        self.number = 0  # of the port, once it is reserved

    @property
    def reserving(self) -> Step:
        """Bind without listening: the number is known, and a port in use is told at once."""
        return Step("reserving the port", self._reserve, self._release)

    @property
    def serving(self) -> Step:
        """Accept connections; its stop ends when the last request is through."""
        return Step("serving requests", self._open, self._close, self._abort)

    @property
    def address(self) -> str:
        """`host:port` at which this machine reaches it."""
        return self._binding.reach(self.number)

    @property
    def url(self) -> str:
        """The same with its scheme."""
        return f"{'http' if self._tls is None else 'https'}://{self.address}"

    def _reserve(self) -> Deferred[None]:
        self._reserved = bound(self._binding)
        self.number = self._reserved.getsockname()[1]
        return succeed(None)

    def _release(self) -> Deferred[None]:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        return succeed(None)

    def _open(self) -> Deferred[None]:
        self._site = self._make_site()
        self._release()
        interface = self._binding.interface
        try:
            self._port = self._listen(
                self._reactor, self._site, self.number, interface, tls=self._tls
            )
        except CannotListenError as error:  # another was faster between the two steps
            raise _cannot(interface, self.number, error.socketError) from error
        return succeed(None)

    @deferred
    async def _close(self) -> None:
        await maybeDeferred(self._port.stopListening)
        assert self._site is not None
        await self._site.quiesce(self._stop_timeout)

    def _abort(self) -> None:
        if self._site is not None:
            self._site.abort()
