"""Users by their keys: those of the credentials file first, then the catalog's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.model.catalog import ICatalog
from godos.model.users import AccessKey, ICredentials, User

FRESH = 2.0  # seconds for which users that were read are believed

T = TypeVar("T")


class Users:
    """Users as they are at one time; of two that claim the same, the first has it."""

    def __init__(self, users: Iterable[User]) -> None:
        self.by_id: dict[str, User] = {}
        self.by_email: dict[str, User] = {}
        self.by_access_key: dict[str, tuple[User, AccessKey]] = {}
        for user in users:
            if user.id not in self.by_id:
                self._add(user)
        self.all: Sequence[User] = tuple(self.by_id.values())  # in the order in which they came

    def _add(self, user: User) -> None:
        self.by_id[user.id] = user
        if user.email:
            self.by_email.setdefault(user.email.lower(), user)
        for key in user.keys:
            if key.active:
                self.by_access_key.setdefault(key.id, (user, key))


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


@implementer(ICredentials)
class Credentials:
    """
    The users of the credentials file, and those of the catalog.

    Who is in the file is found without the catalog, and a user of the catalog with the
    same id is nobody.  The catalog's are read at most once in `FRESH` seconds, and when
    that fails nobody but the file's users is known.

    Args:
        users: of the file.
        clock: measures how old the catalog's users are.
    """

    def __init__(self, users: Sequence[User], catalog: ICatalog, clock: IReactorTime) -> None:
        self._file = Users(users)
        self._catalog = catalog
        self._clock = clock
        self._users = self._file  # both, as they were last read
        self._read_at = float("-inf")
        self._waiting: list[Deferred[Users]] = []
        self._reading = False

    def by_access_key(self, access_key: str) -> Deferred[tuple[User, AccessKey] | None]:
        """See `ICredentials`."""
        found = self._file.by_access_key.get(access_key)
        return self._ask(lambda users: users.by_access_key.get(access_key), found)

    def by_id(self, user_id: str) -> Deferred[User | None]:
        """See `ICredentials`."""
        found = self._file.by_id.get(user_id)
        return self._ask(lambda users: users.by_id.get(user_id), found)

    def by_email(self, email: str) -> Deferred[User | None]:
        """See `ICredentials`."""
        found = self._file.by_email.get(email.lower())
        return self._ask(lambda users: users.by_email.get(email.lower()), found)

    def known(self) -> Deferred[Sequence[User]]:
        """See `ICredentials`."""
        return self._ask(lambda users: users.all)

    def _ask(self, question: Callable[[Users], T], found: T | None = None) -> Deferred[T]:
        """What the users answer, unless the file's have answered."""
        if found is not None:
            return succeed(found)
        if self._clock.seconds() - self._read_at < FRESH:
            return succeed(question(self._users))
        return self._current().addCallback(question)

    def _current(self) -> Deferred[Users]:
        """Both kinds of users, read now; several who ask at once share one reading."""
        waiter: Deferred[Users] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        if not self._reading:
            self._reading = True
            began = self._clock.seconds()
            self._catalog.users().addCallback(self._read, began).addBoth(self._tell)
        return waiter

    def _read(self, users: Sequence[User], began: float) -> Users:
        self._users = Users((*self._file.by_id.values(), *users))
        self._read_at = began
        return self._users

    def _tell(self, result: Users | Failure) -> None:
        self._reading = False
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(result)  # callback() of a Failure is errback()
