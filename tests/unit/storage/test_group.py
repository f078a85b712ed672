"""Group commit: one thread writes for all that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Event, current_thread
from typing import Any

import pytest
from attrs import define, field

from godos.model.errors import Unavailable
from godos.storage.group import MOST_BYTES, MOST_REQUESTS, WriterThread
from godos.storage.requests import Job, Put, Request
from tests.contract.fragment_store import header_of
from tests.simulation.node import now

PATIENCE = 20  # seconds until a test gives up; none waits so long


@define
class Log:
    """Notes the groups.  `gate` holds the thread up while it is not set."""

    gate: Event = field(factory=Event)
    entered: Event = field(factory=Event)
    groups: list[list[Request]] = field(factory=list)
    threads: set[str] = field(factory=set)
    idled: Event = field(factory=Event)
    closed: bool = False
    bug: Exception | None = None

    def commit(self, requests: Sequence[Request]) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.groups.append(list(requests))
        self.threads.add(current_thread().name)
        if self.bug is not None:
            raise self.bug
        for request in requests:
            request.succeed("done")

    def settle(self) -> None:
        if self.bug is not None:
            raise self.bug

    def idle(self) -> None:
        self.idled.set()
        if self.bug is not None:
            raise self.bug

    def close(self) -> None:
        self.closed = True
        if self.bug is not None:
            raise self.bug


@define
class Reactor:
    """Keeps what other threads want to have called; a test calls it."""

    calls: list[Callable[[], Any]] = field(factory=list)
    called: Event = field(factory=Event)

    def __call__(self, function: Callable[..., Any], *args: Any) -> None:
        self.calls.append(lambda: function(*args))
        self.called.set()

    def turn(self) -> int:
        """Wait for calls, and do them; tells how many there were."""
        assert self.called.wait(PATIENCE)
        self.called.clear()
        calls, self.calls = self.calls, []
        for call in calls:
            call()
        return len(calls)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def writer(log: Log, reactor: Reactor) -> Iterator[WriterThread]:
    """A running thread."""
    writer = WriterThread(log, reactor, "writer-of-a-test")  # type: ignore[arg-type]
    yield writer
    log.gate.set()
    writer.end()
    writer.close()


def job() -> Request:
    return Job(lambda: None)


def test_one_request(writer: WriterThread, log: Log, reactor: Reactor) -> None:
    """A request is done in the writer's thread, and answered in the reactor's."""
    log.gate.set()
    done = writer.submit(job())
    assert reactor.turn() == 1
    assert now(done) == "done"
    assert log.threads == {"writer-of-a-test"}


def test_what_comes_meanwhile_is_one_group(
    writer: WriterThread, log: Log, reactor: Reactor
) -> None:
    """All that is asked during a write is done by the next one, and answered by one call."""
    first = writer.submit(job())
    assert log.entered.wait(PATIENCE)
    rest = [writer.submit(job()) for _ in range(40)]
    log.gate.set()
    while not all(each.called for each in rest):
        assert reactor.turn() <= 2
    assert [now(each) for each in (first, *rest)] == ["done"] * 41
    assert [len(group) for group in log.groups] == [1, 40]


def test_order(writer: WriterThread, log: Log, reactor: Reactor) -> None:
    """Requests are done in the order in which they were asked for."""
    requests = [job() for _ in range(1500)]
    for request in requests:
        writer.submit(request)
    log.gate.set()
    while not requests[-1].done.called:
        reactor.turn()
    assert [request for group in log.groups for request in group] == requests
    assert max(map(len, log.groups)) <= MOST_REQUESTS


def test_bounded_bytes(writer: WriterThread, log: Log, reactor: Reactor) -> None:
    """A group does not hold much more than its share of payload."""
    payload = bytes(1 << 20)
    header = header_of(payload)
    requests = [Put(header, [payload]) for _ in range(20)]
    for request in requests:
        writer.submit(request)
    log.gate.set()
    while not requests[-1].done.called:
        reactor.turn()
    assert max(map(len, log.groups)) <= MOST_BYTES // len(payload)


def test_bug(writer: WriterThread, log: Log, reactor: Reactor) -> None:
    """An error that nobody foresaw is told to all in the group, and the thread goes on."""
    log.bug = ZeroDivisionError("a bug")
    log.gate.set()
    done = writer.submit(job())
    reactor.turn()
    with pytest.raises(ZeroDivisionError):
        now(done)
    assert log.idled.wait(PATIENCE)
    log.bug = None
    again = writer.submit(job())
    reactor.turn()
    assert now(again) == "done"


def test_idle(writer: WriterThread, log: Log) -> None:
    """When nothing is asked for a while the log may tidy up."""
    assert log.idled.wait(PATIENCE)
    assert log.groups == []


def test_end(log: Log, reactor: Reactor) -> None:
    """What was submitted before the end is done; what comes later is refused."""
    writer = WriterThread(log, reactor, "writer-of-a-test")  # type: ignore[arg-type]
    asked = [writer.submit(job()) for _ in range(5)]
    writer.end()
    with pytest.raises(Unavailable):
        now(writer.submit(job()))
    log.gate.set()
    writer.close()
    reactor.turn()
    assert [now(each) for each in asked] == ["done"] * 5
    assert log.closed


def test_failing_close(log: Log, reactor: Reactor) -> None:
    """The thread ends also when the log cannot be closed well."""
    log.bug = OSError("broken")
    writer = WriterThread(log, reactor, "writer-of-a-test")  # type: ignore[arg-type]
    writer.end()
    writer.close()
    assert log.closed


def test_cancelled(writer: WriterThread, log: Log, reactor: Reactor) -> None:
    """Who does not want to hear the answer any more does not; the others do."""
    first, second = writer.submit(job()), writer.submit(job())
    first.addErrback(lambda _: None)
    first.cancel()
    log.gate.set()
    while not second.called:
        reactor.turn()
    assert now(second) == "done"
    assert sum(map(len, log.groups)) == 2
