"""
One thread for one queue's long polls, which can be broken off.

A long poll sits in a blocking read for up to 20 seconds, and nothing in boto3 ends it
early.  What does is a shutdown of its socket, from another thread.  botocore does not
show its sockets: the private names that lead to them are all in `Connections`, and a
test holds them against the installed version.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


class BrokenOff(ConnectionError):
    """The connection was made while its request was being broken off."""


class Connections:
    """
    The connections that one boto3 client has open.

    `shut` ends whatever is being read from them, in any thread; `reopen` allows new ones.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: set[Any] = set()
        self._shut = False

    def watch(self, client: Any) -> bool:
        """
        Note every connection that `client` makes from now on.

        False: this botocore is made otherwise.  Polls then cannot be broken off; they
        end by themselves within their 20 seconds, and hold nobody up who does not wait.
        """
        try:
            session = client._endpoint.http_session
            watched = {
                scheme: self._watched(pool)
                for scheme, pool in session._pool_classes_by_scheme.items()
            }
            session._pool_classes_by_scheme = watched  # for managers of proxies, made later
            session._manager.pool_classes_by_scheme = watched
            session._manager.clear()
        except AttributeError as error:
            self._log.warn("long polls cannot be broken off with this botocore: {e}", e=error)
            return False
        return True

    def _watched(self, pool: Any) -> Any:
        """The connection pool class `pool`, with connections that report themselves."""
        base, opened, closed = pool.ConnectionCls, self._opened, self._closed

        def connect(connection: Any) -> None:
            base.connect(connection)
            opened(connection)

        def close(connection: Any) -> None:
            closed(connection)
            base.close(connection)

        own = type(f"Watched{base.__name__}", (base,), {"connect": connect, "close": close})
        return type(f"Watched{pool.__name__}", (pool,), {"ConnectionCls": own})

    def _opened(self, connection: Any) -> None:
        with self._lock:
            self._open.add(connection)
            shut = self._shut
        if shut:
            connection.close()
            raise BrokenOff

    def _closed(self, connection: Any) -> None:
        with self._lock:
            self._open.discard(connection)

    def reopen(self) -> None:
        """Before a request that may run."""
        with self._lock:
            self._shut = False

    def shut(self) -> None:
        """Break off what is being read."""
        with self._lock:
            self._shut = True
            connections = list(self._open)
        for connection in connections:
            _shut_down(connection.sock)


def _shut_down(sock: Any) -> None:
    try:
        if isinstance(sock, socket.socket):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # under TLS: no farewell, no wait
        elif sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was closed meanwhile, which is as good


@define(eq=False)
class _Job:
    function: Callable[[], Any]
    done: Deferred[Any]
    cancelled: bool = False


class LongPoll:
    """
    Runs one blocking call after the other in a daemon thread of its own.

    `run` answers a Deferred; cancelling it breaks the call off.  The thread starts with the
    first call.  It is a daemon, so that a process may end whatever a call is doing.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str, connections: Connections) -> None:
        self._reactor = reactor
        self._name = name
        self._connections = connections
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()
        self._current: _Job | None = None
        self._thread: Thread | None = None

    def run(self, function: Callable[[], T]) -> Deferred[T]:
        """Call `function` in the thread; its result or exception comes out."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        job = _Job(function, Deferred(lambda _: self._break_off(job)))
        self._jobs.put(job)
        return job.done

    def end(self) -> None:
        """Break off what runs; the thread ends, until the next `run`.  Idempotent."""
        current = self._current
        if current is not None:
            current.done.cancel()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread = None

    def _break_off(self, job: _Job) -> None:
        with self._lock:
            job.cancelled = True
            if self._current is job:
                self._connections.shut()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._current = job
                self._connections.reopen()
            result = self._call(job)
            with self._lock:
                self._current = None
            self._reactor.callFromThread(self._tell, job, result)

    def _call(self, job: _Job) -> Any:
        if job.cancelled:
            return None
        try:
            return job.function()
        except BaseException:  # it belongs to whoever waits for the result
            return Failure()

    def _tell(self, job: _Job, result: Any) -> None:
        if not job.cancelled:
            job.done.callback(result)
