"""Bodies of unknown length, and how large they may become."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, IncompleteBody
from godos.web.bounded import BoundedBody
from godos.web.request_body import RequestBody
from tests.unit.objects.stores import now
from tests.unit.web.fakes import FakeBody
from tests.unit.web.streaming_wire import Sink


class Broken(FakeBody):
    """A body whose sender leaves after the first piece, or never sends more."""

    def __init__(self, piece: bytes, leaves: bool = True) -> None:
        super().__init__([piece], None)
        self.waiting: Deferred[None] = Deferred()
        self._leaves = leaves

    def deliver_to(self, consumer: Any) -> Deferred[None]:
        consumer.registerProducer(self, True)
        consumer.write(self._pieces[0])
        if self._leaves:
            self.stopProducing()
        return self.waiting

    def stopProducing(self) -> None:
        self.waiting.errback(IncompleteBody("the client went away"))


def test_interface() -> None:
    """A bounded body is a body, of the same length."""
    bounded = BoundedBody(FakeBody([], None), 5)
    assert verifyObject(IBody, bounded)
    assert bounded.length is None


@pytest.mark.parametrize("pieces", [[], [b"hello"], [b"he", b"", b"llo"]])
def test_within_bounds(pieces: list[bytes]) -> None:
    """What fits goes through unchanged, to its last byte."""
    sink = Sink()
    now(BoundedBody(FakeBody(pieces, None), 5).deliver_to(sink))
    assert sink.data == b"".join(pieces)
    assert sink.ended
    assert now(BoundedBody(FakeBody(pieces, None), 5).collect(100)) == pieces


@pytest.mark.parametrize("pieces", [[b"hello!"], [b"he", b"llo", b"!", b"more"]])
def test_beyond_bounds(pieces: list[bytes]) -> None:
    """What does not fit stops its sender, and is told as too large."""
    sink = Sink()
    with pytest.raises(EntityTooLarge, match="5 bytes"):
        now(BoundedBody(FakeBody(pieces, None), 5).deliver_to(sink))
    assert len(sink.data) <= 5
    assert sink.ended
    with pytest.raises(EntityTooLarge):
        now(BoundedBody(FakeBody(pieces, None), 5).collect(100))


def test_stopping_makes_the_body_fail() -> None:
    """How the body itself tells that it was stopped does not matter."""
    with pytest.raises(EntityTooLarge):
        now(BoundedBody(Broken(b"hello!", leaves=False), 5).deliver_to(Sink()))


def test_a_sender_that_leaves() -> None:
    """A body that ends early is told as that."""
    with pytest.raises(IncompleteBody):
        now(BoundedBody(Broken(b"hello"), 5).deliver_to(Sink()))


def test_giving_up() -> None:
    """Who no longer wants the body gives up the wait below, too."""
    body = Broken(b"hello", leaves=False)
    waiting = BoundedBody(body, 5).deliver_to(Sink())
    waiting.cancel()
    with pytest.raises(CancelledError):
        now(waiting)
    assert body.waiting.called


class Connection:
    """A `BodySource` that does nothing by itself."""

    def read_body(self) -> None:
        """The test feeds the body."""

    def rest_body(self) -> None:
        """The test knows when to stop."""


def test_a_real_body_that_is_too_large() -> None:
    """The client is told so, rather than hung up on: the server did not cancel anything."""
    body = RequestBody(Connection(), None)
    delivering = BoundedBody(body, 5).deliver_to(Sink())
    body.data_arrived(b"hello!")
    with pytest.raises(EntityTooLarge):
        now(delivering)
