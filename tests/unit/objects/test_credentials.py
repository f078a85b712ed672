"""Users by what they are looked up by."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from godos.model.users import AccessKey, ICredentials, User
from godos.objects.credentials import FileCredentials
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
