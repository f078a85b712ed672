"""What every catalog promises of users."""

from __future__ import annotations

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from godos.catalog.catalog import Catalog
from godos.catalog.users import MOST_KEYS
from godos.model.errors import Conflict, InvalidRequest, UserExists
from godos.model.users import AccessKey, User
from tests.contract.catalog import CatalogBench

ANN = User("ann", "Ann", "ann@example.com", (AccessKey("AKANN", "s3cr3t-of-ann"),))
BOB = User(
    "bob",
    "Bob ü",
    "",
    (AccessKey("AKBOB1", "one"), AccessKey("AKBOB2", "two", active=False)),
    root=True,
    policy={"Statement": [{"Effect": "Allow"}]},
    tenant="t",
)


class UsersContract(CatalogBench):
    """See the module."""

    @ensureDeferred
    async def test_users(self, catalog: Catalog, second: Catalog) -> None:
        """Users are known to every server, in the order of their ids, with all they have."""
        assert await catalog.users() == []
        bob = await catalog.put_user(BOB)
        ann = await catalog.put_user(ANN)
        assert await second.users() == [ann, bob]
        assert (evolve(ann, rev=""), evolve(bob, rev="")) == (ANN, BOB)
        assert "s3cr3t" not in repr(ann)

    @ensureDeferred
    async def test_changing_a_user(self, catalog: Catalog, second: Catalog) -> None:
        """A user is changed only as they were seen, and what they leave others may have."""
        ann = await catalog.put_user(ANN)
        key = AccessKey("AKANN2", "new")
        changed = await second.put_user(evolve(ann, name="Anna", keys=(key,), email=""))
        with pytest.raises(Conflict):
            await catalog.put_user(evolve(ann, root=True))
        with pytest.raises(Conflict):
            await catalog.remove_user(ann)
        assert await catalog.users() == [changed]
        other = await catalog.put_user(evolve(ANN, id="other"))
        assert await catalog.users() == [changed, other]
        for _ in range(2):
            await catalog.remove_user(changed)
        assert await catalog.users() == [other]
        with pytest.raises(Conflict):
            await catalog.put_user(changed)
        again = await catalog.put_user(evolve(changed, rev=""))
        assert again.keys == (key,)

    @pytest.mark.parametrize(
        "rival",
        [
            evolve(BOB, id="ann"),
            evolve(BOB, name="Ann"),
            evolve(BOB, email="Ann@Example.com"),
            evolve(BOB, keys=(*BOB.keys, AccessKey("AKANN", "other"))),
        ],
    )
    @ensureDeferred
    async def test_what_only_one_can_have(self, catalog: Catalog, rival: User) -> None:
        """No two users have one id, name, e-mail address or access key."""
        ann = await catalog.put_user(ANN)
        with pytest.raises(UserExists) as refused:
            await catalog.put_user(rival)
        assert "s3cr3t" not in str(refused.value)
        assert await catalog.users() == [ann]
        bob = await catalog.put_user(BOB)
        if rival.id == "bob":
            with pytest.raises(UserExists):
                await catalog.put_user(evolve(rival, rev=bob.rev))
        assert await catalog.users() == [ann, bob]

    @ensureDeferred
    async def test_users_that_make_no_sense(self, catalog: Catalog) -> None:
        """A user has an id and a name, and not too many keys."""
        many = tuple(AccessKey(f"AK{n}", "x") for n in range(MOST_KEYS + 1))
        for wrong in (evolve(ANN, id=""), evolve(ANN, name=""), evolve(ANN, keys=many)):
            with pytest.raises(InvalidRequest):
                await catalog.put_user(wrong)
        full = await catalog.put_user(evolve(ANN, keys=many[1:]))
        renewed = tuple(AccessKey(f"BK{n}", "x") for n in range(MOST_KEYS))
        assert (await catalog.put_user(evolve(full, keys=renewed))).keys == renewed

    @ensureDeferred
    async def test_racing_for_a_name(self, catalog: Catalog, second: Catalog) -> None:
        """Of two users that are made with one name at once, one is."""
        ends = await self.race(
            lambda: catalog.put_user(ANN),
            lambda: second.put_user(evolve(ANN, id="other", email="", keys=())),
        )
        assert sum(isinstance(end, User) for end in ends) == 1
        assert sum(isinstance(end, UserExists) for end in ends) == 1
        assert len(await catalog.users()) == 1
