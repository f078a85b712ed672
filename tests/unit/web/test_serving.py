"""Exchanges are answered, counted and logged, however they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from godos.model.errors import BytesNotFound, GodosError, IncompleteBody, NotEnoughNodes
from godos.web.answers import Answer
from godos.web.counters import Access, Counters
from godos.web.exchange import IExchange
from godos.web.serving import Course, Serving
from tests.unit.web.fakes import FakeExchange

TEXT = b"hello, world"


class Read:
    """
    An object on its way out: its bytes in pieces of 5.

    It fails with `trouble` once `good` bytes are out; `waits` answers instead of the bytes.
    """

    def __init__(self, data: bytes = TEXT) -> None:
        self.data, self.given, self.closed = data, 0, False
        self.trouble: GodosError | None = None
        self.good = 0
        self.waits: Callable[[], Deferred[bytes]] | None = None

    def read(self) -> Deferred[bytes]:
        assert not self.closed, "read after close"
        if self.waits is not None:
            return self.waits()
        return self._next()

    def _next(self) -> Deferred[bytes]:
        done: Deferred[bytes] = Deferred()
        if self.trouble is not None and self.given >= self.good:
            done.errback(self.trouble)
            return done
        piece = self.data[self.given : self.given + 5]
        self.given += len(piece)
        done.callback(piece)
        return done

    def close(self) -> Deferred[None]:
        self.closed = True
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done


class Site:
    """Serves what `decide` says: by default an object of 12 bytes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.log: list[Access] = []
        self.read = Read()
        self.serving = Serving(self._decide, self.clock, self.counters, self.log.append)
        self.decide: Any = None

    async def _decide(self, exchange: IExchange, course: Course) -> Answer:
        course.operation, course.user = "GetObject", "Ann"
        if self.decide is not None:
            answer: Answer = await self.decide(exchange, course)
            return answer
        read: Any = self.read
        return Answer(200, [(b"ETag", b'"x"')], read=read, length=12)

    def begin(self, method: str = "GET", **kwargs: Any) -> tuple[FakeExchange, Deferred[None]]:
        """A request that may wait."""
        exchange = FakeExchange(method, "/objects/a?x=%41", **kwargs)
        return exchange, self.serving.serve(exchange)

    def ask(self, method: str = "GET") -> FakeExchange:
        """A request that is answered at once."""
        exchange, done = self.begin(method)
        results: list[Any] = []
        done.addBoth(results.append)
        assert results == [None]
        assert exchange.finished or exchange.aborted
        return exchange

    def fail(self, error: Exception) -> None:
        """Let every request fail."""

        async def decide(_: IExchange, course: Course) -> Answer:
            course.headers.append((b"Vary", b"Origin"))
            raise error

        self.decide = decide


@pytest.fixture
def site() -> Site:
    return Site()


def code(exchange: FakeExchange) -> tuple[int | None, str | None]:
    """Status and S3's code of an error answer."""
    return exchange.status, ElementTree.fromstring(exchange.sent).findtext("Code")


# -- answers ---------------------------------------------------------------------------------
def test_many_pieces(site: Site) -> None:
    """A large object is sent piece by piece, in order, and nothing is left open."""
    got = site.ask()
    assert (got.sent, got.pieces, got.answer["content-length"]) == (TEXT, 3, "12")
    assert got.finished and site.read.closed


def test_headers_of_every_answer(site: Site) -> None:
    """What a page of another origin needs is in answers and refusals alike."""

    async def decide(_: IExchange, course: Course) -> Answer:
        course.headers.append((b"Vary", b"Origin"))
        return Answer(204)

    site.decide = decide
    assert site.ask().answer == {"vary": "Origin"}
    site.fail(NotEnoughNodes("2 of 3 nodes are down"))
    assert site.ask().answer["vary"] == "Origin"


def test_refusals(site: Site) -> None:
    """An error is answered by the one table; to HEAD without a body."""
    site.fail(NotEnoughNodes("2 of 3 nodes are down"))
    refused = site.ask()
    assert code(refused) == (503, "SlowDown")
    assert refused.answer["retry-after"] == "1"
    assert site.ask("HEAD").sent == b""
    assert [access.sent for access in site.log] == [len(refused.sent), 0]


def test_a_fault_of_ours(site: Site) -> None:
    """A bug is answered with 500 and the request's id, and its details are only logged."""
    site.fail(ZeroDivisionError("secret"))
    got = site.ask()
    assert code(got) == (500, "InternalError")
    assert b"secret" not in got.sent
    assert got.request_id.encode() in got.sent


# -- what goes wrong on the way -----------------------------------------------------------------
def test_bytes_that_end_early(site: Site) -> None:
    """After the first byte a failure breaks the connection: no short answer looks whole."""
    site.read.trouble, site.read.good = BytesNotFound("the node died"), 5
    got = site.ask()
    assert got.status == 200
    assert got.aborted and not got.finished
    assert got.sent == TEXT[:5]
    assert site.read.closed
    assert (site.log[-1].status, site.log[-1].sent) == (200, 5)


def test_bytes_that_fail_at_first(site: Site) -> None:
    """A failure before the first byte is still an error answer."""
    site.read.trouble = BytesNotFound("the node died")
    assert code(site.ask()) == (503, "ServiceUnavailable")
    assert site.read.closed


@pytest.mark.parametrize("given", [b"hello", b"hello, world and more"])
def test_a_wrong_number_of_bytes(site: Site, given: bytes) -> None:
    """An object that gives too few or too many bytes is not sent as whole."""
    site.read.data = given
    got = site.ask()
    assert got.aborted and not got.finished
    assert site.read.closed


# -- clients that are slow, or leave ------------------------------------------------------------
def test_a_slow_client(site: Site) -> None:
    """Nothing is read further ahead than one piece of what the client took."""
    got, done = site.begin(slow=True)
    assert (got.sent, site.read.given) == (TEXT[:5], 10)
    got.drain()
    assert (got.sent, site.read.given) == (TEXT[:10], 12)
    got.drain()
    assert got.finished and site.read.closed and done.called


def leave(done: Deferred[None]) -> None:
    done.addErrback(lambda failure: failure.trap(CancelledError))
    done.cancel()


def leavers(site: Site) -> Iterator[tuple[FakeExchange, Deferred[None]]]:
    """A client that leaves while it waits for its next bytes, in each way to notice it."""
    for gone in (IncompleteBody("the client went away"), None):
        site.read = Read()
        got, done = site.begin(slow=True)
        if gone is None:
            leave(done)
        else:
            got.drain(gone)
        yield got, done


def test_clients_that_leave(site: Site) -> None:
    """When the client goes away its read is closed, and the request ends."""
    for got, done in leavers(site):
        assert got.aborted and not got.finished
        assert done.called and site.read.closed
    assert site.counters.running == 0
    assert [access.sent for access in site.log] == [5, 5]


@pytest.mark.parametrize("noticed", [True, False])
def test_leaving_while_bytes_are_read_ahead(site: Site, noticed: bool) -> None:
    """A read that is under way when the client leaves is given up, and closed."""
    got, done = site.begin(slow=True)
    given_up: list[Deferred[bytes]] = []
    site.read.waits = lambda: Deferred(given_up.append)
    got.drain()
    if noticed:  # that it took nothing for too long
        got.drain(IncompleteBody("the client took nothing for too long"))
    else:
        got.drain()
        assert (got.sent, given_up) == (TEXT[:10], [])
        leave(done)
    assert len(given_up) == 1
    assert site.read.closed and got.aborted and done.called


def test_leaving_before_the_answer(site: Site) -> None:
    """A client that leaves while the store works stops that work."""
    stopped: list[str] = []

    async def decide(*_: Any) -> Answer:
        return await Deferred(lambda _: stopped.append("put"))

    site.decide = decide
    got, done = site.begin("PUT")
    leave(done)
    assert stopped == ["put"]
    assert not got.started
    assert site.log[-1].status == 499


# -- counting --------------------------------------------------------------------------------
def test_the_access_log(site: Site) -> None:
    """Each request is told once when it is over: who, what, how it went, how long it took."""
    waiting: Deferred[Answer] = Deferred()

    async def decide(*_: Any) -> Answer:
        return await waiting

    site.decide = decide
    _, done = site.begin("HEAD")
    assert site.counters.running == 1
    site.clock.advance(0.25)
    waiting.errback(NotEnoughNodes(""))
    assert done.called
    assert site.log == [
        Access("0123456789abcdef", "127.0.0.1", b"HEAD", b"/objects/a?x=%41", 503, 0, 0.25, "Ann")
    ]


def test_the_sums(site: Site) -> None:
    """The counters tell requests by method, operation and status, and the bytes sent."""
    site.ask()
    site.fail(NotEnoughNodes(""))
    site.ask()
    site.ask('B"REW')
    text = site.counters.render()
    assert 'requests_total{method="GET",action="GetObject",status="200"} 1\n' in text
    assert 'requests_total{method="GET",action="GetObject",status="503"} 1\n' in text
    assert 'requests_total{method="other",action="GetObject",status="503"} 1\n' in text
    assert site.counters.sent > 12
