"""Whom servers let in before there are credentials."""

from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from godos.model.errors import AccessDenied
from godos.service.guests import guests
from godos.service.values import Address
from godos.web.access import ANONYMOUS, Action
from tests.unit.web.fakes import FakeExchange


def outcome(allow_anonymous: bool, host: str) -> object:
    """What the hook says of a PUT to this host."""
    found: list[object] = []
    listens = Address("store.home", 8030)
    authorise = guests(allow_anonymous, listens, "proxy.home:80", lambda: "desk")
    exchange = FakeExchange("PUT", "/objects/a", {"Host": host})
    authorise(exchange, Action.PUT, "objects", "a").addBoth(found.append)
    return found[0]


@pytest.mark.parametrize("host", ["localhost:8030", "desk:8030", "store.home", "proxy.home"])
def test_this_machine(host: str) -> None:
    """Programs on this machine come in, also by its own name and those in its settings."""
    assert outcome(False, host) == ANONYMOUS


def test_strange_names() -> None:
    """A name that leads here by somebody else's doing opens nothing, unless all may come."""
    refused = outcome(False, "evil.example:8030")
    assert isinstance(refused, Failure)
    assert refused.check(AccessDenied)
    assert outcome(True, "evil.example:8030") == ANONYMOUS
