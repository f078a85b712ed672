"""Whom servers let in before there are credentials."""

from __future__ import annotations

import pytest

from godos.model.errors import AccessDenied
from godos.service.guests import guests
from godos.service.values import Address
from tests.unit.web.fakes import FakeExchange


def may_come(host: str) -> bool:
    """Whether a PUT to this host is let in."""
    guard = guests(False, Address("store.home", 8030), "proxy.home:80", ["s3.home"], lambda: "desk")
    assert guard is not None
    try:
        guard(FakeExchange("PUT", "/objects/a", {"Host": host}))
    except AccessDenied:
        return False
    return True


@pytest.mark.parametrize(
    "host", ["localhost:8030", "desk:8030", "store.home", "proxy.home", "b.s3.home"]
)
def test_this_machine(host: str) -> None:
    """Programs on this machine come in, also by its own name and those in its settings."""
    assert may_come(host)


def test_strange_names() -> None:
    """A name that leads here by somebody else's doing opens nothing."""
    assert not may_come("evil.example:8030") and not may_come("evils3.home")


def test_everybody() -> None:
    """When all may come nobody is looked at."""
    assert guests(True, Address("store.home", 8030)) is None
