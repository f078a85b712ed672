"""What every catalog promises of its outbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.model.catalog import OUTBOX_SHARDS, Event
from godos.model.cause import CAUSE, Cause
from godos.model.errors import PreconditionFailed
from godos.model.versions import Attributes, Bucket, Versioning
from tests.contract.catalog import (
    ENABLED,
    HARD_KEYS,
    ONLY_NEW,
    Bench,
    CatalogBench,
    empty,
    if_match,
    upload,
)
from tests.contract.catalog_amends import tagged
from tests.contract.catalog_settings import NOTIFY

PUT, TAGGED = "ObjectCreated:Put", "ObjectTagging:Put"
DELETED, HIDDEN = "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"


async def told(catalog: Catalog) -> list[Event]:
    """All events, shard by shard."""
    return [event for n in range(OUTBOX_SHARDS) for event in await catalog.events(n)]


async def names(catalog: Catalog) -> list[str]:
    return [event.document["name"] for event in await told(catalog)]


class EventsContract(CatalogBench):
    """See the module."""

    async def notifying(self, catalog: Catalog, versioning: Versioning = Versioning.OFF) -> Bench:
        """A bucket of which somebody wants to know."""
        bench = await self.bench(catalog, versioning)
        await catalog.set_setting(bench.bucket, "notification", NOTIFY)
        return bench

    @ensureDeferred
    async def test_an_event(self, catalog: Catalog, second: Catalog) -> None:
        """An event says what happened to which version, and stays until it is delivered."""
        bench = await self.notifying(catalog, ENABLED)
        new = upload("e1", event=PUT, attributes=Attributes(owner="bob"))
        made = await catalog.commit(bench.bucket, "ключ/\n", new)
        (event,) = await told(second)
        expected = {
            "name": PUT,
            "bucket": "photos",
            "bucket_owner": "ann",
            "key": "ключ/\n",
            "size": 5,
            "etag": "e1",
            "version_id": made.version_id,
            "owner": "bob",
        }
        assert expected.items() <= dict(event.document).items()
        assert event.document["time"] > 0
        assert await told(second) == [event]
        for _ in range(2):
            await second.delivered([event])
        assert await told(catalog) == []

    @ensureDeferred
    async def test_nobody_wants_to_know(self, catalog: Catalog) -> None:
        """Without a configuration, or a name of what happens, nothing is kept to be told."""
        bench = await self.bench(catalog)
        await catalog.commit(bench.bucket, "a", upload(event=PUT))
        await catalog.delete(bench.bucket, "a")
        await catalog.set_setting(bench.bucket, "notification", NOTIFY)
        await catalog.commit(bench.bucket, "b", upload())
        await catalog.amend(bench.bucket, "b", None, tagged(a="1"))
        await catalog.set_setting(bench.bucket, "notification", None)
        await catalog.commit(bench.bucket, "c", upload(event=PUT))
        assert await told(catalog) == []

    @ensureDeferred
    async def test_deletions_are_told(self, catalog: Catalog) -> None:
        """Removals and delete markers have their own names; removing nothing is none."""
        bench = await self.notifying(catalog)
        await catalog.commit(bench.bucket, "k", upload("1", event=PUT))
        await catalog.delete(bench.bucket, "k")
        await catalog.delete(bench.bucket, "k")
        assert await names(catalog) == [PUT, DELETED]
        assert [event.document["etag"] for event in await told(catalog)] == ["1", "1"]
        assert "version_id" not in (await told(catalog))[0].document
        await catalog.set_versioning("photos", ENABLED)
        hidden = await catalog.delete(bench.bucket, "k")
        await catalog.delete(bench.bucket, "k", hidden.version_id)
        assert (await names(catalog))[2:] == [HIDDEN, DELETED]
        versions = {event.document["version_id"] for event in (await told(catalog))[2:]}
        assert versions == {hidden.version_id}

    @ensureDeferred
    async def test_expirations_are_told(self, catalog: Catalog) -> None:
        """What a rule removes or hides is not told as somebody's doing."""
        bench = await self.notifying(catalog, ENABLED)
        await catalog.commit(bench.bucket, "k", upload("1"))
        marker = await catalog.delete(bench.bucket, "k", expired=True)
        await catalog.delete(bench.bucket, "k", marker.version_id, expired=True)
        assert await names(catalog) == [
            "LifecycleExpiration:DeleteMarkerCreated",
            "LifecycleExpiration:Delete",
        ]

    @ensureDeferred
    async def test_amendments_are_told(self, catalog: Catalog) -> None:
        """A change of attributes that has a name is told, with the version's own numbers."""
        bench = await self.notifying(catalog)
        await catalog.commit(bench.bucket, "k", upload("1", event=PUT))
        await catalog.amend(bench.bucket, "k", None, tagged(a="1"), TAGGED)
        await catalog.amend(bench.bucket, "k", None, tagged(b="1"))
        assert await names(catalog) == [PUT, TAGGED]

    @ensureDeferred
    async def test_what_did_not_happen_is_not_told(self, catalog: Catalog) -> None:
        """A write that is refused leaves no event."""
        bench = await self.notifying(catalog)
        await catalog.commit(bench.bucket, "k", upload("1", event=PUT))
        with pytest.raises(PreconditionFailed):
            await catalog.commit(bench.bucket, "k", upload("2", event=PUT), ONLY_NEW)
        with pytest.raises(PreconditionFailed):
            await catalog.delete(bench.bucket, "k", condition=if_match("x"))
        assert await names(catalog) == [PUT]

    @ensureDeferred
    async def test_order_of_a_key(self, catalog: Catalog, second: Catalog) -> None:
        """Events of a key come in the order in which it was written, also within one moment."""
        bench = await self.notifying(catalog)
        for n in range(12):
            server = (catalog, second)[n % 2]
            if n % 3 == 2:
                await server.delete(bench.bucket, "k")
            else:
                await server.commit(bench.bucket, "k", empty(str(n)))
                await server.amend(bench.bucket, "k", None, tagged(n=str(n)), TAGGED)
        events = await told(catalog)
        assert {event.shard for event in events} == {events[0].shard}
        assert [event.place for event in events] == sorted(event.place for event in events)
        told_ = [(event.document["name"], event.document["etag"]) for event in events]
        assert told_ == [
            line
            for n in range(12)
            for line in ([(DELETED, str(n - 1))] if n % 3 == 2 else [(TAGGED, str(n))])
        ]
        sequencers = [event.document["sequencer"] for event in events]
        assert sequencers == sorted(set(sequencers))

    @ensureDeferred
    async def test_clocks_that_differ(self, items: IItemStore, monotonic: Clock) -> None:
        """The order is that of the writes, also where one server's clock is behind another's."""
        ahead, behind = Clock(), Clock()
        ahead.advance(5_000.0)
        behind.advance(4_000.0)
        servers = [Catalog(items, c, 0.0, monotonic.seconds) for c in (ahead, behind)]
        bucket = await servers[0].create_bucket("photos", "ann")
        await servers[0].set_setting(bucket, "notification", NOTIFY)
        monotonic.advance(10)
        for n in range(6):
            await servers[n % 2].commit(bucket, "k", empty(str(n), event=PUT))
            if n == 3:
                await servers[0].delete(bucket, "k")
        etags = [event.document["etag"] for event in await told(servers[0])]
        assert etags == ["0", "1", "2", "3", "3", "4", "5"]

    @ensureDeferred
    async def test_racing_writers_are_told(self, catalog: Catalog, second: Catalog) -> None:
        """Of writers that race each is told, in the order in which they came."""
        bench = await self.notifying(catalog, ENABLED)
        second._buckets.forget("photos")
        asked: list[Callable[[], Any]] = [
            (lambda c=c, n=n: c.commit(bench.bucket, "k", upload(str(n), event=PUT)))
            for n, c in enumerate((catalog, second, catalog, second))
        ]
        await self.race(*asked)
        etags = [event.document["etag"] for event in await told(catalog)]
        versions = (await catalog.list_versions(bench.bucket)).versions
        assert etags == [version.etag for version in reversed(versions)]

    @ensureDeferred
    async def test_many_keys(self, catalog: Catalog) -> None:
        """The oldest events of a shard come first, as many as are asked for; none is lost."""
        bench = await self.notifying(catalog)
        for key in (*HARD_KEYS, *map(str, range(40))):
            await catalog.commit(bench.bucket, key, empty(key, event=PUT))
        seen: list[str] = []
        for shard in range(OUTBOX_SHARDS):
            while some := await catalog.events(shard, 3):
                assert len(some) <= 3
                seen += [event.document["key"] for event in some]
                await catalog.delivered(some)
        assert sorted(seen) == sorted([*HARD_KEYS, *map(str, range(40))])

    @ensureDeferred
    async def test_reading_on(self, catalog: Catalog) -> None:
        """Behind a place come the events that came later, and never that one again."""
        bench = await self.notifying(catalog)
        for n in range(5):
            await catalog.commit(bench.bucket, "k", empty(str(n), event=PUT))
        events = await told(catalog)
        shard = events[0].shard
        assert await catalog.events(shard, after=events[1].place) == events[2:]
        assert await catalog.events(shard, 2, events[1].place) == events[2:4]
        assert await catalog.events(shard, after=events[-1].place) == []

    @ensureDeferred
    async def test_some_have_heard(self, catalog: Catalog, second: Catalog) -> None:
        """It is remembered who needs to hear no more of an event; a delivered one stays gone."""
        bench = await self.notifying(catalog)
        for n in range(3):
            await catalog.commit(bench.bucket, "k", empty(str(n), event=PUT))
        before = await told(catalog)
        await catalog.told(before[1], ["a"])
        await second.told(before[1], ["a", "b"])
        after = await told(second)
        assert [event.place for event in after] == [event.place for event in before]
        assert after[1].document == {**before[1].document, "told": ["a", "b"]}
        assert [after[0], after[2]] == [before[0], before[2]]
        await catalog.delivered(after)
        await second.told(after[1], ["a"])
        assert await told(catalog) == []

    @ensureDeferred
    async def test_who_made_it_happen(self, catalog: Catalog) -> None:
        """An event says which request made it happen; what no request did names none."""
        bench = await self.notifying(catalog)
        token = CAUSE.set(Cause("bob", "192.0.2.7", "r1"))
        try:
            doing = catalog.commit(bench.bucket, "k", upload("1", event=PUT))
        finally:
            CAUSE.reset(token)
        await doing
        await catalog.delete(bench.bucket, "k")
        by, nobody = (event.document for event in await told(catalog))
        assert (by["by"], by["address"], by["request_id"]) == ("bob", "192.0.2.7", "r1")
        assert not {"by", "address", "request_id"} & set(nobody)

    @ensureDeferred
    async def test_an_old_view_of_the_bucket(self, catalog: Catalog) -> None:
        """What is done with a record of the bucket from before its configuration is told too."""
        bench = await self.bench(catalog)
        old: Bucket = evolve(bench.bucket)
        await catalog.set_setting(bench.bucket, "notification", NOTIFY)
        await catalog.commit(old, "k", upload(event=PUT))
        await catalog.amend(old, "k", None, tagged(a="1"), TAGGED)
        await catalog.delete(old, "k")
        assert await names(catalog) == [PUT, TAGGED, DELETED]
