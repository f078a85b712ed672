"""
What every catalog promises, whatever item store it is kept in.

A test module subclasses `CatalogContract` and defines a fixture `items` that opens an empty
store; the tests then hold for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve, frozen
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import DeferredList
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    CannotStart,
    Conflict,
    InvalidRequest,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
)
from godos.model.members import ApiServer, Node, NodeState
from godos.model.names import new_id
from godos.model.policy import Policy
from godos.model.versions import (
    NULL_VERSION,
    Attributes,
    Bucket,
    Deleted,
    Listing,
    NewVersion,
    ObjectVersion,
    Versioning,
    WriteCondition,
)

TWO = Policy.copies(2)
BOTH = (Placed(0, "node-a"), Placed(1, "node-b"))
ENABLED, SUSPENDED = Versioning.ENABLED, Versioning.SUSPENDED
ONLY_NEW = WriteCondition(if_none_match_any=True)
HARD_KEYS = (
    "/",
    "//",
    "../x",
    "a%2Fb",
    "a b",
    "a\nb",
    "\x00",
    "\x7f",
    "é",
    "e\u0301",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "k" * 1024,
    "\U0010ffff" * 256,
)


def upload(etag: str = "e", layout: tuple[Placed, ...] = BOTH, **more: Any) -> NewVersion:
    """A new upload of 5 bytes, at target."""
    blob = Blob(new_id(), 5, "ab" * 32, TWO, layout)
    return NewVersion(new_id(), etag, 5, 1_700_000_000.5, blob, **more)


def empty(etag: str = "nothing", **more: Any) -> NewVersion:
    """A new object of 0 bytes."""
    return NewVersion(new_id(), etag, 0, 1_700_000_000.5, None, **more)


def node(name: str = "node-a", **more: Any) -> Node:
    """A node that just started."""
    return Node(name, new_id(), "127.0.0.1:8031", "zone-1", 10**12, 10**11, **more)


def if_match(etag: str) -> WriteCondition:
    return WriteCondition(if_match=etag)


async def all_of(*deferreds: Any) -> list[Any]:
    """Results, and exceptions of those that failed, of operations that run at once."""
    ended = await DeferredList(deferreds, consumeErrors=True)
    return [result if good else result.value for good, result in ended]


async def puts(catalog: ICatalog, bucket: Bucket, *keys: str) -> None:
    """One object under each key, its etag the key."""
    for key in keys:
        await catalog.commit(bucket, key, empty(key))


async def whole(catalog: ICatalog, bucket: Bucket, limit: int, **how: Any) -> list[str]:
    """All lines of a listing, read in pages of at most `limit`."""
    lines: list[str] = []
    after = how.pop("after", "")
    while True:
        page: Listing = await catalog.list_objects(bucket, after=after, limit=limit, **how)
        found = [version.key for version in page.versions] + list(page.common_prefixes)
        assert len(found) <= limit
        lines += sorted(found, key=str.encode)
        if page.next is None:
            return lines
        assert page.next > after or not after or page.next.encode() > after.encode()
        after = page.next


async def whole_versions(
    catalog: ICatalog, bucket: Bucket, limit: int, **how: Any
) -> list[ObjectVersion]:
    """All versions, read in pages of at most `limit`, as a client would."""
    found: list[ObjectVersion] = []
    after = after_version = ""
    while True:
        page: Listing = await catalog.list_versions(
            bucket, after=after, after_version=after_version, limit=limit, **how
        )
        assert len(page.versions) + len(page.common_prefixes) <= limit
        found += page.versions
        if page.next is None:
            return found
        last = page.versions[-1] if page.versions else None
        after = page.next
        after_version = last.version_id if last is not None and last.key == after else ""


def expected_lines(keys: Sequence[str], prefix: str = "", delimiter: str = "") -> list[str]:
    """A listing, worked out the slow way."""
    lines: set[bytes] = set()
    begin, cut = prefix.encode(), delimiter.encode()
    for key in map(str.encode, keys):
        if key.startswith(begin):
            at = key.find(cut, len(begin)) if cut else -1
            lines.add(key if at < 0 else key[: at + len(cut)])
    return [line.decode() for line in sorted(lines)]


@frozen
class Bench:
    """A catalog with a bucket in it."""

    catalog: Catalog
    bucket: Bucket

    async def versioned(self, versioning: Versioning) -> Bench:
        """The same bucket with other versioning."""
        bucket = await self.catalog.set_versioning(self.bucket.name, versioning)
        return evolve(self, bucket=bucket)


class CatalogBench:
    """How the contracts come to their catalogs."""

    settle = 0.0  # seconds that a bucket's change waits: as long on DynamoDB, only shorter
    serves_many_at_once = True

    @pytest.fixture
    def monotonic(self) -> Clock:
        """The clock that ages are measured with."""
        return Clock()

    @pytest.fixture
    def catalog(self, items: IItemStore, monotonic: Clock) -> Catalog:
        """An empty catalog."""
        return Catalog(items, reactor, self.settle, monotonic.seconds)

    @pytest.fixture
    def second(self, items: IItemStore, monotonic: Clock) -> Catalog:
        """The same catalog, as another server sees it."""
        return Catalog(items, reactor, self.settle, monotonic.seconds)

    async def bench(self, catalog: Catalog, versioning: Versioning = Versioning.OFF) -> Bench:
        bucket = await catalog.create_bucket("photos", "ann")
        bench = Bench(catalog, bucket)
        return bench if versioning is Versioning.OFF else await bench.versioned(versioning)

    async def race(self, *asked: Any) -> list[Any]:
        """Several operations at once, where the engine bears that, else one by one."""
        if self.serves_many_at_once:
            return await all_of(*(ask() for ask in asked))
        return [end for ask in asked for end in await all_of(ask())]


class CatalogContract(CatalogBench):
    """See the module."""

    def test_interface(self, catalog: Catalog) -> None:
        """It has all methods of the interface, with their arguments."""
        verifyObject(ICatalog, catalog)

    # -- the cluster --------------------------------------------------------------------
    @ensureDeferred
    async def test_uninitialised(self, catalog: Catalog) -> None:
        """A daemon does not start on an empty catalog."""
        with pytest.raises(CannotStart, match="empty"):
            await catalog.cluster()

    @ensureDeferred
    async def test_initialise_once(self, catalog: Catalog, second: Catalog) -> None:
        """However many servers prepare a catalog, it is one cluster with one secret."""
        made = await catalog.initialise("auto")
        assert await second.initialise("copies=3") == made
        assert await second.cluster() == made
        assert (len(made.id), len(made.secret), made.policy, made.epoch) == (32, 64, "auto", 1)
        assert made.secret not in repr(made)

    # -- buckets ------------------------------------------------------------------------
    @ensureDeferred
    async def test_create_bucket(self, catalog: Catalog, second: Catalog) -> None:
        """A bucket is seen by every server as soon as it is made."""
        made = await catalog.create_bucket("photos", "ann")
        assert (made.name, made.owner, made.versioning) == ("photos", "ann", Versioning.OFF)
        assert await second.bucket("photos") == made
        assert await second.buckets() == [made]

    @ensureDeferred
    async def test_bucket_names_are_taken_once(self, catalog: Catalog) -> None:
        """A second bucket of a name is refused, to its owner with another error."""
        await catalog.create_bucket("photos", "ann")
        with pytest.raises(BucketAlreadyOwnedByYou):
            await catalog.create_bucket("photos", "ann")
        with pytest.raises(BucketAlreadyExists):
            await catalog.create_bucket("photos", "bob")

    @ensureDeferred
    async def test_buckets_in_order(self, catalog: Catalog) -> None:
        """Buckets are listed by name."""
        for name in ("mmm", "a-b", "zzz", "a.b"):
            await catalog.create_bucket(name, "ann")
        assert [bucket.name for bucket in await catalog.buckets()] == ["a-b", "a.b", "mmm", "zzz"]

    @ensureDeferred
    async def test_no_bucket(self, catalog: Catalog) -> None:
        """What is asked of a bucket that is not there fails, and says so."""
        gone = Bucket("photos", new_id(), "ann", 0.0)
        for asked in (
            lambda: catalog.bucket("photos"),
            lambda: catalog.delete_bucket("photos"),
            lambda: catalog.set_versioning("photos", ENABLED),
            lambda: catalog.commit(gone, "k", upload()),
            lambda: catalog.delete(gone, "k"),
        ):
            with pytest.raises(NoSuchBucket):
                await asked()

    @ensureDeferred
    async def test_delete_bucket(self, catalog: Catalog) -> None:
        """An empty bucket is gone after its deletion, also for those who know it still."""
        bench = await self.bench(catalog)
        await catalog.delete_bucket("photos")
        assert await catalog.buckets() == []
        with pytest.raises(NoSuchBucket):
            await catalog.commit(bench.bucket, "k", upload())

    @ensureDeferred
    async def test_bucket_made_again(self, catalog: Catalog) -> None:
        """A bucket made again under its name is another one."""
        bench = await self.bench(catalog)
        await catalog.delete_bucket("photos")
        again = await catalog.create_bucket("photos", "ann")
        assert again.id != bench.bucket.id
        with pytest.raises(NoSuchBucket):
            await catalog.commit(bench.bucket, "k", upload())
        await catalog.commit(again, "k", upload())

    @ensureDeferred
    async def test_bucket_with_objects_stays(self, catalog: Catalog) -> None:
        """A bucket that holds anything is not deleted, and works on."""
        bench = await self.bench(catalog, ENABLED)
        await catalog.commit(bench.bucket, "k", upload("1"))
        with pytest.raises(BucketNotEmpty):
            await catalog.delete_bucket("photos")
        await catalog.delete(bench.bucket, "k")  # a marker and a version are there
        with pytest.raises(BucketNotEmpty):
            await catalog.delete_bucket("photos")
        await catalog.commit(bench.bucket, "k", upload("2"))
        assert (await catalog.head(bench.bucket, "k")).etag == "2"

    @ensureDeferred
    async def test_versioning_is_never_off_again(self, catalog: Catalog) -> None:
        """Versioning can be suspended, and not be switched off."""
        bench = await self.bench(catalog)
        assert (await catalog.set_versioning("photos", ENABLED)).versioning is ENABLED
        with pytest.raises(InvalidRequest):
            await catalog.set_versioning("photos", Versioning.OFF)
        assert (await catalog.set_versioning("photos", SUSPENDED)).versioning is SUSPENDED
        assert (await catalog.bucket("photos")).id == bench.bucket.id

    # -- objects without versioning ----------------------------------------------------
    @ensureDeferred
    async def test_read_after_write(self, catalog: Catalog, second: Catalog) -> None:
        """An object is seen whole by every server as soon as it is committed."""
        bench = await self.bench(catalog)
        new = upload(
            attributes=Attributes(
                headers={"content-type": "image/jpeg"},
                metadata={"übung": "macht den Meister"},
            ),
            checksums={"crc32": "AAAAAA=="},
        )
        made = await catalog.commit(bench.bucket, "cat.jpg", new)
        assert await second.head(bench.bucket, "cat.jpg") == made
        assert await second.version(bench.bucket, "cat.jpg", NULL_VERSION) == made
        assert new.blob is not None
        assert (made.etag, made.size, made.modified) == (new.etag, 5, new.modified)
        assert made.attributes == new.attributes
        assert made.checksums == new.checksums
        assert (made.incarnation, made.reference) == (new.blob.incarnation, new.operation)
        assert (made.is_null, made.is_latest, made.is_delete_marker) == (True, True, False)
        blob = await second.blob(new.blob.incarnation)
        assert blob == evolve(new.blob, rev=new.operation)

    @ensureDeferred
    async def test_no_object(self, catalog: Catalog) -> None:
        """What is not there is not found, and its deletion is no error."""
        bench = await self.bench(catalog)
        with pytest.raises(NoSuchKey) as missing:
            await catalog.head(bench.bucket, "k")
        assert missing.value.delete_marker is None
        with pytest.raises(NoSuchVersion):
            await catalog.version(bench.bucket, "k", NULL_VERSION)
        assert (await catalog.delete(bench.bucket, "k")).removed is None
        assert (await catalog.delete(bench.bucket, "k", NULL_VERSION)).removed is None
        assert await catalog.blob(new_id()) is None

    @ensureDeferred
    async def test_overwrite(self, catalog: Catalog) -> None:
        """A second upload replaces the first, whose bytes are collected."""
        bench = await self.bench(catalog)
        first = await catalog.commit(bench.bucket, "k", upload("1"))
        second = await catalog.commit(bench.bucket, "k", upload("2"))
        assert await catalog.head(bench.bucket, "k") == second
        assert second.seq == first.seq + 1
        page = await catalog.list_versions(bench.bucket)
        assert page.versions == (second,)
        removals = await catalog.removals(0)
        assert [removal.blob.incarnation for removal in removals] == [first.incarnation]

    @ensureDeferred
    async def test_delete(self, catalog: Catalog) -> None:
        """A deleted object is gone, and its bytes are collected."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload())
        deleted = await catalog.delete(bench.bucket, "k")
        assert (deleted.removed, deleted.is_delete_marker) == (made, False)
        with pytest.raises(NoSuchKey):
            await catalog.head(bench.bucket, "k")
        assert len(await catalog.removals(0)) == 1
        await catalog.delete_bucket("photos")

    @ensureDeferred
    async def test_empty_object(self, catalog: Catalog) -> None:
        """An object of 0 bytes has no blob and leaves nothing to collect."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", empty())
        assert (made.size, made.incarnation) == (0, None)
        await catalog.delete(bench.bucket, "k")
        assert await catalog.removals(0) == []

    @ensureDeferred
    async def test_any_name(self, catalog: Catalog) -> None:
        """Names are kept byte by byte, and listed in the order of their bytes."""
        bench = await self.bench(catalog)
        await puts(catalog, bench.bucket, *HARD_KEYS)
        for key in HARD_KEYS:
            assert (await catalog.head(bench.bucket, key)).etag == key
        expected = expected_lines(HARD_KEYS)
        assert await whole(catalog, bench.bucket, 1000) == expected
        assert await whole(catalog, bench.bucket, 1) == expected
        assert [v.key for v in await whole_versions(catalog, bench.bucket, 1)] == expected
        for key in HARD_KEYS:
            await catalog.delete(bench.bucket, key)
        assert await whole(catalog, bench.bucket, 1000) == []

    @ensureDeferred
    async def test_buckets_are_apart(self, catalog: Catalog) -> None:
        """The same key in two buckets is two objects."""
        one = await catalog.create_bucket("one", "ann")
        two = await catalog.create_bucket("two", "ann")
        await catalog.commit(one, "k", upload("1"))
        await catalog.commit(two, "k", upload("2"))
        await catalog.delete(one, "k")
        assert (await catalog.head(two, "k")).etag == "2"
        assert (await catalog.list_objects(one)).versions == ()

    # -- conditions ---------------------------------------------------------------------
    @ensureDeferred
    async def test_only_when_new(self, catalog: Catalog) -> None:
        """`If-None-Match: *` writes only where there is no object."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload("1"), ONLY_NEW)
        with pytest.raises(PreconditionFailed):
            await catalog.commit(bench.bucket, "k", upload("2"), ONLY_NEW)
        assert await catalog.head(bench.bucket, "k") == made

    @ensureDeferred
    async def test_only_when_the_same(self, catalog: Catalog) -> None:
        """`If-Match` writes only over the object with that ETag, `*` over any."""
        bench = await self.bench(catalog)
        with pytest.raises(NoSuchKey):
            await catalog.commit(bench.bucket, "k", upload("1"), if_match("1"))
        with pytest.raises(NoSuchKey):
            await catalog.commit(bench.bucket, "k", upload("1"), if_match("*"))
        await catalog.commit(bench.bucket, "k", upload("1"))
        with pytest.raises(PreconditionFailed):
            await catalog.commit(bench.bucket, "k", upload("2"), if_match("other"))
        await catalog.commit(bench.bucket, "k", upload("2"), if_match("1"))
        await catalog.commit(bench.bucket, "k", upload("3"), if_match("*"))
        assert (await catalog.head(bench.bucket, "k")).etag == "3"

    @ensureDeferred
    async def test_deleting_with_a_condition(self, catalog: Catalog) -> None:
        """`If-Match` deletes only the object with that ETag; nothing there is no error."""
        bench = await self.bench(catalog)
        for asked in (if_match("1"), if_match("*")):
            assert await catalog.delete(bench.bucket, "k", condition=asked) == Deleted()
        await catalog.commit(bench.bucket, "k", upload("1"))
        with pytest.raises(PreconditionFailed):
            await catalog.delete(bench.bucket, "k", condition=if_match("2"))
        await catalog.delete(bench.bucket, "k", condition=if_match("1"))
        with pytest.raises(NoSuchKey):
            await catalog.head(bench.bucket, "k")

    @ensureDeferred
    async def test_a_marker_is_no_object(self, catalog: Catalog) -> None:
        """For conditions a key with a delete marker on top has no object."""
        bench = await self.bench(catalog, ENABLED)
        await catalog.commit(bench.bucket, "k", upload("1"))
        marker = await catalog.delete(bench.bucket, "k")
        with pytest.raises(NoSuchKey) as missing:
            await catalog.commit(bench.bucket, "k", upload("2"), if_match("*"))
        assert missing.value.delete_marker == marker.version_id
        await catalog.commit(bench.bucket, "k", upload("2"), ONLY_NEW)
        with pytest.raises(PreconditionFailed):
            await catalog.commit(bench.bucket, "k", upload("3"), ONLY_NEW)

    @ensureDeferred
    async def test_racing_for_a_new_key(self, catalog: Catalog, second: Catalog) -> None:
        """Of writers that race with `If-None-Match: *`, exactly one wins."""
        bench = await self.bench(catalog)
        for turn in range(4):
            key = f"k{turn}"
            ended = await self.race(
                *(
                    (lambda c=c, n=n, key=key: c.commit(bench.bucket, key, upload(n), ONLY_NEW))
                    for c, n in ((catalog, "1"), (second, "2"), (catalog, "3"))
                )
            )
            won = [end for end in ended if isinstance(end, ObjectVersion)]
            assert len(won) == 1
            assert sum(isinstance(end, PreconditionFailed) for end in ended) == 2
            assert await catalog.head(bench.bucket, key) == won[0]

    @ensureDeferred
    async def test_racing_to_replace(self, catalog: Catalog, second: Catalog) -> None:
        """Of writers that race with the same `If-Match`, exactly one wins."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload("0"))
        ended = await self.race(
            lambda: catalog.commit(bench.bucket, "k", upload("1"), if_match("0")),
            lambda: second.commit(bench.bucket, "k", upload("2"), if_match("0")),
        )
        assert sum(isinstance(end, ObjectVersion) for end in ended) == 1
        assert sum(isinstance(end, PreconditionFailed) for end in ended) == 1

    @ensureDeferred
    async def test_racing_without_conditions(self, catalog: Catalog, second: Catalog) -> None:
        """Writers without conditions all succeed, and every version is kept."""
        bench = await self.bench(catalog, ENABLED)
        ended = await self.race(
            *(
                (lambda c=c, n=n: c.commit(bench.bucket, "k", upload(str(n))))
                for n, c in enumerate((catalog, second, catalog, second))
            )
        )
        assert all(isinstance(end, ObjectVersion) for end in ended)
        versions = await whole_versions(catalog, bench.bucket, 1000)
        assert {version.etag for version in versions} == {"0", "1", "2", "3"}
        assert [version.seq for version in versions] == [4, 3, 2, 1]

    # -- versions -----------------------------------------------------------------------
    @ensureDeferred
    async def test_versions(self, catalog: Catalog, second: Catalog) -> None:
        """With versioning on each upload is kept, newest first, and found by its id."""
        bench = await self.bench(catalog, ENABLED)
        made = [await catalog.commit(bench.bucket, "k", upload(str(n))) for n in range(5)]
        assert len({version.version_id for version in made}) == 5
        listed = (await second.list_versions(bench.bucket)).versions
        assert [version.etag for version in listed] == ["4", "3", "2", "1", "0"]
        assert [version.is_latest for version in listed] == [True, False, False, False, False]
        for version in made:
            found = await second.version(bench.bucket, "k", version.version_id)
            assert (found.etag, found.reference) == (version.etag, version.reference)
            assert not found.is_null
        assert await catalog.removals(0) == []

    @ensureDeferred
    async def test_foreign_version_ids(self, catalog: Catalog) -> None:
        """An id that the catalog never gave is of no version, of whatever form it is."""
        bench = await self.bench(catalog, ENABLED)
        made = await catalog.commit(bench.bucket, "k", upload())
        for foreign in (
            "",
            "null",
            "x",
            "é" * 22,
            "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY",
            made.version_id[:-1] + "B",
            made.version_id[:12] + "AAAAAAAAAA",
            made.version_id + "A",
        ):
            with pytest.raises(NoSuchVersion):
                await catalog.version(bench.bucket, "k", foreign)
            assert (await catalog.delete(bench.bucket, "k", foreign)).removed is None
        with pytest.raises(NoSuchVersion):
            await catalog.version(bench.bucket, "other", made.version_id)
        assert await catalog.head(bench.bucket, "k") == made

    @ensureDeferred
    async def test_delete_marker(self, catalog: Catalog) -> None:
        """With versioning on a deletion hides the object, and undoing it shows it again."""
        bench = await self.bench(catalog, ENABLED)
        made = await catalog.commit(bench.bucket, "k", upload("1"))
        deleted = await catalog.delete(bench.bucket, "k")
        assert deleted.is_delete_marker
        assert deleted.version_id is not None
        with pytest.raises(NoSuchKey) as hidden:
            await catalog.head(bench.bucket, "k")
        assert hidden.value.delete_marker == deleted.version_id
        marker = await catalog.version(bench.bucket, "k", deleted.version_id)
        assert (marker.is_delete_marker, marker.is_latest, marker.size) == (True, True, 0)
        assert (await catalog.list_objects(bench.bucket)).versions == ()
        assert (await catalog.version(bench.bucket, "k", made.version_id)).etag == "1"
        undone = await catalog.delete(bench.bucket, "k", deleted.version_id)
        assert (undone.version_id, undone.is_delete_marker) == (deleted.version_id, True)
        back = await catalog.head(bench.bucket, "k")
        assert (back.version_id, back.is_latest) == (made.version_id, True)
        assert [v.key for v in (await catalog.list_objects(bench.bucket)).versions] == ["k"]

    @ensureDeferred
    async def test_marker_for_a_missing_key(self, catalog: Catalog) -> None:
        """With versioning on the deletion of a key that is not there leaves a marker too."""
        bench = await self.bench(catalog, ENABLED)
        deleted = await catalog.delete(bench.bucket, "k")
        assert deleted.is_delete_marker
        assert len((await catalog.list_versions(bench.bucket)).versions) == 1

    @ensureDeferred
    async def test_removing_versions(self, catalog: Catalog) -> None:
        """Versions removed for good are gone, and the newest left is the latest."""
        bench = await self.bench(catalog, ENABLED)
        made = [await catalog.commit(bench.bucket, "k", upload(str(n))) for n in range(4)]
        for remove, left in ((3, [2, 1, 0]), (1, [2, 0]), (2, [0]), (0, [])):
            gone = await catalog.delete(bench.bucket, "k", made[remove].version_id)
            assert gone.removed is not None
            assert gone.removed.reference == made[remove].reference
            listed = (await catalog.list_versions(bench.bucket)).versions
            assert [version.etag for version in listed] == [str(n) for n in left]
            assert [version.is_latest for version in listed] == [n == left[0] for n in left]
            with pytest.raises(NoSuchVersion):
                await catalog.version(bench.bucket, "k", made[remove].version_id)
        assert len(await catalog.removals(0)) == 4
        await catalog.delete_bucket("photos")

    @ensureDeferred
    async def test_a_key_made_again(self, catalog: Catalog) -> None:
        """Ids of versions that are gone stay unknown when their numbers come again."""
        bench = await self.bench(catalog, ENABLED)
        old = [await catalog.commit(bench.bucket, "k", upload()) for _ in range(2)]
        for version in old:
            await catalog.delete(bench.bucket, "k", version.version_id)
        new = [await catalog.commit(bench.bucket, "k", upload()) for _ in range(2)]
        assert [version.seq for version in new] == [version.seq for version in old]
        for version in old:
            with pytest.raises(NoSuchVersion):
                await catalog.version(bench.bucket, "k", version.version_id)

    @ensureDeferred
    async def test_deleting_an_old_version_with_a_condition(self, catalog: Catalog) -> None:
        """A condition speaks of the version that is to be removed."""
        bench = await self.bench(catalog, ENABLED)
        old = await catalog.commit(bench.bucket, "k", upload("1"))
        await catalog.commit(bench.bucket, "k", upload("2"))
        with pytest.raises(PreconditionFailed):
            await catalog.delete(bench.bucket, "k", old.version_id, if_match("2"))
        with pytest.raises(PreconditionFailed):
            latest = WriteCondition(is_latest=True)
            await catalog.delete(bench.bucket, "k", old.version_id, latest)
        gone = await catalog.delete(bench.bucket, "k", old.version_id, if_match("1"))
        assert gone.removed is not None
        again = await catalog.delete(bench.bucket, "k", old.version_id, if_match("1"))
        assert again.removed is None

    # -- the null version --------------------------------------------------------------
    @ensureDeferred
    async def test_object_from_before_versioning(self, catalog: Catalog) -> None:
        """An object from before versioning went on is its key's null version."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload("0"))
        bench = await bench.versioned(ENABLED)
        await catalog.commit(bench.bucket, "k", upload("1"))
        await catalog.commit(bench.bucket, "k", upload("2"))
        null = await catalog.version(bench.bucket, "k", NULL_VERSION)
        assert (null.etag, null.is_null, null.version_id) == ("0", True, NULL_VERSION)
        gone = await catalog.delete(bench.bucket, "k", NULL_VERSION)
        assert gone.removed is not None
        with pytest.raises(NoSuchVersion):
            await catalog.version(bench.bucket, "k", NULL_VERSION)
        assert len((await catalog.list_versions(bench.bucket)).versions) == 2

    @ensureDeferred
    async def test_suspended_put_replaces_the_null_version(self, catalog: Catalog) -> None:
        """While versioning is suspended there is one null version, however old the last."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload("null 1"))
        bench = await bench.versioned(ENABLED)
        for etag in ("1", "2"):
            await catalog.commit(bench.bucket, "k", upload(etag))
        bench = await bench.versioned(SUSPENDED)
        for etag in ("null 2", "null 3"):
            await catalog.commit(bench.bucket, "k", upload(etag))
            listed = (await catalog.list_versions(bench.bucket)).versions
            assert [version.etag for version in listed] == [etag, "2", "1"]
            assert [version.is_null for version in listed] == [True, False, False]
        assert len(await catalog.removals(0)) == 2

    @ensureDeferred
    async def test_suspended_delete(self, catalog: Catalog) -> None:
        """While versioning is suspended a deletion replaces the null version by a marker."""
        bench = await self.bench(catalog, ENABLED)
        kept = await catalog.commit(bench.bucket, "k", upload("1"))
        bench = await bench.versioned(SUSPENDED)
        await catalog.commit(bench.bucket, "k", upload("null"))
        for _ in range(2):
            deleted = await catalog.delete(bench.bucket, "k")
            assert (deleted.version_id, deleted.is_delete_marker) == (NULL_VERSION, True)
        listed = (await catalog.list_versions(bench.bucket)).versions
        assert [v.version_id for v in listed] == [NULL_VERSION, kept.version_id]
        assert len(await catalog.removals(0)) == 1
        await catalog.delete(bench.bucket, "k", NULL_VERSION)
        assert (await catalog.head(bench.bucket, "k")).version_id == kept.version_id

    @ensureDeferred
    async def test_null_version_comes_up(self, catalog: Catalog) -> None:
        """The null version stays the null version when those above it are removed."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload("null"))
        bench = await bench.versioned(ENABLED)
        above = [await catalog.commit(bench.bucket, "k", upload()) for _ in range(2)]
        for version in reversed(above):
            await catalog.delete(bench.bucket, "k", version.version_id)
            null = await catalog.version(bench.bucket, "k", NULL_VERSION)
            assert null.etag == "null"
        latest = await catalog.head(bench.bucket, "k")
        assert (latest.etag, latest.version_id) == ("null", NULL_VERSION)
        bench = await bench.versioned(SUSPENDED)
        await catalog.commit(bench.bucket, "k", upload("null 2"))
        listed = (await catalog.list_versions(bench.bucket)).versions
        assert [version.etag for version in listed] == ["null 2"]

    @ensureDeferred
    async def test_null_version_is_gone_for_good(self, catalog: Catalog) -> None:
        """A version that gets the number of a removed null version is not taken for it."""
        bench = await self.bench(catalog, ENABLED)
        await catalog.commit(bench.bucket, "k", upload("1"))
        bench = await bench.versioned(SUSPENDED)
        await catalog.commit(bench.bucket, "k", upload("null"))
        bench = await bench.versioned(ENABLED)
        third = await catalog.commit(bench.bucket, "k", upload("3"))
        await catalog.delete(bench.bucket, "k", NULL_VERSION)
        await catalog.delete(bench.bucket, "k", third.version_id)
        for etag in ("2 again", "3 again"):
            await catalog.commit(bench.bucket, "k", upload(etag))
        with pytest.raises(NoSuchVersion):
            await catalog.version(bench.bucket, "k", NULL_VERSION)
        bench = await bench.versioned(SUSPENDED)
        await catalog.commit(bench.bucket, "k", upload("null again"))
        listed = (await catalog.list_versions(bench.bucket)).versions
        assert [v.etag for v in listed] == ["null again", "3 again", "2 again", "1"]

    # -- listings -----------------------------------------------------------------------
    KEYS = (
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/c",
        "a//",
        "a//x",
        "a0",
        "b/1",
        "b/2",
        "b--1",
        "b--2",
        "b-",
        "z\U0010ffff",
        "z\U0010ffff/1",
        "z\U0010ffff\U0010ffff",
        "ä/ö",
    )

    @ensureDeferred
    async def test_listing(self, catalog: Catalog) -> None:
        """Prefix and delimiter select and roll up, in pages of every size."""
        bench = await self.bench(catalog)
        await puts(catalog, bench.bucket, *self.KEYS)
        for prefix in ("", "a", "a/", "a//", "b", "z\U0010ffff", "ä", "none"):
            for delimiter in ("", "/", "--", "\U0010ffff", "b"):
                expected = expected_lines(self.KEYS, prefix, delimiter)
                for limit in (1, 2, 1000):
                    how = {"prefix": prefix, "delimiter": delimiter}
                    assert await whole(catalog, bench.bucket, limit, **how) == expected, how

    @ensureDeferred
    async def test_listing_after(self, catalog: Catalog) -> None:
        """A listing starts after any text, be there such a key or not."""
        bench = await self.bench(catalog)
        await puts(catalog, bench.bucket, *self.KEYS)
        for after in (*self.KEYS, "a/b/", "zz", "a/b\x00", "b--"):
            expected = [k for k in expected_lines(self.KEYS) if k.encode() > after.encode()]
            assert await whole(catalog, bench.bucket, 3, after=after) == expected
        how = {"after": "a/b", "delimiter": "/"}
        expected = expected_lines([key for key in self.KEYS if key > "a/b"], delimiter="/")
        assert await whole(catalog, bench.bucket, 9, **how) == expected
        assert expected[0] == "a/"  # some of it is still to come
        how = {"after": "a/", "delimiter": "/", "prefix": "a"}
        assert await whole(catalog, bench.bucket, 9, **how) == ["a0"]

    @ensureDeferred
    async def test_listing_nothing(self, catalog: Catalog) -> None:
        """A page of no lines is the last one."""
        bench = await self.bench(catalog)
        assert await catalog.list_objects(bench.bucket) == Listing((), (), None)
        await puts(catalog, bench.bucket, "k")
        assert await catalog.list_objects(bench.bucket, limit=0) == Listing((), (), None)
        assert await catalog.list_versions(bench.bucket, limit=0) == Listing((), (), None)

    @ensureDeferred
    async def test_listing_shards(self, items: IItemStore, monotonic: Clock) -> None:
        """A bucket whose keys are spread is listed in one order, in pages of every size."""
        catalog = Catalog(items, reactor, self.settle, monotonic.seconds, shards=5)
        bench = await self.bench(catalog)
        assert bench.bucket.shards == 5
        await puts(catalog, bench.bucket, *self.KEYS)
        for delimiter in ("", "/"):
            for limit in (1, 4, 1000):
                lines = await whole(catalog, bench.bucket, limit, delimiter=delimiter)
                assert lines == expected_lines(self.KEYS, delimiter=delimiter)
        versions = await whole_versions(catalog, bench.bucket, 3)
        assert [version.key for version in versions] == expected_lines(self.KEYS)

    @ensureDeferred
    async def test_listing_hides_the_deleted(self, catalog: Catalog) -> None:
        """Objects under a delete marker are not listed, nor prefixes of only such."""
        bench = await self.bench(catalog, ENABLED)
        await puts(catalog, bench.bucket, "a/1", "a/2", "b/1", "b/2", "c")
        for key in ("a/1", "a/2", "b/1"):
            await catalog.delete(bench.bucket, key)
        for limit in (1, 1000):
            assert await whole(catalog, bench.bucket, limit) == ["b/2", "c"]
            assert await whole(catalog, bench.bucket, limit, delimiter="/") == ["b/", "c"]
        page = await catalog.list_versions(bench.bucket, delimiter="/")
        assert page.common_prefixes == ("a/", "b/")

    @ensureDeferred
    async def test_listing_versions(self, catalog: Catalog) -> None:
        """All versions of all keys are listed once, in pages of every size."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "m", upload("m null"))
        bench = await bench.versioned(ENABLED)
        for key, count in (("a", 1), ("b/1", 3), ("b/2", 2), ("m", 4), ("z", 1)):
            for number in range(count):
                await catalog.commit(bench.bucket, key, upload(f"{key} {number}"))
        await catalog.delete(bench.bucket, "z")
        expected = ["a 0", "b/1 2", "b/1 1", "b/1 0", "b/2 1", "b/2 0"]
        expected += ["m 3", "m 2", "m 1", "m 0", "m null", "", "z 0"]
        for limit in (*range(1, 8), 1000):
            found = await whole_versions(catalog, bench.bucket, limit)
            assert [version.etag for version in found] == expected, limit
        found = await whole_versions(catalog, bench.bucket, 2, prefix="b/")
        assert [version.etag for version in found] == expected[1:6]
        page = await catalog.list_versions(bench.bucket, delimiter="/", after="a")
        assert page.common_prefixes == ("b/",)
        assert [version.etag for version in page.versions] == expected[6:]

    @ensureDeferred
    async def test_listing_versions_after_nothing_known(self, catalog: Catalog) -> None:
        """A version id that is none is no place to go on from."""
        bench = await self.bench(catalog)
        await puts(catalog, bench.bucket, "k")
        with pytest.raises(InvalidRequest):
            await catalog.list_versions(bench.bucket, after="k", after_version="x")

    # -- blobs --------------------------------------------------------------------------
    @ensureDeferred
    async def test_below_target(self, catalog: Catalog) -> None:
        """A write that reached fewer nodes than its policy asks for waits for repair."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "whole", upload())
        assert await catalog.repairs() == []
        made = await catalog.commit(bench.bucket, "half", upload(layout=BOTH[:1]))
        (work,) = await catalog.repairs()
        assert work.incarnation == made.incarnation
        assert "below target" in work.reason

    @ensureDeferred
    async def test_correcting_a_layout(self, catalog: Catalog) -> None:
        """Of two corrections of one layout the slower is refused."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload())
        assert made.incarnation is not None
        blob = await catalog.blob(made.incarnation)
        assert blob is not None
        moved = (BOTH[0], Placed(1, "node-c"))
        corrected = await catalog.correct_layout(blob, moved)
        assert corrected is not None
        assert corrected.layout == moved
        assert await catalog.correct_layout(blob, BOTH) is None
        assert await catalog.blob(made.incarnation) == corrected
        assert await catalog.repairs() == []
        assert await catalog.correct_layout(corrected, moved[:1]) is not None
        assert [work.incarnation for work in await catalog.repairs()] == [made.incarnation]

    @ensureDeferred
    async def test_wanting_repair(self, catalog: Catalog) -> None:
        """A blob waits once, and from the first time it was asked for."""
        bench = await self.bench(catalog)
        made = [await catalog.commit(bench.bucket, f"k{n}", upload()) for n in range(4)]
        blobs = [one.incarnation or "" for one in made]
        for reason in ("a block failed its check", "its node is gone"):
            for blob in blobs:
                await catalog.want_repair(blob, reason)
        waiting = await catalog.repairs()
        assert {work.incarnation for work in waiting} == set(blobs)
        assert [work.since for work in waiting] == sorted(work.since for work in waiting)
        assert {work.reason for work in waiting} == {"its node is gone"}
        assert len(await catalog.repairs(2)) == 2
        await catalog.want_repair(new_id(), "a blob that was collected meanwhile")
        assert {work.incarnation for work in await catalog.repairs()} == set(blobs)

    # -- collection ---------------------------------------------------------------------
    @ensureDeferred
    async def test_grace(self, catalog: Catalog) -> None:
        """Bytes are not collected before their grace is over."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "k", upload())
        await catalog.delete(bench.bucket, "k")
        assert await catalog.removals(3600) == []
        assert len(await catalog.removals(0)) == 1

    @ensureDeferred
    async def test_collecting(self, catalog: Catalog, second: Catalog) -> None:
        """What is to be removed is told until it was, to whoever asks."""
        bench = await self.bench(catalog)
        made = [await catalog.commit(bench.bucket, f"k{n}", upload()) for n in range(3)]
        for n in range(3):
            await catalog.delete(bench.bucket, f"k{n}")
        told = await catalog.removals(0)
        assert {one.blob.incarnation for one in told} == {one.incarnation for one in made}
        assert {one.blob.state for one in told} == {BlobState.CONDEMNED}
        again = {one.blob.incarnation: one for one in await second.removals(0)}
        assert again == {one.blob.incarnation: one for one in told}
        for removal in (*told, *again.values()):
            await second.removed(removal)
        assert await catalog.removals(0) == []
        for one in made:
            assert one.incarnation is not None
            assert await catalog.blob(one.incarnation) is None

    @ensureDeferred
    async def test_collecting_in_parts(self, catalog: Catalog) -> None:
        """Blobs that cannot be removed yet do not keep the others waiting."""
        bench = await self.bench(catalog)
        made = [await catalog.commit(bench.bucket, f"k{n}", upload()) for n in range(9)]
        for n in range(9):
            await catalog.delete(bench.bucket, f"k{n}")
        told: list[str] = []
        while len(told) < 4 * 9:
            some = [one.blob.incarnation for one in await catalog.removals(0, limit=2)]
            assert 1 <= len(some) <= 2
            told += some
        for turn in range(0, 4 * 9, 9):
            assert sorted(told[turn : turn + 9]) == sorted(str(one.incarnation) for one in made)
        every = await catalog.removals(0, limit=100)
        assert len({one.blob.incarnation for one in every}) == len(every) == 9

    @ensureDeferred
    async def test_live_bytes_are_not_collected(self, catalog: Catalog) -> None:
        """Nothing that a version refers to is ever told for removal."""
        bench = await self.bench(catalog, ENABLED)
        for n in range(5):
            await catalog.commit(bench.bucket, "k", upload(str(n)))
        await catalog.delete(bench.bucket, "k")
        assert await catalog.removals(0) == []

    @ensureDeferred
    async def test_referring_to_stored_bytes(self, catalog: Catalog) -> None:
        """Bytes with two references live until both are gone; then they gain no other."""
        bench = await self.bench(catalog)
        first = await catalog.commit(bench.bucket, "one", upload())
        assert first.incarnation is not None
        blob = await catalog.blob(first.incarnation)
        assert blob is not None
        again = evolve(upload(), blob=blob)
        await catalog.commit(bench.bucket, "two", again)
        await catalog.delete(bench.bucket, "one")
        assert await catalog.removals(0) == []
        await catalog.delete(bench.bucket, "two")
        assert [one.blob.incarnation for one in await catalog.removals(0)] == [first.incarnation]
        with pytest.raises(Conflict):
            await catalog.commit(bench.bucket, "three", evolve(upload(), blob=blob))
        with pytest.raises(NoSuchKey):
            await catalog.head(bench.bucket, "three")

    # -- members ------------------------------------------------------------------------
    @ensureDeferred
    async def test_nodes(self, catalog: Catalog, second: Catalog) -> None:
        """A node is registered by its start, and its row changes with each beat."""
        claimed = await catalog.claim_node(node("b"))
        assert await second.node("b") == claimed
        beaten = await catalog.update_node(evolve(claimed, beat=claimed.beat + 1, free=5))
        assert beaten is not None
        assert (beaten.beat, beaten.free) == (1, 5)
        other = await second.claim_node(node("a"))
        assert await second.nodes() == [other, beaten]
        assert await second.node("c") is None

    @ensureDeferred
    async def test_two_processes_of_one_node(self, catalog: Catalog, second: Catalog) -> None:
        """Who is overtaken by a second process of its node is told by its next beat."""
        first = await catalog.claim_node(node())
        later = await second.claim_node(node())
        assert await catalog.update_node(evolve(first, beat=1)) is None
        standing = await catalog.node("node-a")
        assert standing is not None
        assert standing.boot_id == later.boot_id != first.boot_id

    @ensureDeferred
    async def test_failed_node_stays_failed(self, catalog: Catalog) -> None:
        """A restart does not bring a failed node back, nor end the draining of one."""
        for state in (NodeState.FAILED, NodeState.DRAINING):
            claimed = await catalog.claim_node(node(state.value))
            marked = evolve(claimed, state=state, reason="fsync failed")
            assert await catalog.update_node(marked) is not None
            again = await catalog.claim_node(node(state.value))
            assert (again.state, again.reason) == (state, "fsync failed")
            back = await catalog.update_node(evolve(again, state=NodeState.UP, reason=""))
            assert back is not None
            assert (await catalog.claim_node(node(state.value))).state is NodeState.UP

    @ensureDeferred
    async def test_forgetting_a_node(self, catalog: Catalog) -> None:
        """A node is forgotten only as it was seen; twice is no error."""
        claimed = await catalog.claim_node(node())
        beaten = await catalog.update_node(evolve(claimed, beat=1))
        assert beaten is not None
        with pytest.raises(Conflict):
            await catalog.remove_node(claimed)
        await catalog.remove_node(beaten)
        await catalog.remove_node(beaten)
        assert await catalog.nodes() == []
        assert await catalog.update_node(beaten) is None

    @ensureDeferred
    async def test_api_servers(self, catalog: Catalog) -> None:
        """API servers are known from their first beat until they are removed."""
        for beat in (0, 1):
            for name in ("api-2", "api-1"):
                await catalog.beat_api(ApiServer(name, "127.0.0.1:8030", beat))
        known = await catalog.apis()
        assert [(server.id, server.beat) for server in known] == [("api-1", 1), ("api-2", 1)]
        for _ in range(2):
            await catalog.remove_api("api-1")
        assert [server.id for server in await catalog.apis()] == ["api-2"]

    # -- leases -------------------------------------------------------------------------
    @ensureDeferred
    async def test_lease(self, catalog: Catalog, second: Catalog, monotonic: Clock) -> None:
        """One has a lease while renewing it, and another after its silence was watched."""
        assert await catalog.try_lease("collect", "one", 30)
        for _ in range(5):
            assert not await second.try_lease("collect", "two", 30)
            monotonic.advance(20)
            assert await catalog.try_lease("collect", "one", 30)
        assert not await second.try_lease("collect", "two", 30)
        monotonic.advance(29)
        assert not await second.try_lease("collect", "two", 30)
        monotonic.advance(1)
        assert await second.try_lease("collect", "two", 30)
        assert not await catalog.try_lease("collect", "one", 30)
        assert await catalog.try_lease("another", "one", 30)

    @ensureDeferred
    async def test_lease_is_watched_before_it_is_taken(
        self, catalog: Catalog, second: Catalog, monotonic: Clock
    ) -> None:
        """However long ago a lease was renewed, who comes new waits its patience first."""
        assert await catalog.try_lease("collect", "one", 30)
        monotonic.advance(3600)
        assert not await second.try_lease("collect", "two", 30)
        monotonic.advance(30)
        assert await second.try_lease("collect", "two", 30)
