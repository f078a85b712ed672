"""The port of a daemon: taken first, so that its number is known, and opened last."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory

from godos.deferreds import deferred
from godos.model.errors import CannotStart
from godos.service.binding import Binding
from godos.service.lifecycle import Step
from godos.service.values import joined

BACKLOG = 511  # connections that wait to be accepted


class Draining(Protocol):
    """A protocol factory that knows its connections."""

    def drain(self) -> Deferred[None]:
        """Close idle connections now, others after their request; fires when none is left."""

    def abort(self) -> None:
        """Break off every connection."""


class Listener:
    """
    The port.

    Args:
        factory: makes the site when the port opens; what it serves runs by then.
    """

    def __init__(
        self,
        reactor: Any,
        binding: Binding,
        factory: Callable[[], Draining],
        tls: CertificateOptions | None = None,
    ) -> None:
        self._reactor = reactor
        self._binding = binding
        self._factory = factory
        self._tls = tls
        self._socket: socket.socket | None = None
        self._port: Any = None
        self._site: Draining | None = None
        self.number = 0  # of the port, once it is taken

    @property
    def taking(self) -> Step:
        """Hold the port without accepting anything: it is known, and nobody else has it."""
        return Step("taking the port", self._take, self._release)

    @property
    def opening(self) -> Step:
        """Accept connections; its stop ends when the last request is through."""
        return Step("serving clients", self._open, self._close, self._abort)

    @property
    def address(self) -> str:
        """`host:port` at which this machine reaches it."""
        return self._binding.reach(self.number)

    @property
    def url(self) -> str:
        """The same with its scheme."""
        return f"{'http' if self._tls is None else 'https'}://{self.address}"

    def _take(self) -> Deferred[None]:
        interface, port = self._binding.interface, self._binding.port
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        taken = socket.socket(family, socket.SOCK_STREAM)
        try:
            taken.setblocking(False)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((interface, port))
        except OSError as error:
            taken.close()
            where = joined(interface or "0.0.0.0", port)
            raise CannotStart(f"cannot listen on {where}: {error.strerror}") from error
        self._socket, self.number = taken, taken.getsockname()[1]
        return succeed(None)

    def _release(self) -> Deferred[None]:
        if self._socket is not None:
            self._socket.close()
        return succeed(None)

    def _open(self) -> Deferred[None]:
        assert self._socket is not None
        site: Any = self._factory()
        self._site = site
        served = site
        if self._tls is not None:
            served = TLSMemoryBIOFactory(self._tls, False, site)
        try:
            self._socket.listen(BACKLOG)
        except OSError as error:  # another bound the same port meanwhile
            raise CannotStart(f"cannot listen on {self.address}: {error.strerror}") from error
        self._port = self._reactor.adoptStreamPort(
            self._socket.fileno(), self._socket.family, served
        )
        self._socket.close()  # the reactor has its own copy
        self._socket = None
        return succeed(None)

    @deferred
    async def _close(self) -> None:
        await maybeDeferred(self._port.stopListening)
        assert self._site is not None
        await self._site.drain()

    def _abort(self) -> None:
        if self._site is not None:
            self._site.abort()
