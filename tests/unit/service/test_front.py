"""Which requests other servers make, and which are of objects that have the same name."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from godos.service.front import either
from godos.service.talk import LOCATED
from godos.web.exchange import IExchange
from tests.unit.web.fakes import FakeExchange


@pytest.mark.parametrize(
    ("method", "target", "host", "answerer"),
    [
        ("POST", LOCATED, "localhost", "located"),
        ("PUT", LOCATED, "localhost", "others"),
        ("POST", LOCATED, "photos.example.com", "others"),
        ("GET", LOCATED, "photos.example.com", "others"),
        ("POST", LOCATED + "/x", "localhost", "others"),
        ("POST", "/photos", "localhost", "others"),
    ],
)
def test_replies_that_are_handed_over(method: str, target: str, host: str, answerer: str) -> None:
    """A reply is only handed over to the server itself: in a bucket that name is a key."""
    answered: list[str] = []

    def located(_: IExchange) -> Deferred[None]:
        answered.append("located")
        return succeed(None)

    def others(_: IExchange) -> Deferred[None]:
        answered.append("others")
        return succeed(None)

    def of_bucket(exchange: IExchange) -> bool:
        return exchange.header(b"host") == b"photos.example.com"

    either(located, others, of_bucket)(FakeExchange(method, target, {"host": host}))
    assert answered == [answerer]
