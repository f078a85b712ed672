"""Equal content, conversion, repair and the grace of what is shared, each raced."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from godos.catalog.catalog import Catalog
from godos.model.blobs import Blob, BlobState
from godos.model.errors import CommitUnknown, Conflict
from godos.model.names import new_id
from godos.model.upkeep import Job, JobKind, JobState
from godos.model.versions import ObjectVersion
from tests.catalog_audit import audit
from tests.contract.catalog import BOTH, TWO, upload
from tests.contract.catalog_upkeep import CODED, LARGE, SHARDS, large
from tests.simulation.interleaving import every_schedule, many_schedules
from tests.simulation.test_catalog_races import (
    MOST,
    RANDOM,
    World,
    collect,
    nothing_else,
    now,
    only,
)

GRACE = 1000.0  # seconds


def stored(world: World, key: str = "k") -> Blob:
    """A blob that is worth sharing, under a key."""
    made = now(world.plain.commit(world.bucket, key, large()))
    blob = now(world.plain.blob(made.incarnation or ""))
    assert blob is not None
    return blob


def at_rest(world: World) -> None:
    """All that may be collected was, and the rows fit together."""
    now(Deferred.fromCoroutine(collect(world.plain, [])))
    now(Deferred.fromCoroutine(audit(world.stage.items))).check_at_rest()


@pytest.mark.parametrize("forgetful", [False, True])
def test_equal_content_while_it_is_collected(forgetful: bool) -> None:
    """The index names what is there, while equal content comes and goes and answers get lost."""
    taken = 0
    for schedule in many_schedules(RANDOM, 40):
        world = World(schedule, faults=1, forgetful=forgetful)
        old = stored(world)
        now(world.plain.delete(world.bucket, "k"))
        (removal,) = now(world.plain.removals(0))

        async def put(catalog: Catalog, world: World = world) -> None:
            await catalog.blob(new_id())  # one step more, so that it is not always the first
            await catalog.commit(world.bucket, "one", large())

        ends = world.play(
            world.catalog("a").removed(removal),
            put(world.catalog("b")),
            collect(world.catalog("c"), []),
        )
        nothing_else(ends, type(None), CommitUnknown)
        at_rest(world)
        assert now(world.plain.blob(old.incarnation)) is None
        found = now(world.plain.content(LARGE, "cd" * 32, "raw", TWO))
        head = world.head("one")
        assert (found and found.incarnation) == (head and head.incarnation), world.stage.told
        taken += found is not None
    assert taken > RANDOM / 2


def test_found_and_shared_while_it_is_collected() -> None:
    """Who finds content and refers to it has it for good, or is told that it is going."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 41):
        world = World(schedule)
        blob = stored(world)
        now(world.plain.delete(world.bucket, "k"))
        gone: list[str] = []

        async def share(catalog: Catalog, world: World = world) -> object:
            found = await catalog.content(LARGE, "cd" * 32, "raw", TWO)
            if found is None:
                return None
            return await catalog.commit(world.bucket, "new", evolve(large(), blob=found))

        _, shared = world.play(collect(world.catalog("a"), gone), share(world.catalog("b")))
        nothing_else([shared], type(None), ObjectVersion, Conflict)
        outcomes.add(type(shared))
        assert isinstance(shared, ObjectVersion) == (gone == [])
        standing = now(world.plain.blob(blob.incarnation))
        assert (standing is not None) == (gone == [])
        at_rest(world)
    assert outcomes == {type(None), ObjectVersion, Conflict}


@pytest.mark.parametrize("forgetful", [False, True])
def test_conversion_correction_and_collection(forgetful: bool) -> None:
    """One of those who change a blob wins, in whatever order they step; the index follows."""
    for schedule in many_schedules(RANDOM, 42):
        world = World(schedule, faults=1, forgetful=forgetful)
        blob = stored(world)
        now(world.plain.delete(world.bucket, "k"))
        converted, corrected, _, other = world.play(
            world.catalog("a").converted(blob, CODED, SHARDS),
            world.catalog("b").correct_layout(blob, BOTH[:1]),
            world.catalog("c").removals(0),
            world.catalog("d").commit(world.bucket, "other", large()),
        )
        nothing_else([converted, corrected], type(None), Blob, CommitUnknown)
        nothing_else([other], ObjectVersion, CommitUnknown)
        assert len(only(Blob, [converted, corrected])) <= 1
        standing = now(world.plain.blob(blob.incarnation))
        assert standing is not None
        if isinstance(converted, Blob):
            assert (standing.policy, standing.layout) == (CODED, SHARDS)
        if isinstance(corrected, Blob):
            assert (standing.policy, standing.layout) == (TWO, BOTH[:1])
        at_rest(world)


def test_two_conversions() -> None:
    """Of two who convert a blob one does, and the other is told."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        blob = stored(world)
        ends = world.play(*(world.catalog(n).converted(blob, CODED, SHARDS) for n in "ab"))
        (won,) = only(Blob, ends)
        assert now(world.plain.blob(blob.incarnation)) == won
        found = now(world.plain.content(LARGE, "cd" * 32, "raw", CODED))
        assert found == won


@pytest.mark.parametrize("forgetful", [False, True])
def test_repaired_and_wanted_again(forgetful: bool) -> None:
    """A reason that came after a repair began waits, whatever answers were lost."""
    for schedule in many_schedules(RANDOM, 43):
        world = World(schedule, faults=2, forgetful=forgetful)
        made = now(world.plain.commit(world.bucket, "k", upload(layout=BOTH[:1])))
        (work,) = now(world.plain.repairs())
        done, wished = world.play(
            world.catalog("a").repaired(work),
            world.catalog("b").want_repair(made.incarnation, "damaged"),
        )
        nothing_else([done, wished], bool, type(None), CommitUnknown)
        waiting = now(world.plain.repairs())
        if wished is None:
            assert [one.reason for one in waiting] == ["damaged"], world.stage.told
        elif done is True:
            assert [one.reason for one in waiting] in ([], ["damaged"])


def test_one_job_of_two() -> None:
    """Of two who begin a job of one kind one does, and a cancelled one writes no more."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        ends = world.play(
            *(world.catalog(n).put_job(Job(new_id(), JobKind.REBALANCE)) for n in "ab")
        )
        nothing_else(ends, Job, Conflict)
        (begun,) = only(Job, ends)
        assert now(world.plain.jobs()) == [begun]
    for schedule in every_schedule(MOST):
        world = World(schedule)
        begun = now(world.plain.put_job(Job(new_id(), JobKind.REBALANCE)))
        ends = world.play(
            world.catalog("a").put_job(evolve(begun, done=5)),
            world.catalog("b").put_job(evolve(begun, state=JobState.CANCELLED)),
        )
        (won,) = only(Job, ends)
        assert now(world.plain.jobs()) == [won]


def shared_and_let_go(world: World) -> Blob:
    """A blob that had two references and has none, and a grace in which nobody had one."""
    blob = stored(world)
    now(world.plain.commit(world.bucket, "copy", evolve(large(), blob=blob)))
    for key in ("k", "copy"):
        now(world.plain.delete(world.bucket, key))
    world.stage.clock.advance(GRACE + 1)
    assert now(world.plain.removals(GRACE)) == []
    world.stage.clock.advance(GRACE + 1)
    return blob


def test_the_grace_of_a_copy_that_comes_and_goes() -> None:
    """A copy that is made and deleted while a collector looks has its grace, or is refused."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 44):
        world = World(schedule)
        blob = shared_and_let_go(world)

        async def copy(catalog: Catalog, world: World = world, blob: Blob = blob) -> None:
            await catalog.commit(world.bucket, "new", evolve(large(), blob=blob))
            await catalog.delete(world.bucket, "new")

        removals, copied = world.play(world.catalog("a").removals(GRACE), copy(world.catalog("b")))
        nothing_else([copied], type(None), Conflict)
        outcomes.add(copied is None)
        assert (removals == []) == (copied is None), world.stage.told
        if copied is None:
            assert now(world.plain.removals(GRACE)) == []
            standing = now(world.plain.blob(blob.incarnation))
            assert standing is not None
            assert standing.state is BlobState.LIVE
    assert outcomes == {True, False}


def test_two_collectors_of_what_was_shared() -> None:
    """However many collectors put a blob off, it is removed in the end, once."""
    for schedule in many_schedules(RANDOM, 45):
        world = World(schedule, faults=1)
        blob = stored(world)
        now(world.plain.commit(world.bucket, "copy", evolve(large(), blob=blob)))
        for key in ("k", "copy"):
            now(world.plain.delete(world.bucket, key))
        world.stage.clock.advance(GRACE + 1)
        ends = world.play(*(world.catalog(n).removals(GRACE) for n in "ab"))
        assert all(end == [] or isinstance(end, CommitUnknown) for end in ends)
        gone: list[str] = []
        for _ in range(4):
            world.stage.clock.advance(GRACE + 1)
            for removal in now(world.plain.removals(GRACE)):
                gone.append(removal.blob.incarnation)
                now(world.plain.removed(removal))
        assert gone == [blob.incarnation]
        rows = now(Deferred.fromCoroutine(audit(world.stage.items)))
        assert not rows.collect
