"""Users by what they are looked up by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from godos.model.errors import CatalogUnavailable
from godos.model.users import AccessKey, ICredentials, User
from godos.objects.credentials import FRESH, Credentials, FileCredentials
from tests.unit.web.s3.signing import result_of

OLD, NEW = AccessKey("OLD", "x", active=False), AccessKey("NEW", "y")
ALICE = User("alice", "Alice", "Alice@example.com", (OLD, NEW))
BOB = User("bob", "Bob")


def test_users_of_the_file() -> None:
    """Users are found by active keys, by id, and by e-mail address in any letters."""
    known = FileCredentials([ALICE, BOB])
    verifyObject(ICredentials, known)
    assert result_of(known.by_access_key("NEW")) == (ALICE, NEW)
    assert result_of(known.by_access_key("OLD")) is None
    assert result_of(known.by_access_key("new")) is None
    assert result_of(known.by_id("bob")) is BOB
    assert result_of(known.by_id("carol")) is None
    assert result_of(known.by_email("alice@EXAMPLE.com")) is ALICE
    assert result_of(known.by_email("")) is None
    assert list(result_of(known.known())) == [ALICE, BOB]


class Catalog:
    """The users of a catalog, answered when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Deferred[Sequence[User]]] = []

    def users(self) -> Deferred[Sequence[User]]:
        self.asked.append(Deferred())
        return self.asked[-1]


CAROL = User("carol", "Carol", "carol@example.com", (AccessKey("CAROL", "z"),))


def both(*users: User) -> tuple[Credentials, Any, Clock]:
    catalog, clock = Catalog(), Clock()
    credentials = Credentials(users, catalog, clock)  # type: ignore[arg-type]
    verifyObject(ICredentials, credentials)
    return credentials, catalog, clock


def test_users_of_the_file_need_no_catalog() -> None:
    """Users of the file are let in while the catalog is out of service."""
    credentials, catalog, _ = both(ALICE, BOB)
    assert result_of(credentials.by_access_key("NEW")) == (ALICE, NEW)
    assert result_of(credentials.by_id("bob")) is BOB
    assert result_of(credentials.by_email("ALICE@example.com")) is ALICE
    assert catalog.asked == []
    unknown = credentials.by_access_key("CAROL")
    catalog.asked[0].errback(CatalogUnavailable("no answer"))
    with pytest.raises(CatalogUnavailable):
        result_of(unknown)


def test_users_of_the_catalog_are_read_once_in_a_while() -> None:
    """A new user is known within two seconds, and a removed one is unknown within two."""
    credentials, catalog, clock = both(ALICE)
    questions = [credentials.by_access_key("CAROL"), credentials.by_id("carol")]
    everybody = credentials.known()
    assert len(catalog.asked) == 1  # they share one reading
    clock.advance(FRESH / 2)
    catalog.asked[0].callback([CAROL])
    assert result_of(questions[0]) == (CAROL, CAROL.keys[0])
    assert result_of(questions[1]) is CAROL
    assert list(result_of(everybody)) == [ALICE, CAROL]
    assert result_of(credentials.by_email("carol@example.com")) is CAROL
    clock.advance(FRESH / 2)  # counted from when it was asked
    again = credentials.by_access_key("CAROL")
    catalog.asked[1].callback([])
    assert result_of(again) is None


def test_the_file_comes_first() -> None:
    """A user of the catalog cannot take the id or a key of one of the file."""
    credentials, catalog, _ = both(ALICE)
    impostor = User("alice", "Mallory", "", (AccessKey("MALLORY", "m"),), root=True)
    thief = User("mallory", "Mallory", "alice@example.com", (AccessKey("NEW", "m"),))
    stranger = credentials.by_access_key("MALLORY")
    catalog.asked[0].callback([impostor, thief])
    assert result_of(stranger) is None
    assert result_of(credentials.by_access_key("NEW")) == (ALICE, NEW)
    assert result_of(credentials.by_email("alice@example.com")) is ALICE
    assert list(result_of(credentials.known())) == [ALICE, thief]


def test_one_who_leaves_leaves_the_others_waiting() -> None:
    """A client that goes away while users are read takes nobody with it."""
    credentials, catalog, _ = both()
    gone, stays = credentials.by_id("carol"), credentials.by_id("carol")
    gone.cancel()
    with pytest.raises(CancelledError):
        result_of(gone)
    catalog.asked[0].callback([CAROL])
    assert result_of(stays) is CAROL and len(catalog.asked) == 1


def test_a_failed_reading_is_tried_again() -> None:
    """The next question asks the catalog again."""
    credentials, catalog, _ = both()
    failed = credentials.known()
    catalog.asked[0].errback(CatalogUnavailable("no answer"))
    with pytest.raises(CatalogUnavailable):
        result_of(failed)
    again = credentials.known()
    catalog.asked[1].callback([CAROL])
    assert list(result_of(again)) == [CAROL]
