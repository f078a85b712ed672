"""Users by their keys: those of the credentials file first, then the catalog's."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.model.users import AccessKey, ICredentials, User


class Users:
    """Users as they are at one time, by what they are looked up by."""

    def __init__(self, users: Sequence[User]) -> None:
        self.all = tuple(users)
        self.by_access_key = {
            key.id: (user, key) for user in users for key in user.keys if key.active
        }
        self.by_id = {user.id: user for user in users}
        self.by_email = {user.email.lower(): user for user in users if user.email}


@implementer(ICredentials)
class FileCredentials:
    """The users of the credentials file."""

    def __init__(self, users: Sequence[User]) -> None:
        self._users = Users(users)

    def by_access_key(self, access_key: str) -> Deferred[tuple[User, AccessKey] | None]:
        """See `ICredentials`."""
        return succeed(self._users.by_access_key.get(access_key))

    def by_id(self, user_id: str) -> Deferred[User | None]:
        """See `ICredentials`."""
        return succeed(self._users.by_id.get(user_id))

    def by_email(self, email: str) -> Deferred[User | None]:
        """See `ICredentials`."""
        return succeed(self._users.by_email.get(email.lower()))

    def known(self) -> Deferred[Sequence[User]]:
        """See `ICredentials`."""
        return succeed(self._users.all)
