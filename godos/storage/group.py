"""
Group commit: the one thread that writes the volume log, for all that wait.

Each write and flush serves everything that was asked meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from godos.model.errors import Unavailable
from godos.storage.log import VolumeLog
from godos.storage.requests import Put, Request

BUSY = 4  # requests in a group: from here on the next one is waited for
GATHER = 0.0015  # seconds to wait at most for as many requests as the last group had
IDLE = 0.5  # seconds without a request before the index is brought up to date
MOST_REQUESTS = 512  # in a group
MOST_BYTES = 8 << 20  # of payload in a group

InReactor = Callable[..., Any]


class IWriter(Protocol):
    """Has requests done by the volume log, one group after the other."""

    def submit(self, request: Request) -> Deferred[Any]:
        """Have it done.  In the reactor's thread."""

    def end(self) -> None:
        """Take no more requests.  In the reactor's thread."""

    def close(self) -> None:
        """Do what was submitted, and close the log.  Blocks; after `end`."""


class WriterAtOnce:
    """Does each request when it is submitted, in the caller's thread: for tests."""

    def __init__(self, log: VolumeLog) -> None:
        self._log = log
        self._ended = False

    def submit(self, request: Request) -> Deferred[Any]:
        """Have it done."""
        if self._ended:
            return fail(Unavailable("the node is stopping"))
        self._log.commit([request])
        self._log.settle()
        request.answer()
        return request.done

    def end(self) -> None:
        """Take no more requests."""
        self._ended = True

    def close(self) -> None:
        """Close the log."""
        self._log.close()


class WriterThread:
    """
    The thread.  It answers a whole group by one call into the reactor's thread.

    Under load it lets a group gather: it waits until as many requests are there as the
    last group had, and `GATHER` seconds at most.
    """

    log = Logger()

    def __init__(self, log: VolumeLog, in_reactor: InReactor, name: str) -> None:
        self._volumes = log
        self._in_reactor = in_reactor
        self._waiting: deque[Request] = deque()
        self._wanted = 1  # requests at which the thread is to wake
        self._wake = Event()
        self._ended = False  # no request is taken any more
        self._closing = False  # the thread ends when it has done all
        self._thread = Thread(target=self._run, name=name, daemon=False)
        self._thread.start()

    def submit(self, request: Request) -> Deferred[Any]:
        """Have it done with the next group."""
        if self._ended:
            return fail(Unavailable("the node is stopping"))
        self._waiting.append(request)
        if len(self._waiting) >= self._wanted:
            self._wake.set()
        return request.done

    def end(self) -> None:
        """Take no more requests.  In the reactor's thread, as `submit`."""
        self._ended = True

    def close(self) -> None:
        """Do what was submitted, close the log, and end the thread.  Blocks; after `end`."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    # -- in the thread ------------------------------------------------------------------
    def _run(self) -> None:
        last = 0
        while True:
            group = self._next_group(last)
            if not group:
                break
            last = len(group)
            self._commit(group)
        try:
            self._volumes.close()
        except Exception:
            self.log.failure("closing the volume log failed")

    def _commit(self, group: Sequence[Request]) -> None:
        try:
            self._volumes.commit(group)
        except Exception as bug:
            self.log.failure("a group of {count} requests failed", count=len(group))
            for request in group:
                request.fail(bug)
        self._in_reactor(_answer, group)
        try:
            self._volumes.settle()
        except Exception:
            self.log.failure("the index could not be written")

    def _next_group(self, last: int) -> list[Request]:
        """The next requests, [] when the thread is to end."""
        self._wanted = 1
        self._wait()
        if last >= BUSY and len(self._waiting) < last:
            self._wanted = last
            self._wake.clear()
            if len(self._waiting) < last and not self._closing:
                self._wake.wait(GATHER)
        return self._take()

    def _wait(self) -> None:
        """Until a request is there, or the end."""
        idle = False
        while not self._waiting and not self._closing:
            self._wake.wait(None if idle else IDLE)
            if not self._wake.is_set():
                idle = True
                self._idle()
            self._wake.clear()

    def _idle(self) -> None:
        try:
            self._volumes.idle()
        except Exception:
            self.log.failure("bringing the index up to date failed")

    def _take(self) -> list[Request]:
        group: list[Request] = []
        size = 0
        while self._waiting and len(group) < MOST_REQUESTS and size < MOST_BYTES:
            request = self._waiting.popleft()
            if isinstance(request, Put):
                size += request.header.length
            group.append(request)
        return group


def _answer(group: Sequence[Request]) -> None:
    for request in group:
        request.answer()
