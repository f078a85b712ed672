"""
Many writers at once on a real engine, each with a connection of its own.

A test module subclasses `CatalogRaces` and defines a fixture `stores`: some item stores over
one catalog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Sequence
from random import Random
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.model.blobs import BlobState
from godos.model.catalog import OUTBOX_SHARDS
from godos.model.errors import (
    BucketNotEmpty,
    Conflict,
    InvalidPart,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    PreconditionFailed,
)
from godos.model.multipart import Part
from godos.model.versions import Bucket, ObjectVersion, Versioning
from tests.catalog_audit import audit
from tests.contract.catalog import ONLY_NEW, empty, if_match, upload, whole_versions
from tests.contract.catalog_amends import tagged
from tests.contract.catalog_settings import NOTIFY
from tests.contract.catalog_uploads import beginning, begun, blobs, object_of, part
from tests.contract.catalog_uploads import collect as in_full


class CatalogRaces:
    """See the module."""

    @pytest.fixture
    def catalogs(self, stores: Sequence[IItemStore]) -> list[Catalog]:
        """One server for each store."""
        return [Catalog(items, reactor) for items in stores]

    @ensureDeferred
    async def test_hot_key(self, catalogs: list[Catalog], stores: Sequence[IItemStore]) -> None:
        """Of 60 uploads to one key by 6 writers, versioning on, all 60 versions are kept."""
        bucket = await a_bucket(catalogs[0], Versioning.ENABLED)

        async def ten(writer: int) -> list[ObjectVersion]:
            catalog = catalogs[writer % len(catalogs)]
            new = [upload(f"{writer} {n}") for n in range(10)]
            return [await catalog.commit(bucket, "hot", one) for one in new]

        made = [version for some in await at_once(*map(ten, range(6))) for version in some]
        listed = await whole_versions(catalogs[-1], bucket, 25)
        assert [version.seq for version in listed] == list(range(60, 0, -1))
        assert {v.version_id: v.etag for v in listed} == {v.version_id: v.etag for v in made}
        (await audit(stores[0])).check_at_rest()

    @ensureDeferred
    async def test_overwritten_key(
        self, catalogs: list[Catalog], stores: Sequence[IItemStore]
    ) -> None:
        """Of 30 uploads to one key without versioning one is left, and 29 are collected."""
        bucket = await a_bucket(catalogs[0])

        async def five(writer: int) -> None:
            for n in range(5):
                await catalogs[writer % len(catalogs)].commit(bucket, "k", upload(f"{writer} {n}"))

        await at_once(*map(five, range(6)))
        latest = await catalogs[0].head(bucket, "k")
        assert latest.seq == 30
        removals = await catalogs[0].removals(0)
        assert len(removals) == 29
        assert latest.incarnation not in {removal.blob.incarnation for removal in removals}
        (await audit(stores[0])).check_at_rest()

    @ensureDeferred
    async def test_one_winner(self, catalogs: list[Catalog]) -> None:
        """Of the writers that race for a new key exactly one wins, key by key."""
        bucket = await a_bucket(catalogs[0])
        for turn in range(8):
            key = f"k{turn}"
            ends = await ended(
                *(c.commit(bucket, key, upload(str(n)), ONLY_NEW) for n, c in enumerate(catalogs))
            )
            (won,) = [end for end in ends if isinstance(end, ObjectVersion)]
            assert all(isinstance(end, PreconditionFailed) for end in ends if end is not won)
            assert await catalogs[0].head(bucket, key) == won

    @ensureDeferred
    async def test_counting(self, catalogs: list[Catalog]) -> None:
        """A counter that is kept by `If-Match` counts every step of every writer."""
        bucket = await a_bucket(catalogs[0])
        await catalogs[0].commit(bucket, "counter", empty("0"))

        async def count(catalog: Catalog) -> None:
            steps = 0
            while steps < 5:
                now = (await catalog.head(bucket, "counter")).etag
                try:
                    new = empty(str(int(now) + 1))
                    await catalog.commit(bucket, "counter", new, if_match(now))
                    steps += 1
                except PreconditionFailed:
                    pass

        await at_once(*map(count, catalogs))
        final = await catalogs[0].head(bucket, "counter")
        assert final.etag == str(5 * len(catalogs))

    @ensureDeferred
    async def test_everything_at_once(
        self, catalogs: list[Catalog], stores: Sequence[IItemStore]
    ) -> None:
        """Uploads, deletions, removals and collectors together lose nothing and leak nothing."""
        bucket = await a_bucket(catalogs[0], Versioning.SUSPENDED)
        await catalogs[0].set_versioning(bucket.name, Versioning.ENABLED)
        done: Counter[str] = Counter()

        async def work(number: int) -> None:
            random, catalog = Random(number), catalogs[number % len(catalogs)]
            for _ in range(20):
                name = random.choice(["put", "put", "delete", "remove", "switch", "collect"])
                await self._step(name, catalog, bucket, random)
                done[name] += 1

        await at_once(*map(work, range(6)))
        assert sum(done.values()) == 120
        await audit(stores[0])
        for catalog in catalogs:
            for removal in await catalog.removals(0):
                await catalog.removed(removal)
        rows = await audit(stores[0])
        rows.check_at_rest()
        assert set(rows.blobs) == {blob for blob, _ in rows.references}

    async def _step(self, name: str, catalog: Catalog, bucket: Bucket, random: Random) -> None:
        key = random.choice("abc")
        if name == "put":
            await catalog.commit(bucket, key, upload())
        elif name == "delete":
            await catalog.delete(bucket, key)
        elif name == "remove":
            page = await catalog.list_versions(bucket, prefix=key)
            if page.versions:
                chosen = random.choice(page.versions)
                await catalog.delete(bucket, key, chosen.version_id)
        elif name == "switch":
            to = random.choice([Versioning.ENABLED, Versioning.SUSPENDED])
            await catalog.set_versioning(bucket.name, to)
        else:
            for removal in await catalog.removals(0, 10):
                await catalog.removed(removal)

    @ensureDeferred
    async def test_versions_are_found_on_their_way(self, catalogs: list[Catalog]) -> None:
        """A version that moves down and up all the time is never missing for a reader."""
        bucket = await a_bucket(catalogs[0], Versioning.ENABLED)
        wanted = await catalogs[0].commit(bucket, "k", upload("wanted"))
        moving = True

        async def move() -> None:
            nonlocal moving
            try:
                for _ in range(15):
                    above = await catalogs[0].commit(bucket, "k", empty())
                    await catalogs[0].delete(bucket, "k", above.version_id)
            finally:
                moving = False

        async def look() -> int:
            looks = 0
            while moving:
                found = await catalogs[1].version(bucket, "k", wanted.version_id)
                assert found.reference == wanted.reference
                page = await catalogs[1].list_versions(bucket)
                listed = [version.reference for version in page.versions]
                assert listed.count(wanted.reference) == 1
                looks += 1
            return looks

        _, looks = await at_once(move(), look())
        assert looks

    @ensureDeferred
    async def test_collected_or_referred_to(
        self, catalogs: list[Catalog], stores: Sequence[IItemStore]
    ) -> None:
        """Stored bytes are removed, or gain another reference, and never both."""
        bucket = await a_bucket(catalogs[0])
        for turn in range(8):
            made = await catalogs[0].commit(bucket, f"old {turn}", upload())
            await catalogs[0].delete(bucket, f"old {turn}")
            assert made.incarnation is not None
            blob = await catalogs[0].blob(made.incarnation)
            assert blob is not None
            again = evolve(upload(), blob=blob)
            ends = await ended(
                collect(catalogs[0]),
                collect(catalogs[1]),
                catalogs[2].commit(bucket, f"new {turn}", again),
            )
            standing = await catalogs[0].blob(made.incarnation)
            if isinstance(ends[2], ObjectVersion):
                assert standing is not None
                assert standing.state is BlobState.LIVE
            else:
                assert isinstance(ends[2], Conflict)
                await collect(catalogs[0])
                assert await catalogs[0].blob(made.incarnation) is None
        (await audit(stores[0])).check_at_rest()

    @ensureDeferred
    async def test_parts_from_many(
        self, catalogs: list[Catalog], stores: Sequence[IItemStore]
    ) -> None:
        """Parts that several send at once, again too, make an object of those that stand."""
        bucket = await a_bucket(catalogs[0])
        opened = await catalogs[0].create_upload(bucket, beginning())

        async def send(sender: int) -> list[Part]:
            catalog = catalogs[sender % len(catalogs)]
            random = Random(sender)
            numbers = [*range(1, 9), *(random.randrange(1, 9) for _ in range(4))]
            random.shuffle(numbers)
            return [await catalog.put_part(opened, bucket, part(n)) for n in numbers]

        sent = [one for some in await at_once(*map(send, range(4))) for one in some]
        standing = (await catalogs[0].parts(opened)).parts
        assert [one.number for one in standing] == list(range(1, 9))
        made = await catalogs[1].complete(bucket, opened, standing, object_of(standing))
        gone = await in_full(catalogs[0])
        assert gone == blobs(sent) - blobs(standing)
        assert await catalogs[2].manifest(made.manifest or "") == standing
        (await audit(stores[0])).check_at_rest()

    @ensureDeferred
    async def test_uploads_that_end_at_once(
        self, catalogs: list[Catalog], stores: Sequence[IItemStore]
    ) -> None:
        """Completions, an abort, a part and collectors at once leave an object whole, or none."""
        bucket = await a_bucket(catalogs[0])
        expected = (ObjectVersion, Part, NoSuchUpload, InvalidPart, Conflict, type(None))
        for turn in range(6):
            key = f"k{turn}"
            opened, parts = await begun(catalogs[0], bucket, 1, 2, key=key)
            ends = await ended(
                *(c.complete(bucket, opened, parts, object_of(parts)) for c in catalogs[:2]),
                catalogs[2].abort(bucket, opened),
                catalogs[0].put_part(opened, bucket, part(2)),
                collect(catalogs[1]),
                collect(catalogs[2]),
            )
            assert all(isinstance(end, expected) for end in ends), ends
            await in_full(catalogs[0])
            (await audit(stores[0])).check_at_rest()
            made = {end.reference for end in ends if isinstance(end, ObjectVersion)}
            assert len(made) <= 1
            if made:
                head = await catalogs[2].head(bucket, key)
                assert {head.reference} == made
                for one in await catalogs[2].manifest(head.manifest or ""):
                    assert await catalogs[2].blob(one.incarnation or "") is not None

    @ensureDeferred
    async def test_a_list_is_collected_or_copied(
        self, catalogs: list[Catalog], stores: Sequence[IItemStore]
    ) -> None:
        """A list of parts gains another reference, or goes with its parts, and never both."""
        bucket = await a_bucket(catalogs[0])
        for turn in range(6):
            opened, parts = await begun(catalogs[0], bucket, 1, 2, key="old")
            made = await catalogs[0].complete(bucket, opened, parts, object_of(parts))
            await in_full(catalogs[0])
            await catalogs[0].delete(bucket, "old")
            copy = evolve(empty(), size=10, manifest=made.manifest, parts=2)
            *_, copied = await ended(
                collect(catalogs[0]),
                collect(catalogs[1]),
                catalogs[2].commit(bucket, f"new {turn}", copy),
            )
            gone = await in_full(catalogs[0])
            (await audit(stores[0])).check_at_rest()
            if isinstance(copied, ObjectVersion):
                assert gone == set()
            else:
                assert isinstance(copied, Conflict)
                for one in parts:
                    assert await catalogs[2].blob(one.incarnation or "") is None

    @ensureDeferred
    async def test_changes_of_one_version(self, catalogs: list[Catalog]) -> None:
        """Of 18 changes of one version's tags by 6, while others come on top, all are made."""
        bucket = await a_bucket(catalogs[0], Versioning.ENABLED)
        made = await catalogs[0].commit(bucket, "k", upload())

        async def three(writer: int) -> None:
            catalog = catalogs[writer % len(catalogs)]
            for n in range(3):
                tags = tagged(**{f"{writer}-{n}": ""})
                await catalog.amend(bucket, "k", made.version_id, tags)
                await catalog.commit(bucket, "k", empty())

        await at_once(*map(three, range(6)))
        found = await catalogs[0].version(bucket, "k", made.version_id)
        assert len(found.attributes.tags) == 18
        assert len(await whole_versions(catalogs[0], bucket, 100)) == 19

    @ensureDeferred
    async def test_events_of_one_key(self, catalogs: list[Catalog]) -> None:
        """What 6 writers do to one key is told once each, and in the order of the versions."""
        bucket = await a_bucket(catalogs[0], Versioning.ENABLED)
        await catalogs[0].set_setting(bucket, "notification", NOTIFY)

        async def three(writer: int) -> None:
            for n in range(3):
                new = empty(f"{writer} {n}", event="ObjectCreated:Put")
                await catalogs[writer % len(catalogs)].commit(bucket, "k", new)

        await at_once(*map(three, range(6)))
        told = [
            event.document["etag"]
            for shard in range(OUTBOX_SHARDS)
            for event in await catalogs[0].events(shard)
        ]
        versions = await whole_versions(catalogs[0], bucket, 100)
        assert told == [version.etag for version in reversed(versions)]

    @ensureDeferred
    async def test_bucket_is_deleted_or_written(self, catalogs: list[Catalog]) -> None:
        """No object that was answered with success is in a bucket that is gone."""
        for turn in range(6):
            name = f"bucket-{turn}"
            bucket = await catalogs[0].create_bucket(name, "ann")
            put, deleted, _ = await ended(
                catalogs[0].commit(bucket, "k", empty()),
                catalogs[1].delete_bucket(name),
                catalogs[2].delete_bucket(name),
            )
            names = [one.name for one in await catalogs[0].buckets()]
            if isinstance(put, ObjectVersion):
                assert name in names
                assert await catalogs[2].head(bucket, "k") == put
            else:
                assert isinstance(put, NoSuchBucket)
                assert deleted is None or isinstance(deleted, NoSuchBucket | BucketNotEmpty)
                with pytest.raises(NoSuchKey):
                    await catalogs[0].head(bucket, "k")

    @ensureDeferred
    async def test_one_lease_and_one_cluster(self, catalogs: list[Catalog]) -> None:
        """Of all that start at once one has the lease, and all are in one cluster."""
        made = await at_once(*(c.initialise("auto") for c in catalogs))
        assert len(set(made)) == 1
        taken = await at_once(*(c.try_lease("l", f"h{n}", 60) for n, c in enumerate(catalogs)))
        assert sum(taken) == 1

    @ensureDeferred
    async def test_removing_versions_from_both_ends(self, catalogs: list[Catalog]) -> None:
        """Removals of all versions of a key by several at once remove each of them once."""
        bucket = await a_bucket(catalogs[0], Versioning.ENABLED)
        made = [await catalogs[0].commit(bucket, "k", upload(str(n))) for n in range(9)]

        async def remove(some: Sequence[ObjectVersion], catalog: Catalog) -> int:
            removed = 0
            for version in some:
                deleted = await catalog.delete(bucket, "k", version.version_id)
                removed += deleted.removed is not None
            return removed

        counts = await at_once(
            remove(made, catalogs[0]), remove(made[::-1], catalogs[1]), remove(made, catalogs[2])
        )
        assert sum(counts) == 9
        with pytest.raises(NoSuchVersion):
            await catalogs[0].version(bucket, "k", made[4].version_id)
        await catalogs[0].delete_bucket("photos")


async def a_bucket(catalog: Catalog, versioning: Versioning = Versioning.OFF) -> Bucket:
    bucket = await catalog.create_bucket("photos", "ann")
    if versioning is Versioning.OFF:
        return bucket
    return await catalog.set_versioning("photos", versioning)


async def collect(catalog: Catalog) -> None:
    """One round of a collector."""
    for removal in await catalog.removals(0):
        await catalog.removed(removal)


async def at_once(*operations: Awaitable[Any]) -> list[Any]:
    """The results of operations that run side by side; the first failure instead."""
    ends = await ended(*operations)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return ends


async def ended(*operations: Awaitable[Any]) -> list[Any]:
    """Results, or exceptions, of operations that run side by side."""
    running = [Deferred.fromCoroutine(_of(operation)) for operation in operations]
    ends = await DeferredList(running, consumeErrors=True)
    return [end if good else end.value for good, end in ends]


async def _of(operation: Awaitable[Any]) -> Any:
    return await operation
