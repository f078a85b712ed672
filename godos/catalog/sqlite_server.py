"""The owner of a catalog file serves the other processes of its machine over a socket."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.catalog.closing import Running
from godos.catalog.items import IItemStore
from godos.catalog.sqlite_ownership import SocketPath
from godos.catalog.sqlite_requests import UNAVAILABLE, answer
from godos.catalog.sqlite_wire import GREETING, BadFrame, Frames, to_frame
from godos.deferreds import deferred
from godos.model.errors import CannotStart

MOST_RUNNING = 512  # requests of one connection; its next ones then wait in the socket
_PATIENCE = 5.0  # seconds for the peers to take their last answers when the server stops
_ROOT = 0
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid.  Source: unix(7), SO_PEERCRED


def is_trusted(peer: socket.socket) -> bool:
    """
    Whether the other end of a Unix socket is a process of our own user, or root's.

    Where the system does not tell, the mode of the socket's file has decided already.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    return uid in {os.geteuid(), _ROOT}


def _framed(number: int, outcome: tuple[str, Any]) -> bytes:
    try:
        return to_frame([number, *outcome])
    except ValueError as error:
        return to_frame([number, UNAVAILABLE, f"the answer does not fit: {error}"])


@implementer(IPushProducer)
class ItemsConnection(Protocol):
    """
    One process that asks; `ended` is called with it when it has gone.

    Its requests run side by side.  No more are read while many run, nor while the peer does
    not take its answers, which the transport tells as it does to any producer.
    """

    log = Logger()
    transport: Any

    def __init__(
        self,
        items: IItemStore,
        ended: Callable[[ItemsConnection], None],
        trusted: Callable[[Any], bool] = is_trusted,
    ) -> None:
        self._items, self._ended, self._trusted = items, ended, trusted
        self._frames, self._running = Frames(), Running()
        self._count = 0
        self._greeted = self._busy = self._choked = self._stopping = False
        self._lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        if not self._trusted(self.transport.getHandle()):
            self.log.warn("a process of another user was refused at the catalog's socket")
            self.transport.abortConnection()
            return
        self.transport.registerProducer(self, True)
        self.transport.write(to_frame(GREETING))

    def dataReceived(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._received(message)
        except BadFrame as error:
            self.log.warn("a process at the catalog's socket makes no sense: {why}", why=error)
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        self._ended(self)
        self._lost.callback(None)

    def pauseProducing(self) -> None:
        self._choked = True
        self._set_pace()

    def resumeProducing(self) -> None:
        self._choked = False
        self._set_pace()

    def stopProducing(self) -> None:
        """Nothing to stop: what was asked is finished, though nobody hears of it."""

    @deferred
    async def stop(self) -> None:
        """Answer what was asked so far, and hang up.  What comes now is asked elsewhere."""
        self._stopping = True
        await self._running.idle()
        if self.connected:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            await self._lost

    def _received(self, message: Any) -> None:
        if not self._greeted:
            if message != GREETING:
                raise BadFrame(f"{message!r} for a greeting")
            self._greeted = True
        elif not self._stopping:
            match message:
                case [int(number), str(verb), *arguments]:
                    self._answer(number, verb, arguments).addErrback(self._given_up)
                case _:
                    raise BadFrame("not a request")

    @deferred
    async def _answer(self, number: int, verb: str, arguments: list[Any]) -> None:
        with self._running:
            self._counted(+1)
            try:
                outcome = await answer(self._items, verb, arguments)
            finally:
                self._counted(-1)
            if self.connected:
                self.transport.write(_framed(number, outcome))

    def _given_up(self, failure: Failure) -> None:
        """What was asked was cancelled here; who hangs on is told so by hanging up."""
        failure.trap(CancelledError)
        if self.connected:
            self.transport.abortConnection()

    def _counted(self, step: int) -> None:
        self._count += step
        busy = self._count >= (MOST_RUNNING // 2 if self._busy else MOST_RUNNING)
        if busy != self._busy:
            self._busy = busy
            self._set_pace()

    def _set_pace(self) -> None:
        if not self.connected:
            return
        if self._choked or self._busy:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()


class _Connections(Factory):
    noisy = False

    def __init__(self, items: IItemStore) -> None:
        self._items = items
        self.connections: set[ItemsConnection] = set()

    def buildProtocol(self, _address: IAddress | None) -> ItemsConnection:
        connection = ItemsConnection(self._items, self.connections.discard)
        self.connections.add(connection)
        return connection


class ItemsServer:
    """Lets other processes ask `items` at the socket `path`, a file of mode 0600."""

    def __init__(self, reactor: Any, items: IItemStore, path: str) -> None:
        self._reactor = reactor
        self._path = SocketPath(path)
        self._factory = _Connections(items)
        self._port: Any = None

    def start(self) -> None:
        """
        Listen, in the place of an owner that died.

        Raises:
            CannotStart: the socket cannot be made.
        """
        self._path.clear()
        try:
            self._port = self._reactor.listenUNIX(self._path.short, self._factory, mode=0o600)
        except CannotListenError as error:
            raise CannotStart(f"cannot listen at the catalog's socket: {error}") from error

    @deferred
    async def stop(self) -> None:
        """Answer what was asked, hang up, and leave no socket behind."""
        self._path.restore()  # Twisted removes it, and cannot do without
        await self._port.stopListening()
        connections = list(self._factory.connections)
        ending = DeferredList([connection.stop() for connection in connections])
        try:
            await ending.addTimeout(_PATIENCE, self._reactor)
        except TimeoutError:
            for connection in self._factory.connections:
                connection.transport.abortConnection()
        self._path.close()
