"""Bodies of answers from other servers: a small one taken whole, and verified blocks."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse

from godos.cluster.patience import within
from godos.deferreds import deferred
from godos.model.errors import FragmentDamaged, NodeUnreachable
from godos.model.fragments import CHUNK
from godos.protocol.fragment_wire import Unframer


class TooLong(Exception):
    """An answer is longer than any that makes sense."""


def collected(response: IResponse, limit: int) -> Deferred[bytes]:
    """
    The whole body of an answer.  Cancelling breaks the connection.

    Fails with TooLong beyond `limit` bytes, and with the network's errors.
    """
    collector = _Collector(limit)
    response.deliverBody(collector)
    return collector.done


def dropped(response: IResponse) -> None:
    """Break the connection of an answer that is not wanted."""
    response.deliverBody(_Dropped())


class _Dropped(Protocol):
    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class _Collector(Protocol):
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self.done: Deferred[bytes] = Deferred(lambda _: self._break())

    def dataReceived(self, data: bytes) -> None:
        self._limit -= len(data)
        if self._limit >= 0:
            self._parts.append(data)
        elif not self.done.called:
            self.done.errback(TooLong("the answer is too long"))
            self._break()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)

    def _break(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


class BlockReceiver(Protocol):
    """
    Receives the body of a GET and gives its verified bytes to one reader.

    The connection rests while `CHUNK` verified bytes wait for the reader.

    Args:
        address: of the node, for messages.
        patience: seconds for which the node may send nothing while the reader waits.
    """

    def __init__(
        self, unframer: Unframer, address: str, clock: IReactorTime, patience: float
    ) -> None:
        self._unframer = unframer
        self._address = address
        self._clock = clock
        self._patience = patience
        self._failure: Failure | None = None
        self._resting = False
        self._waiting: Deferred[None] | None = None
        self._over = False  # the connection is not ours any more

    # -- the reader's side --------------------------------------------------------------------
    @deferred
    async def header(self) -> Unframer:
        """
        Wait for the header frame; answers the unframer, which then has it.

        Fails: as `read`.
        """
        while self._unframer.header is None:
            await self._more()
        return self._unframer

    def read(self) -> Deferred[bytes]:
        """
        The next verified bytes, at most `CHUNK`; b"" after the last.

        Fails:
            FragmentDamaged: what came next fails its check.
            NodeUnreachable: the connection broke, or nothing came for too long.
        """
        if self._unframer.ready:
            return succeed(self._take())
        return self._read_later()

    @deferred
    async def _read_later(self) -> bytes:
        while not self._unframer.ready and not self._unframer.ended:
            await self._more()
        return self._take()

    def _take(self) -> bytes:
        data = self._unframer.take(CHUNK)
        if self._resting and not self._over:
            self._resting = False
            self._transport.resumeProducing()
        return data

    def _more(self) -> Deferred[None]:
        if self._failure is not None:
            return fail(self._failure)
        self._waiting = Deferred()
        silence = f"{self._address} sent nothing"
        waiting = within(self._patience, self._clock, self._waiting, silence)
        return waiting.addErrback(self._gave_up)

    def _gave_up(self, failure: Failure) -> Failure:
        if isinstance(failure.value, NodeUnreachable):
            self._fail(failure.value)
        return failure

    def close(self) -> None:
        """Let go of the connection: it is broken unless the answer is just ending."""
        self._fail(NodeUnreachable("the reader was closed"), broken=not self._unframer.ended)

    def _fail(self, error: Exception, broken: bool = True) -> None:
        """Nothing more will come; what is ready stays."""
        if self._failure is None:
            self._failure = Failure(error)
        if broken and not self._over:
            self._over = True
            if self._transport is not None:
                self._transport.loseConnection()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            if self._failure is None:
                waiting.callback(None)
            else:
                waiting.errback(self._failure)

    @property
    def _transport(self) -> Any:
        return self.transport

    # -- the connection's side ----------------------------------------------------------------
    def dataReceived(self, data: bytes) -> None:
        """Called by the response; after a failure, what still comes is dropped."""
        if self._failure is not None:
            return
        try:
            self._unframer.feed(data)
        except FragmentDamaged as error:
            self._fail(error)
            return
        if self._unframer.held >= CHUNK and not self._resting:
            self._resting = True
            self._transport.pauseProducing()
        if not self._unframer.ended:  # else the response's end follows, and frees the connection
            self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the response at its end, or when the connection broke."""
        self._over = True
        if not self._unframer.ended:
            what = (
                "ended the answer early" if reason.check(ResponseDone) else "broke the connection"
            )
            self._fail(NodeUnreachable(f"{self._address} {what}"))
        self._wake()
