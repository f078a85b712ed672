"""
A client that sends requests made beforehand, over a few standing connections.

It spends little on the machine that it shares with the server, and sends exactly what it
is given: each request once, in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from attrs import define, field, frozen

PATIENCE = 120.0  # seconds for a whole load


@frozen
class Loaded:
    """What became of a load: seconds in all and of each request, and how many were refused."""

    duration: float
    times: Sequence[float]
    refused: Sequence[bytes]  # the heads of answers that are no success

    def percentile(self, part: float) -> float:
        """The time, in seconds, that this part of the requests stayed within."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


@define
class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is in."""

    requests: Iterator[bytes]
    times: list[float]
    refused: list[bytes]
    over: asyncio.Future[None]
    body: bytes = b""  # of the last answer
    _data: bytearray = field(factory=bytearray)
    _left: int = -1  # bytes of the body that are missing; -1: the head is not in
    _began: float = 0.0
    _transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self.requests, None)
        assert self._transport is not None
        if request is None:
            self._transport.close()
            if not self.over.done():
                self.over.set_result(None)
            return
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._left < 0:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            self._left = self._length(bytes(self._data[: end + 4]))
            del self._data[: end + 4]
        if len(self._data) < self._left:
            return
        self.body = bytes(self._data)
        self._data.clear()
        self._left = -1
        self.times.append(time.perf_counter() - self._began)
        self._next()

    def _length(self, head: bytes) -> int:
        """Of the body behind this head."""
        status = int(head[9:12])
        if status >= 300:
            self.refused.append(head)
        if status in (204, 304):
            return 0
        _, found, rest = head.lower().partition(b"\r\ncontent-length:")
        if not found:
            raise ValueError(f"an answer without Content-Length: {head!r}")
        return int(rest.partition(b"\r\n")[0])

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server closed the connection"))


async def _run(
    host: str, port: int, requests: Sequence[bytes], connections: int
) -> tuple[Loaded, bytes]:
    loop, waiting = asyncio.get_running_loop(), iter(requests)
    times: list[float] = []
    refused: list[bytes] = []
    began = time.perf_counter()
    lanes = []
    for _ in range(min(connections, len(requests))):
        lane = _Connection(waiting, times, refused, loop.create_future())
        await loop.create_connection(lambda lane=lane: lane, host, port)  # type: ignore[misc]
        lanes.append(lane)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(lane.over for lane in lanes))
    return Loaded(time.perf_counter() - began, times, refused), lanes[-1].body


def load(address: tuple[str, int], requests: Sequence[bytes], connections: int) -> Loaded:
    """Send all requests.  Raises ConnectionError, TimeoutError."""
    return asyncio.run(_run(*address, requests, connections))[0]


def answer(address: tuple[str, int], request: bytes) -> bytes:
    """The body that answers one request; raises SystemExit when it is refused."""
    loaded, body = asyncio.run(_run(*address, [request], 1))
    if loaded.refused:
        raise SystemExit(f"refused: {loaded.refused[0].decode('latin-1')}{body.decode()}")
    return body
