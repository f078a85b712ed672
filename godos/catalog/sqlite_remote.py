"""The item store of another process of this machine, asked over its socket."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.catalog.closing import Once, Running
from godos.catalog.items import Action, IItemStore, Item, Page, ScanPage
from godos.catalog.sqlite_ownership import SocketPath
from godos.catalog.sqlite_requests import DONE, failure
from godos.catalog.sqlite_wire import (
    GREETING,
    BadFrame,
    Frames,
    pack,
    pack_action,
    to_frame,
    unpack,
    unpack_item,
    unpack_items,
)
from godos.deferreds import deferred
from godos.model.errors import CannotStart, CatalogUnavailable

PATIENCE = 10.0  # seconds for an answer
_CONNECT = 5.0  # seconds to connect, and again to be greeted


class OwnerGone(CatalogUnavailable):
    """The owner hung up or died.  What was asked may have been done: send it again."""


@implementer(IItemStore)
class RemoteItems:
    """Made by `connect`.  `gone` fires when the connection has ended, for whatever reason."""

    def __init__(self, line: _Line, clock: IReactorTime, patience: float) -> None:
        self._line, self._clock, self._patience = line, clock, patience
        self._running = Running()
        self.gone = line.gone
        self.close = Once(self._close)

    @classmethod
    @deferred
    async def connect(cls, path: str, reactor: Any, patience: float = PATIENCE) -> RemoteItems:
        """
        Reach the owner at the socket `path`.

        Fails:
            OwnerGone: nobody listens there.
            CannotStart: the owner speaks another language.
        """
        line = await _reach(path, reactor)
        try:
            await line.greeted.addTimeout(_CONNECT, reactor)
        except (TimeoutError, CancelledError) as error:
            line.hang_up()
            if isinstance(error, CancelledError):
                raise
            raise OwnerGone("the catalog's owner says nothing") from error
        return cls(line, reactor, patience)

    @deferred
    async def get(self, p: str, s: bytes) -> Item | None:
        return unpack_item(await self._ask("get", p, pack(s)))

    @deferred
    async def get_many(self, places: Sequence[tuple[str, bytes]]) -> Sequence[Item | None]:
        found = await self._ask("get_many", [[p, pack(s)] for p, s in places])
        return [unpack_item(packed) for packed in found]

    @deferred
    async def query(
        self,
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,  # noqa: ARG002  (all reads of one file are strong)
    ) -> Page:
        upto = None if stop is None else pack(stop)
        cursor, *items = await self._ask("query", p, pack(start), upto, limit, reverse)
        return Page(unpack_items(items), None if cursor is None else unpack(cursor))

    @deferred
    async def transact(self, actions: Sequence[Action], token: str) -> None:
        await self._ask("transact", [pack_action(action) for action in actions], token)

    @deferred
    async def scan(self, cursor: str | None = None, limit: int = 1000) -> ScanPage:
        following, *items = await self._ask("scan", cursor, limit)
        return ScanPage(unpack_items(items), following)

    async def _ask(self, verb: str, *arguments: Any) -> Any:
        if self.close.started:
            raise CatalogUnavailable("the catalog is closed")
        with self._running:
            answer = self._line.ask(verb, arguments)
            try:
                outcome, value = await answer.addTimeout(self._patience, self._clock)
            except TimeoutError as error:
                raise CatalogUnavailable("the catalog's owner did not answer in time") from error
        if outcome != DONE:
            raise failure(outcome, value)
        return value

    @deferred
    async def _close(self) -> None:
        await self._running.idle()
        self._line.hang_up()
        await self.gone()


@deferred
async def _reach(path: str, reactor: Any) -> _Line:
    where = SocketPath(path)
    try:
        endpoint = UNIXClientEndpoint(reactor, where.short, timeout=_CONNECT)
        line: _Line = await endpoint.connect(_Lines())
    except ConnectError as error:
        raise OwnerGone(f"nobody serves the catalog at {path}") from error
    finally:
        where.close()
    return line


class _Line(Protocol):
    """The asking end of a connection."""

    transport: Any

    def __init__(self) -> None:
        self._frames, self._numbers = Frames(), count(1)
        self._asked: dict[int, Deferred[tuple[str, Any]]] = {}
        self._ended = False
        self._ending: list[Deferred[None]] = []
        self.greeted: Deferred[None] = Deferred()

    def gone(self) -> Deferred[None]:
        """Fires when the connection has ended."""
        waiting: Deferred[None] = Deferred()
        if self._ended:
            waiting.callback(None)
        else:
            self._ending.append(waiting)
        return waiting

    def ask(self, verb: str, arguments: Sequence[Any]) -> Deferred[tuple[str, Any]]:
        """Send a request; its outcome and value.  Fails with OwnerGone, ValueError."""
        if self._ended:
            return fail(OwnerGone("the catalog's owner has gone"))
        number = next(self._numbers)
        frame = to_frame([number, verb, *arguments])
        answer: Deferred[tuple[str, Any]] = Deferred(lambda _: self._forget(number))
        self._asked[number] = answer
        self.transport.write(frame)
        return answer

    def _forget(self, number: int) -> None:
        self._asked.pop(number, None)

    def hang_up(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    def connectionMade(self) -> None:
        self.transport.write(to_frame(GREETING))

    def dataReceived(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._received(message)
        except BadFrame:
            self.hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = True
        gone = OwnerGone(f"the catalog's owner has gone: {reason.getErrorMessage()}")
        asked, self._asked = self._asked, {}
        if not self.greeted.called:
            self.greeted.errback(gone)
        for answer in asked.values():
            answer.errback(gone)
        ending, self._ending = self._ending, []
        for waiting in ending:
            waiting.callback(None)

    def _received(self, message: Any) -> None:
        if not self.greeted.called:
            if message == GREETING:
                self.greeted.callback(None)
            else:
                self.greeted.errback(CannotStart(f"the catalog's owner says {message!r}"))
                self.hang_up()
            return
        match message:
            case [int(number), str(outcome), value]:
                # One that was given up is no longer asked: its answer is for nobody.
                if number in self._asked:
                    self._asked.pop(number).callback((outcome, value))
            case _:
                raise BadFrame("not an answer")


class _Lines(Factory):
    noisy = False

    def buildProtocol(self, _address: IAddress | None) -> _Line:
        return _Line()
