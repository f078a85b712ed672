"""What every catalog promises of upkeep: equal content, conversion, repair, census, jobs."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.model.blobs import SHARED_FROM, Blob, BlobState, Placed
from godos.model.catalog import ICatalog, RepairWork
from godos.model.errors import CatalogEmpty, Conflict, InvalidRequest
from godos.model.members import NodeState
from godos.model.names import new_id
from godos.model.policy import Policy
from godos.model.upkeep import Census, Job, JobKind, JobState, Stray
from godos.model.versions import NewVersion, ObjectVersion
from tests.catalog_audit import audit
from tests.contract.catalog import BOTH, ENABLED, TWO, CatalogBench, node, upload
from tests.contract.catalog_uploads import beginning, collect, object_of, part

CODED = Policy.parse("ec=2+1")
SHARDS = tuple(Placed(100 + shard, f"node-{shard}") for shard in range(3))
LARGE = 1 << 20
GRACE = 1000.0  # seconds


def large(content: str = "cd", **more: Any) -> NewVersion:
    """A new upload that is worth sharing; uploads of the same `content` are equal."""
    blob = Blob(new_id(), LARGE, content * 32, TWO, BOTH)
    return NewVersion(new_id(), "e", LARGE, 1_700_000_000.5, evolve(blob, **more))


async def found(catalog: ICatalog, content: str = "cd", policy: Policy = TWO) -> str | None:
    """The incarnation of the blob that holds this content."""
    blob = await catalog.content(LARGE, content * 32, "raw", policy)
    return None if blob is None else blob.incarnation


async def blob_of(catalog: ICatalog, version: ObjectVersion) -> Blob:
    blob = await catalog.blob(version.incarnation or "")
    assert blob is not None
    return blob


async def all_blobs(catalog: ICatalog, limit: int = 1000) -> list[Blob]:
    """All blob rows, read in pages of `limit`."""
    blobs: list[Blob] = []
    cursor = None
    while True:
        page = await catalog.blobs(cursor, limit)
        blobs += page.blobs
        cursor = page.cursor
        if cursor is None:
            return blobs


def census(started: float, **more: Any) -> Census:
    return Census(started, started + 5, "members", 1, 10, 10**12, 20, 1, 0, 2, 30.0, 3, **more)


class UpkeepContract(CatalogBench):
    """See the module."""

    # -- equal content -------------------------------------------------------------------
    @ensureDeferred
    async def test_equal_content_is_found(
        self, catalog: Catalog, second: Catalog, items: IItemStore
    ) -> None:
        """What was stored is found by its digest, size, codec and policy, by every server."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", large())
        assert await second.content(LARGE, "cd" * 32, "raw", TWO) == await blob_of(catalog, made)
        for size, content, codec, policy in (
            (LARGE + 1, "cd", "raw", TWO),
            (LARGE, "ce", "raw", TWO),
            (LARGE, "cd", "zstd-256k", TWO),
            (LARGE, "cd", "raw", CODED),
        ):
            assert await second.content(size, content * 32, codec, policy) is None
        await audit(items)

    @ensureDeferred
    async def test_parts_are_found(self, catalog: Catalog, items: IItemStore) -> None:
        """The bytes of a part are found as those of an object are, also when it was resent."""
        bench = await self.bench(catalog)
        opened = await catalog.create_upload(bench.bucket, beginning())
        for _ in range(2):
            new = evolve(part(), blob=large().blob)
            stored = await catalog.put_part(opened, bench.bucket, new)
            assert await found(catalog) == stored.incarnation
        await audit(items)

    @ensureDeferred
    async def test_small_or_encrypted_content_is_not_indexed(self, catalog: Catalog) -> None:
        """What is tiny, and what is encrypted, is never shared."""
        bench = await self.bench(catalog)
        for number, (size, codec) in enumerate(
            ((SHARED_FROM - 1, "raw"), (LARGE, "aes256gcm-64k"), (LARGE, "zstd-256k+aes256gcm-64k"))
        ):
            await catalog.commit(bench.bucket, f"k{number}", large(size=size, codec=codec))
            assert await catalog.content(size, "cd" * 32, codec, TWO) is None

    @ensureDeferred
    async def test_the_latest_of_equal_content_is_found(
        self, catalog: Catalog, items: IItemStore
    ) -> None:
        """Of blobs with equal content the one is found that was stored last."""
        bench = await self.bench(catalog)
        first = await catalog.commit(bench.bucket, "one", large())
        last = await catalog.commit(bench.bucket, "two", large())
        assert await found(catalog) == last.incarnation
        await catalog.delete(bench.bucket, "one")
        assert await collect(catalog) == {first.incarnation}
        assert await found(catalog) == last.incarnation
        await catalog.delete(bench.bucket, "two")
        assert await collect(catalog) == {last.incarnation}
        assert await found(catalog) is None
        assert not (await audit(items)).contents

    @ensureDeferred
    async def test_condemned_content_is_not_found(self, catalog: Catalog) -> None:
        """Bytes that are being removed are not offered to anybody."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", large())
        await catalog.delete(bench.bucket, "k")
        assert await found(catalog) == made.incarnation
        assert len(await catalog.removals(0)) == 1
        assert await found(catalog) is None

    @ensureDeferred
    async def test_sharing_content(self, catalog: Catalog, items: IItemStore) -> None:
        """An upload may refer to bytes that were found, which then live as long as either."""
        bench = await self.bench(catalog)
        first = await catalog.commit(bench.bucket, "one", large())
        shared = evolve(large(), blob=await blob_of(catalog, first))
        await catalog.commit(bench.bucket, "two", shared)
        opened = await catalog.create_upload(bench.bucket, beginning("three"))
        sharing = evolve(part(), blob=await blob_of(catalog, first))
        parts = [await catalog.put_part(opened, bench.bucket, sharing)]
        await catalog.complete(bench.bucket, opened, parts, object_of(parts))
        await audit(items)
        for key in ("one", "two", "three"):
            assert await collect(catalog) == set()
            await catalog.delete(bench.bucket, key)
        assert await collect(catalog) == {first.incarnation}
        rows = await audit(items)
        assert not rows.blobs
        assert not rows.shared
        assert not rows.contents

    @ensureDeferred
    async def test_equal_uploads_at_once(self, catalog: Catalog, items: IItemStore) -> None:
        """Uploads of equal content at the same time all succeed, and one of them is found."""
        bench = await self.bench(catalog)
        ended = await self.race(
            *((lambda n=n: catalog.commit(bench.bucket, f"k{n}", large())) for n in range(6))
        )
        assert all(isinstance(end, ObjectVersion) for end in ended), ended
        assert await found(catalog) in {end.incarnation for end in ended}
        await audit(items)

    @ensureDeferred
    async def test_sharing_while_it_is_collected(
        self, catalog: Catalog, second: Catalog, items: IItemStore
    ) -> None:
        """Who shares what a collector is after has it, or is told; nothing dangles."""
        bench = await self.bench(catalog)
        for turn in range(4):
            made = await catalog.commit(bench.bucket, "k", large())
            blob = await blob_of(catalog, made)
            await catalog.delete(bench.bucket, "k")
            _, ended, again = await self.race(
                lambda: Deferred.fromCoroutine(collect(second)),
                lambda b=blob, t=turn: catalog.commit(
                    bench.bucket, f"shared {t}", evolve(large(), blob=b)
                ),
                lambda t=turn: catalog.commit(bench.bucket, f"own {t}", large()),
            )
            assert isinstance(again, ObjectVersion), again
            assert isinstance(ended, ObjectVersion | Conflict), ended
            await collect(catalog)
            standing = await catalog.blob(blob.incarnation)
            assert (standing is not None) == isinstance(ended, ObjectVersion)
            (await audit(items)).check_at_rest()

    # -- the grace of bytes that are shared ------------------------------------------------
    @ensureDeferred
    async def test_grace_counts_from_the_last_reference(
        self, items: IItemStore, monotonic: Clock
    ) -> None:
        """Bytes of copies are kept for the whole grace after the last copy went."""
        clock = Clock()
        clock.advance(1_700_000_000)
        writer = Catalog(items, reactor, self.settle, monotonic.seconds)
        bench = await self.bench(writer)
        made = await writer.commit(bench.bucket, "one", large())
        blob = await blob_of(writer, made)
        catalog = Catalog(items, clock, 0.0, monotonic.seconds)
        await catalog.commit(bench.bucket, "two", evolve(large(), blob=blob))
        await catalog.delete(bench.bucket, "one")
        clock.advance(GRACE - 1)
        await catalog.delete(bench.bucket, "two")
        last = clock.seconds()
        clock.advance(2)  # the first deletion is older than the grace
        while not (told := await catalog.removals(GRACE)):
            assert clock.seconds() < last + 3 * GRACE
            clock.advance(GRACE / 10)
        assert clock.seconds() >= last + GRACE
        await catalog.removed(told[0])
        clock.advance(3 * GRACE)
        assert await catalog.removals(GRACE) == []
        rows = await audit(items)
        assert not rows.collect
        assert not rows.shared

    @ensureDeferred
    async def test_shared_again_while_the_grace_runs(
        self, items: IItemStore, monotonic: Clock
    ) -> None:
        """A further reference that comes and goes has a whole grace after it as well."""
        clock = Clock()
        clock.advance(1_700_000_000)
        bench = await self.bench(Catalog(items, reactor, self.settle, monotonic.seconds))
        catalog = Catalog(items, clock, 0.0, monotonic.seconds)
        made = await catalog.commit(bench.bucket, "k0", large())
        again = evolve(large(), blob=await blob_of(catalog, made))
        await catalog.commit(bench.bucket, "copy", again)
        await catalog.delete(bench.bucket, "k0")
        await catalog.delete(bench.bucket, "copy")
        for tenth in range(30):
            clock.advance(GRACE / 10)
            assert await catalog.removals(GRACE) == []
            if tenth % 5 == 4:
                again = evolve(again, operation=new_id())
                await catalog.commit(bench.bucket, "copy", again)
                await catalog.delete(bench.bucket, "copy")
        last = clock.seconds()
        while not await catalog.removals(GRACE):
            assert clock.seconds() < last + 3 * GRACE
            clock.advance(GRACE / 10)
        assert clock.seconds() >= last + GRACE

    # -- conversion ------------------------------------------------------------------------
    @ensureDeferred
    async def test_conversion(self, catalog: Catalog, items: IItemStore) -> None:
        """A blob that was coded anew is found under its new policy, and no more under the old."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", large())
        before = await blob_of(catalog, made)
        after = await catalog.converted(before, CODED, SHARDS)
        assert after is not None
        assert (after.policy, after.layout, after.generation) == (CODED, SHARDS, 100)
        assert after == await blob_of(catalog, made)
        assert evolve(after, policy=TWO, layout=BOTH, rev=before.rev) == before
        assert await found(catalog) is None
        assert await found(catalog, policy=CODED) == made.incarnation
        assert await catalog.repairs() == []
        await audit(items)
        assert await catalog.converted(before, CODED, SHARDS) is None
        assert await catalog.correct_layout(before, BOTH) is None
        await catalog.delete(bench.bucket, "k")
        assert await collect(catalog) == {made.incarnation}
        assert not (await audit(items)).contents

    @ensureDeferred
    async def test_conversion_below_target(self, catalog: Catalog) -> None:
        """A conversion that reached too few nodes waits for repair."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload())
        before = await blob_of(catalog, made)
        assert await catalog.converted(before, CODED, SHARDS[:2]) is not None
        assert [work.incarnation for work in await catalog.repairs()] == [made.incarnation]

    @ensureDeferred
    async def test_conversion_beside_equal_content(
        self, catalog: Catalog, items: IItemStore
    ) -> None:
        """Converting a blob leaves alone what the index says of another one."""
        bench = await self.bench(catalog)
        first = await catalog.commit(bench.bucket, "one", large())
        last = await catalog.commit(bench.bucket, "two", large())
        assert await catalog.converted(await blob_of(catalog, first), CODED, SHARDS) is not None
        assert await found(catalog) == last.incarnation
        assert await found(catalog, policy=CODED) == first.incarnation
        assert await catalog.converted(await blob_of(catalog, last), CODED, SHARDS) is not None
        assert await found(catalog) is None
        assert await found(catalog, policy=CODED) == last.incarnation
        await catalog.delete(bench.bucket, "one")
        await collect(catalog)
        assert await found(catalog, policy=CODED) == last.incarnation
        await audit(items)

    @ensureDeferred
    async def test_conversion_corrections_and_collection_at_once(
        self, catalog: Catalog, second: Catalog, items: IItemStore
    ) -> None:
        """Of all that change one blob's row at once one wins, and the index follows it."""
        bench = await self.bench(catalog)
        for turn in range(4):
            made = await catalog.commit(bench.bucket, "k", large())
            blob = await blob_of(catalog, made)
            await catalog.delete(bench.bucket, "k")
            ended = await self.race(
                lambda b=blob: catalog.converted(b, CODED, SHARDS),
                lambda: second.removals(0),
                lambda b=blob: second.correct_layout(b, BOTH[:1]),
                lambda t=turn: second.commit(bench.bucket, f"other {t}", large()),
            )
            assert isinstance(ended[3], ObjectVersion), ended
            won = [end for end in (ended[0], ended[2]) if isinstance(end, Blob)]
            standing = await blob_of(catalog, made)
            assert len(won) <= 1
            if standing.state is BlobState.LIVE:
                assert won == [standing]
            await audit(items)
            assert await collect(catalog) == {made.incarnation}
            (await audit(items)).check_at_rest()

    # -- all blobs -------------------------------------------------------------------------
    @ensureDeferred
    async def test_all_blobs(self, catalog: Catalog) -> None:
        """Blobs of objects, of old versions and of parts are told, each as it stands."""
        bench = await self.bench(catalog, ENABLED)
        assert await all_blobs(catalog) == []
        news = [large(f"{n:02x}") for n in range(9)]
        made = [await catalog.commit(bench.bucket, f"k{n % 5}", new) for n, new in enumerate(news)]
        again = evolve(large(), blob=await blob_of(catalog, made[0]))
        await catalog.commit(bench.bucket, "copy", again)
        opened = await catalog.create_upload(bench.bucket, beginning("parts"))
        parts = [await catalog.put_part(opened, bench.bucket, part(n)) for n in (1, 2)]
        names = {str(one.incarnation) for one in (*made, *parts)}
        for limit in (1, 7, 1000):
            blobs = await all_blobs(catalog, limit)
            assert {blob.incarnation for blob in blobs} == names
            assert len(blobs) == len(names)
        for blob in await all_blobs(catalog):
            assert await catalog.blob(blob.incarnation) == blob

    # -- repair ----------------------------------------------------------------------------
    @ensureDeferred
    async def test_repaired(self, catalog: Catalog, second: Catalog) -> None:
        """A blob that was repaired waits no more, unless it was found wanting meanwhile."""
        bench = await self.bench(catalog)
        made = [
            await catalog.commit(bench.bucket, f"k{n}", upload(layout=BOTH[:1])) for n in range(3)
        ]
        assert await second.waiting_repairs() == 3
        work = {one.incarnation: one for one in await catalog.repairs()}
        first, again, _ = (work[str(one.incarnation)] for one in made)
        assert await catalog.repaired(first)
        assert await second.repaired(first)  # who comes later is told that it is gone
        await second.want_repair(again.incarnation, "a block failed its check")
        assert not await catalog.repaired(again)
        (now,) = [one for one in await catalog.repairs() if one.incarnation == again.incarnation]
        assert now == evolve(again, reason="a block failed its check", rev=now.rev)
        assert await catalog.waiting_repairs() == 2
        assert await catalog.repaired(now)
        assert await catalog.waiting_repairs() == 1

    @ensureDeferred
    async def test_repaired_while_it_is_wanted_again(
        self, catalog: Catalog, second: Catalog
    ) -> None:
        """A reason that comes while a repair ends is not lost."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload(layout=BOTH[:1]))
        for _ in range(4):
            await catalog.want_repair(str(made.incarnation), "first")
            (work,) = await catalog.repairs()
            ended = await self.race(
                lambda w=work: catalog.repaired(w),
                lambda w=work: second.want_repair(w.incarnation, "second"),
            )
            assert ended[1] is None
            (left,) = await catalog.repairs()
            assert left.reason == "second"

    @ensureDeferred
    async def test_the_policy_that_was_wanted_is_not_forgotten(self, catalog: Catalog) -> None:
        """A blob that is to be coded once nodes are back, and lacks a copy before that."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload(layout=BOTH))
        instead = "stored as copies=3 instead of ec=4+2, for want of nodes"
        for reason in (instead, "a copy is damaged", "below target", instead):
            await catalog.want_repair(str(made.incarnation), reason)
            (work,) = await catalog.repairs()
            assert work.reason == (instead if reason == instead else f"{instead}; {reason}")

    @ensureDeferred
    async def test_repair_that_was_never_wanted(self, catalog: Catalog) -> None:
        """A repair row that is not there is gone."""
        assert await catalog.repaired(RepairWork(new_id(), 0.0, "", new_id()))

    # -- the census ------------------------------------------------------------------------
    @ensureDeferred
    async def test_census(self, catalog: Catalog, second: Catalog) -> None:
        """The last census that began is kept, whoever ends first."""
        assert await catalog.census() is None
        later = census(200.0, silent=("node-b", "node-c"))
        for put in (census(100.0), later, census(150.0)):
            await catalog.put_census(put)
        assert await second.census() == later

    @ensureDeferred
    async def test_censuses_at_once(self, catalog: Catalog, second: Catalog) -> None:
        """Of two that end at the same time the later one is kept."""
        for turn in range(4):
            both = census(turn * 10.0), census(turn * 10.0 + 1)
            ended = await self.race(
                lambda b=both: catalog.put_census(b[0]), lambda b=both: second.put_census(b[1])
            )
            assert ended == [None, None]
            assert await catalog.census() == both[1]

    # -- jobs ------------------------------------------------------------------------------
    @ensureDeferred
    async def test_jobs(self, catalog: Catalog, second: Catalog) -> None:
        """A job is written by one after the other, and seen by all."""
        asked = Job(new_id(), JobKind.DRAIN, "node-a", started=5.0)
        begun = await catalog.put_job(asked)
        assert begun is not None
        assert begun == evolve(asked, rev=begun.rev)
        assert await second.jobs() == [begun]
        further = evolve(begun, cursor="c", done=3, total=9, trouble="node-b is full", updated=6.0)
        written = await second.put_job(further)
        assert written is not None
        assert await catalog.put_job(further) is None
        assert await catalog.jobs() == [written]
        assert written == evolve(further, rev=written.rev)

    @ensureDeferred
    async def test_one_job_of_a_kind(self, catalog: Catalog, second: Catalog) -> None:
        """While a job runs no other of its kind and node begins; after its end one may."""
        drain = Job(new_id(), JobKind.DRAIN, "node-a", started=5.0)
        begun = await catalog.put_job(drain)
        assert begun is not None
        with pytest.raises(Conflict):
            await second.put_job(evolve(drain, id=new_id()))
        other = await second.put_job(Job(new_id(), JobKind.DRAIN, "node-b", started=4.0))
        convert = await second.put_job(Job(new_id(), JobKind.CONVERT, started=6.0))
        assert await catalog.jobs() == [other, begun, convert]
        ended = await catalog.put_job(evolve(begun, state=JobState.CANCELLED))
        assert ended is not None
        assert ended.state is JobState.CANCELLED
        again = await second.put_job(evolve(drain, id=new_id(), started=7.0))
        assert await catalog.jobs() == [other, convert, again]
        assert await catalog.put_job(evolve(ended, done=1)) is None  # who knows the old one still

    @ensureDeferred
    async def test_jobs_at_once(self, catalog: Catalog, second: Catalog) -> None:
        """Of two operators who begin the same job at once, one does."""
        ended = await self.race(
            *(
                (lambda c=c: c.put_job(Job(new_id(), JobKind.REBALANCE, started=5.0)))
                for c in (catalog, second)
            )
        )
        assert {type(end) for end in ended} == {Job, Conflict}
        assert len(await catalog.jobs()) == 1

    # -- quarantine ------------------------------------------------------------------------
    @ensureDeferred
    async def test_strays(self, catalog: Catalog, second: Catalog) -> None:
        """What is in quarantine keeps the time since when, and is told node by node."""
        names = [f"{number:032x}.0" for number in range(5)]
        for name in reversed(names):
            await catalog.put_stray(Stray("node-a", name, "no blob", 100.0))
        await catalog.put_stray(Stray("node-b", names[0], "no blob", 100.0))
        await second.put_stray(Stray("node-a", names[1], "condemned", 200.0))
        told = await second.strays("node-a")
        assert [stray.name for stray in told] == names
        assert told[1] == Stray("node-a", names[1], "condemned", 100.0)
        assert told[0] == Stray("node-a", names[0], "no blob", 100.0)
        assert await catalog.strays("node-a", limit=2) == told[:2]
        assert await catalog.strays("node-a", after=names[1], limit=2) == told[2:4]
        assert await catalog.strays("node-a", after=names[4]) == []
        for _ in range(2):
            await catalog.remove_stray(told[0])
        assert await second.strays("node-a") == told[1:]
        assert len(await catalog.strays("node-b")) == 1
        assert await catalog.strays("node-c") == []

    # -- the epoch -------------------------------------------------------------------------
    @ensureDeferred
    async def test_confirming_the_epoch(self, catalog: Catalog, second: Catalog) -> None:
        """An operator confirms the epoch that the cluster is in, and no other."""
        with pytest.raises(CatalogEmpty):
            await catalog.confirm_epoch(1)
        made = await catalog.initialise("auto")
        assert made.confirmed == made.epoch
        assert await second.confirm_epoch(made.epoch) == made
        for epoch in (made.epoch - 1, made.epoch + 1):
            with pytest.raises(InvalidRequest, match=str(made.epoch)):
                await second.confirm_epoch(epoch)
        assert await catalog.cluster() == made

    # -- nodes -----------------------------------------------------------------------------
    @ensureDeferred
    async def test_when_a_node_joined(self, catalog: Catalog) -> None:
        """A node joined with its first start, however often it is started again."""
        first = await catalog.claim_node(node())
        assert first.joined > 0
        assert first.verified_since == 0
        beaten = await catalog.update_node(evolve(first, verified_since=77.5))
        assert beaten == await catalog.node("node-a")
        again = await catalog.claim_node(node())
        assert (again.joined, again.verified_since) == (first.joined, 0)
        known = await catalog.claim_node(node(verified_since=99.5))
        assert (known.joined, known.verified_since) == (first.joined, 99.5)
        assert await catalog.node("node-a") == known

    @ensureDeferred
    async def test_draining_a_node(self, catalog: Catalog, second: Catalog) -> None:
        """An operator lets a node drain, and takes it back, while the node beats."""
        claimed = await catalog.claim_node(node())
        drained = await second.set_node_state("node-a", NodeState.DRAINING, "too old")
        assert (drained.state, drained.reason) == (NodeState.DRAINING, "too old")
        assert drained == await catalog.node("node-a")
        assert drained.boot_id == claimed.boot_id
        assert await catalog.update_node(evolve(claimed, beat=1)) is None
        assert await second.set_node_state("node-a", NodeState.DRAINING, "too old") == drained
        back = await second.set_node_state("node-a", NodeState.UP)
        assert (back.state, back.reason) == (NodeState.UP, "")

    @ensureDeferred
    async def test_draining_while_it_beats(self, catalog: Catalog, second: Catalog) -> None:
        """An operator's word is heard however fast the node beats."""
        standing = await catalog.claim_node(node())
        for turn in range(3):
            state = NodeState.UP if turn % 2 else NodeState.DRAINING
            _, set_to = await self.race(
                lambda s=standing: catalog.update_node(evolve(s, beat=s.beat + 1)),
                lambda s=state: second.set_node_state("node-a", s),
            )
            assert set_to.state is state
            now = await catalog.node("node-a")
            assert now is not None
            assert now.state is state
            standing = now

    @ensureDeferred
    async def test_nodes_that_operators_cannot_change(self, catalog: Catalog) -> None:
        """A node that is not there, or whose disk failed, is not let drain nor back."""
        with pytest.raises(InvalidRequest, match="no node"):
            await catalog.set_node_state("node-a", NodeState.DRAINING)
        claimed = await catalog.claim_node(node())
        failed = evolve(claimed, state=NodeState.FAILED, reason="fsync failed")
        assert await catalog.update_node(failed) is not None
        for state in (NodeState.UP, NodeState.DRAINING):
            with pytest.raises(InvalidRequest, match="disk check"):
                await catalog.set_node_state("node-a", state)
