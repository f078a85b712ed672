"""What every catalog promises of changed attributes, and of versions that are locked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.model.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NoSuchKey,
    NoSuchVersion,
    ObjectLocked,
    PreconditionFailed,
)
from godos.model.versions import (
    NULL_VERSION,
    Attributes,
    Deleted,
    Lock,
    LockMode,
    ObjectVersion,
    WriteCondition,
)
from tests.catalog_audit import audit
from tests.contract.catalog import ENABLED, CatalogBench, empty, if_match, upload

FULL = Attributes(
    headers={"content-type": "image/jpeg", "cache-control": "no-cache"},
    metadata={"übung": "macht den Meister", "empty": ""},
    owner="ann",
    tags={"a": "1", "": "", "ü": "x" * 256},
    acl={"owner": "ann", "grants": [{"to": "bob", "may": "READ"}]},
    storage_class="REDUCED_REDUNDANCY",
    lock=Lock(LockMode.GOVERNANCE, 4_000_000_000.25, True),
    encryption={"cipher": "AES256", "key": {"wrapped": "AAAA"}},
)
FAR = 4_000_000_000.0  # seconds since the epoch, beyond the life of these tests
PAST = 1_000_000_000.0


def tagged(**tags: str) -> Callable[[ObjectVersion], Attributes]:
    """The change that adds tags."""
    return lambda version: evolve(version.attributes, tags={**version.attributes.tags, **tags})


def locked(mode: LockMode, until: float = FAR, legal_hold: bool = False) -> Attributes:
    """The attributes of a version under a lock."""
    return Attributes(lock=Lock(mode, until, legal_hold))


class AmendsContract(CatalogBench):
    """See the module."""

    @ensureDeferred
    async def test_attributes_are_kept(self, catalog: Catalog, second: Catalog) -> None:
        """All that belongs to a version comes back, when it is the latest and when it is older."""
        bench = await self.bench(catalog, ENABLED)
        made = await catalog.commit(bench.bucket, "k", upload(attributes=FULL))
        assert (await second.head(bench.bucket, "k")).attributes == FULL
        await catalog.commit(bench.bucket, "k", upload())
        older = await second.version(bench.bucket, "k", made.version_id)
        assert older.attributes == FULL
        listed = (await second.list_versions(bench.bucket)).versions
        assert [version.attributes for version in listed] == [Attributes(), FULL]

    @ensureDeferred
    async def test_amending_the_latest(self, catalog: Catalog, second: Catalog) -> None:
        """New attributes are seen at once, and nothing else of the version changes."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload(attributes=FULL))
        for version_id in (None, NULL_VERSION):
            before = await second.head(bench.bucket, "k")
            amended = await catalog.amend(bench.bucket, "k", version_id, tagged(n=str(version_id)))
            assert await second.head(bench.bucket, "k") == amended
            assert amended.attributes.tags == {**before.attributes.tags, "n": str(version_id)}
            same = evolve(amended, attributes=made.attributes, rev=made.rev)
            assert same == made
            assert amended.rev != before.rev
        assert await catalog.removals(0) == []

    @ensureDeferred
    async def test_amending_an_older_version(self, catalog: Catalog) -> None:
        """An older version is amended where it is, also once it has become the latest again."""
        bench = await self.bench(catalog, ENABLED)
        made = [await catalog.commit(bench.bucket, "k", upload(str(n))) for n in range(3)]
        amended = await catalog.amend(bench.bucket, "k", made[1].version_id, tagged(a="1"))
        assert (amended.is_latest, amended.reference) == (False, made[1].reference)
        listed = (await catalog.list_versions(bench.bucket)).versions
        assert [dict(version.attributes.tags) for version in listed] == [{}, {"a": "1"}, {}]
        await catalog.delete(bench.bucket, "k", made[2].version_id)
        head = await catalog.head(bench.bucket, "k")
        assert (head.version_id, head.attributes.tags) == (made[1].version_id, {"a": "1"})
        await catalog.amend(bench.bucket, "k", made[1].version_id, tagged(b="2"))
        await catalog.commit(bench.bucket, "k", upload("3"))
        found = await catalog.version(bench.bucket, "k", made[1].version_id)
        assert found.attributes.tags == {"a": "1", "b": "2"}

    @ensureDeferred
    async def test_amending_what_is_not_there(self, catalog: Catalog) -> None:
        """Only a version that is there, and is no delete marker, is amended."""
        bench = await self.bench(catalog, ENABLED)
        with pytest.raises(NoSuchKey):
            await catalog.amend(bench.bucket, "k", None, tagged(a="1"))
        with pytest.raises(NoSuchVersion):
            await catalog.amend(bench.bucket, "k", "x", tagged(a="1"))
        await catalog.commit(bench.bucket, "k", upload())
        marker = await catalog.delete(bench.bucket, "k")
        with pytest.raises(NoSuchKey) as hidden:
            await catalog.amend(bench.bucket, "k", None, tagged(a="1"))
        assert hidden.value.delete_marker == marker.version_id
        with pytest.raises(MethodNotAllowed):
            await catalog.amend(bench.bucket, "k", marker.version_id, tagged(a="1"))

    @ensureDeferred
    async def test_a_change_that_refuses(self, catalog: Catalog) -> None:
        """A change that raises leaves the version as it is, and so does one of nothing."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload())

        def refuse(_version: ObjectVersion) -> Attributes:
            raise InvalidRequest("no")

        with pytest.raises(InvalidRequest):
            await catalog.amend(bench.bucket, "k", None, refuse)
        assert await catalog.amend(bench.bucket, "k", None, lambda v: v.attributes) == made
        assert await catalog.head(bench.bucket, "k") == made

    @ensureDeferred
    async def test_amended_at_once(
        self, catalog: Catalog, second: Catalog, items: IItemStore
    ) -> None:
        """Changes that race are all made, each on top of what the faster left."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload())
        await self.race(
            *(
                (lambda c=c, n=n: c.amend(bench.bucket, "k", None, tagged(**{n: n})))
                for c, n in ((catalog, "a"), (second, "b"), (catalog, "c"), (second, "d"))
            )
        )
        tags = (await catalog.head(bench.bucket, "k")).attributes.tags
        assert tags == {n: n for n in "abcd"}
        (await audit(items)).check_at_rest()

    # -- locks --------------------------------------------------------------------------
    @pytest.mark.parametrize("latest", [True, False])
    @pytest.mark.parametrize(
        ("attributes", "bypass", "goes"),
        [
            (locked(LockMode.COMPLIANCE), False, False),
            (locked(LockMode.COMPLIANCE), True, False),
            (locked(LockMode.COMPLIANCE, PAST), False, True),
            (locked(LockMode.GOVERNANCE), False, False),
            (locked(LockMode.GOVERNANCE), True, True),
            (locked(LockMode.GOVERNANCE, PAST), False, True),
            (locked(LockMode.NONE, 0.0, True), True, False),
            (locked(LockMode.GOVERNANCE, FAR, True), True, False),
            (locked(LockMode.COMPLIANCE, PAST, True), True, False),
            (locked(LockMode.NONE, FAR), False, True),
        ],
    )
    @ensureDeferred
    async def test_removing_a_locked_version(
        self, catalog: Catalog, attributes: Attributes, bypass: bool, goes: bool, latest: bool
    ) -> None:
        """A retention or a legal hold keeps a version; governance yields to who may bypass it."""
        bucket = await catalog.create_bucket("photos", "ann", object_lock=True)
        made = await catalog.commit(bucket, "k", upload("1", attributes=attributes))
        if not latest:
            await catalog.commit(bucket, "k", upload("2"))
        asked = catalog.delete(bucket, "k", made.version_id, bypass_governance=bypass)
        if goes:
            removed = (await asked).removed
            assert removed is not None
            assert removed.reference == made.reference
            return
        with pytest.raises(ObjectLocked):
            await asked
        assert (await catalog.version(bucket, "k", made.version_id)).attributes == attributes
        assert await catalog.removals(0) == []

    @ensureDeferred
    async def test_hiding_a_locked_version(self, catalog: Catalog) -> None:
        """A delete marker and a further version may come on top, and the marker may go again."""
        bucket = await catalog.create_bucket("photos", "ann", object_lock=True)
        kept = locked(LockMode.COMPLIANCE, FAR, True)
        made = await catalog.commit(bucket, "k", upload("1", attributes=kept))
        marker = await catalog.delete(bucket, "k")
        await catalog.delete(bucket, "k", marker.version_id)
        await catalog.commit(bucket, "k", upload("2"))
        assert (await catalog.version(bucket, "k", made.version_id)).etag == "1"

    @ensureDeferred
    async def test_lifting_a_lock(self, catalog: Catalog) -> None:
        """A lock is what it was last amended to."""
        bucket = await catalog.create_bucket("photos", "ann", object_lock=True)
        made = await catalog.commit(bucket, "k", upload())
        await catalog.amend(bucket, "k", None, lambda _: locked(LockMode.NONE, 0.0, True))
        with pytest.raises(ObjectLocked):
            await catalog.delete(bucket, "k", made.version_id)
        await catalog.amend(bucket, "k", None, lambda _: Attributes())
        assert (await catalog.delete(bucket, "k", made.version_id)).removed is not None

    @pytest.mark.parametrize("below", [False, True])
    @ensureDeferred
    async def test_replacing_a_locked_null_version(self, catalog: Catalog, below: bool) -> None:
        """A locked null version is neither replaced, nor hidden by a marker in its place."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload("1"))
        await catalog.amend(bench.bucket, "k", None, lambda _: locked(LockMode.GOVERNANCE, FAR))
        if below:
            await catalog.set_versioning("photos", ENABLED)
            await catalog.commit(bench.bucket, "k", upload("2"))
            await catalog.set_versioning("photos", type(ENABLED).SUSPENDED)
        for asked in (
            lambda: catalog.commit(bench.bucket, "k", upload("3")),
            lambda: catalog.commit(bench.bucket, "k", empty("3")),
            lambda: catalog.delete(bench.bucket, "k"),
            lambda: catalog.delete(bench.bucket, "k", NULL_VERSION),
        ):
            with pytest.raises(ObjectLocked):
                await asked()
        assert (await catalog.version(bench.bucket, "k", NULL_VERSION)).etag == "1"

    # -- conditions of deletions --------------------------------------------------------
    @ensureDeferred
    async def test_conditions_of_deletions(self, catalog: Catalog) -> None:
        """A deletion may ask for the ETag, the size, and the time to the second."""
        bench = await self.bench(catalog)
        new = upload("1")
        wrong = (
            WriteCondition(if_match="2"),
            WriteCondition(size=6),
            WriteCondition(modified=int(new.modified) + 1),
            WriteCondition(if_match="1", size=6),
            WriteCondition(if_match="*", modified=int(new.modified) - 1),
        )
        right = WriteCondition(if_match="1", size=5, modified=int(new.modified))
        for asked in (*wrong, right):
            nothing = await catalog.delete(bench.bucket, "k", condition=asked)
            assert nothing == Deleted()
        made = await catalog.commit(bench.bucket, "k", new)
        for asked in wrong:
            with pytest.raises(PreconditionFailed):
                await catalog.delete(bench.bucket, "k", condition=asked)
            with pytest.raises(PreconditionFailed):
                await catalog.delete(bench.bucket, "k", NULL_VERSION, asked)
        assert await catalog.head(bench.bucket, "k") == made
        deleted = await catalog.delete(bench.bucket, "k", condition=right)
        assert deleted.removed == made

    @ensureDeferred
    async def test_conditions_of_hiding(self, catalog: Catalog) -> None:
        """With versioning on a condition is of what is on top; over nothing no marker is made."""
        bench = await self.bench(catalog, ENABLED)
        for etag in ("*", "x"):
            assert await catalog.delete(bench.bucket, "k", condition=if_match(etag)) == Deleted()
        assert (await catalog.list_versions(bench.bucket)).versions == ()
        await catalog.commit(bench.bucket, "k", upload("1"))
        with pytest.raises(PreconditionFailed):
            await catalog.delete(bench.bucket, "k", condition=if_match("x"))
        hidden = await catalog.delete(bench.bucket, "k", condition=if_match("1"))
        assert hidden.is_delete_marker
        for asked in (if_match("1"), WriteCondition(size=5)):
            with pytest.raises(PreconditionFailed):
                await catalog.delete(bench.bucket, "k", condition=asked)
        again = await catalog.delete(bench.bucket, "k", condition=if_match("*"))
        assert again.is_delete_marker
        assert len((await catalog.list_versions(bench.bucket)).versions) == 3

    @ensureDeferred
    async def test_writes_with_other_conditions(self, catalog: Catalog) -> None:
        """A write may ask for the size and the time as well."""
        bench = await self.bench(catalog)
        with pytest.raises(NoSuchKey):
            await catalog.commit(bench.bucket, "k", upload("1"), WriteCondition(size=5))
        made = await catalog.commit(bench.bucket, "k", upload("1"))
        with pytest.raises(PreconditionFailed):
            await catalog.commit(bench.bucket, "k", upload("2"), WriteCondition(size=6))
        same = WriteCondition(size=5, modified=int(made.modified))
        assert (await catalog.commit(bench.bucket, "k", upload("2"), same)).etag == "2"
