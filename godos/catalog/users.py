"""
Users and their keys.

Beside the user's row there is one for each of their names, e-mail addresses and access
keys, which says whose it is: so that no two have the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from godos.catalog.items import Absent, Action, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.places import USER_EMAILS, USER_KEYS, USER_NAMES, USERS, Place
from godos.catalog.records import fields, row
from godos.catalog.writing import Writer
from godos.model.errors import Conflict, InvalidRequest, UserExists
from godos.model.users import AccessKey, User

MOST_KEYS = 40  # of one user; all are written in one transaction


class Users:
    def __init__(self, items: IItemStore, writer: Writer, draw_id: Callable[[], str]) -> None:
        self._items, self._writer, self._draw_id = items, writer, draw_id

    async def all(self) -> Sequence[User]:
        """As ICatalog.users."""
        found: list[User] = []
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(USERS, start)
            found += map(user_of, page.items)
            start = page.cursor
        return found

    async def put(self, user: User) -> User:
        """As ICatalog.put_user."""
        if not user.id or not user.name or len(user.keys) > MOST_KEYS:
            raise InvalidRequest(f"a user has an id, a name, and at most {MOST_KEYS} keys")
        written = evolve(user, rev=self._draw_id())
        before = await self._standing(user) if user.rev else None
        condition = RevIs(user.rev) if user.rev else Absent()
        actions: list[Action] = [
            Put(user_item(written), condition),
            *_claims(written, before),
        ]
        refusal = await self._writer.write(actions)
        if refusal is None or refusal.is_own(written.rev):
            return written
        refusal.or_unknown()
        if 0 in refusal.standing and user.rev:
            raise _changed(user)
        taken = "id" if 0 in refusal.standing else "name, e-mail address or access key"
        raise UserExists(f"there is a user with this {taken} already")

    async def remove(self, user: User) -> None:
        """As ICatalog.remove_user; twice is no error."""
        standing = await self._items.get(USERS, user.id.encode())
        if standing is None:
            return
        if standing.rev != user.rev:
            raise _changed(user)
        gone = [Delete(*place) for place in own_places(user_of(standing))]
        refusal = await self._writer.write([Delete(USERS, standing.s, RevIs(user.rev)), *gone])
        if refusal is None:
            return
        refusal.or_unknown()
        if await self._items.get(USERS, standing.s) is not None:
            raise _changed(user)

    async def _standing(self, user: User) -> User:
        """Fails: Conflict: it is not what was read."""
        item = await self._items.get(USERS, user.id.encode())
        if item is None or item.rev != user.rev:
            raise _changed(user)
        return user_of(item)


def user_item(user: User) -> Item:
    return row(
        USERS,
        user.id.encode(),
        user.rev,
        name=user.name,
        email=user.email,
        keys=[[key.id, key.secret, key.active] for key in user.keys],
        root=user.root,
        policy=user.policy,
        tenant=user.tenant,
    )


def user_of(item: Item) -> User:
    data = fields(item)
    return User(
        id=item.s.decode(),
        name=data["name"],
        email=data.get("email", ""),
        keys=tuple(AccessKey(*key) for key in data.get("keys", ())),
        root=bool(data.get("root")),
        policy=data.get("policy"),
        tenant=data.get("tenant", ""),
        rev=item.rev or "",
    )


def own_places(user: User) -> set[Place]:
    """What only one user can have."""
    places = {(USER_NAMES, user.name.encode())}
    if user.email:
        places.add((USER_EMAILS, user.email.lower().encode()))
    return places | {(USER_KEYS, key.id.encode()) for key in user.keys}


def _claims(user: User, before: User | None) -> list[Action]:
    """What `user` takes, on condition that nobody has it, and what it leaves."""
    old, new = (set() if before is None else own_places(before)), own_places(user)
    taken = [Put(row(*place, user.rev, user=user.id), Absent()) for place in sorted(new - old)]
    return [*taken, *(Delete(*place) for place in sorted(old - new))]


def _changed(user: User) -> Conflict:
    return Conflict(f"the row of user {user.id!r} changed meanwhile: look, then try again")
