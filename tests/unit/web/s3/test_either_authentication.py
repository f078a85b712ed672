"""A server is open until it has a user, and never when it cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from godos.model.errors import AccessDenied, CatalogUnavailable
from godos.model.users import ANONYMOUS, OPEN, User
from godos.web.exchange import IExchange
from godos.web.s3.authentication import Authentication
from godos.web.s3.either_authentication import EitherAuthentication
from godos.web.s3.open_authentication import OpenAuthentication
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.client import result

ANN = User("ann", "Ann")


class Server:
    """Whose users may become known, or not be known."""

    def __init__(self, always: bool = False) -> None:
        self.users: Deferred[Sequence[User]] | None = None
        self.strangers = False
        credentials: Any = self
        self.authentication = EitherAuthentication(
            credentials,
            Authentication(credentials, lambda: 0.0, maybeDeferred),
            OpenAuthentication(lambda: 0.0, maybeDeferred, self._guard),
            always,
        )

    def known(self) -> Deferred[Sequence[User]]:
        return self.users or succeed(())

    def _guard(self, _: IExchange) -> None:
        if self.strangers:
            raise AccessDenied("a stranger")

    def who(self) -> Any:
        """Who an unsigned request, and an unsigned form, come from."""
        asked = self.authentication.authenticate(FakeExchange("GET", "/photos/cat.jpg"))
        caller = result(Deferred.fromCoroutine(asked)).principal
        posted = self.authentication.authenticate_form(
            FakeExchange("POST", "/photos"), {"key": "cat.jpg"}, "photos"
        )
        assert result(Deferred.fromCoroutine(posted)).principal == caller
        return caller


def test_without_users() -> None:
    """Everybody on the machine may do everything."""
    assert Server().who() == OPEN


def test_strangers() -> None:
    """Strangers are kept out while there are no users."""
    server = Server()
    server.strangers = True
    with pytest.raises(AccessDenied):
        server.who()


def test_the_first_user() -> None:
    """With the first user whoever does not sign is nobody; and where keys are configured."""
    server = Server()
    assert server.who() == OPEN
    server.users = succeed((ANN,))
    assert server.who() == ANONYMOUS
    assert Server(always=True).who() == ANONYMOUS


def test_when_it_cannot_be_told() -> None:
    """A catalog that does not answer lets nobody in."""
    server = Server()
    server.users = fail(CatalogUnavailable("the table is throttled"))
    with pytest.raises(CatalogUnavailable):
        server.who()
