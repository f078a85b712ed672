"""Uploads in parts, their lists and their ends, raced."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from godos.catalog.catalog import Catalog
from godos.catalog.uploads import KEPT
from godos.model.errors import (
    BytesNotFound,
    CommitUnknown,
    Conflict,
    InvalidPart,
    NoSuchBucket,
    NoSuchUpload,
    PreconditionFailed,
)
from godos.model.multipart import MultipartUpload, Part
from godos.model.names import new_id
from godos.model.versions import (
    UNCONDITIONAL,
    NewVersion,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from tests.catalog_audit import Rows, audit
from tests.contract.catalog import ONLY_NEW, empty, upload
from tests.contract.catalog_uploads import beginning, blobs, collect, object_of, part
from tests.simulation.interleaving import every_schedule, many_schedules
from tests.simulation.test_catalog_races import World, nothing_else, now, only

RANDOM = 400  # schedules of one test
ENABLED, OFF = Versioning.ENABLED, Versioning.OFF


def opened(world: World, *numbers: int, key: str = "k") -> tuple[MultipartUpload, list[Part]]:
    """An upload that was begun, and its parts."""
    begun = now(world.plain.create_upload(world.bucket, beginning(key)))
    return begun, [now(world.plain.put_part(begun, world.bucket, part(n))) for n in numbers]


def completion(
    world: World, actor: str, begun: MultipartUpload, parts: Sequence[Part]
) -> Deferred[ObjectVersion]:
    return world.catalog(actor).complete(world.bucket, begun, parts, object_of(parts, actor))


def rows(world: World) -> Rows:
    return now(Deferred.fromCoroutine(audit(world.stage.items)))


def collected(world: World) -> set[str]:
    """What a collector removes that is alone and has time."""
    gone = now(Deferred.fromCoroutine(collect(world.plain)))
    rows(world).check_at_rest()
    return gone


def readable(world: World, version: ObjectVersion) -> tuple[Part, ...]:
    """The parts of an object, each of whose bytes are there."""
    assert version.manifest is not None
    fresh = world.settling()
    parts = tuple(now(fresh.manifest(version.manifest)))
    for one in parts:
        blob = now(fresh.blob(one.incarnation or ""))
        assert blob is not None, world.stage.told
    return parts


# -- completing -----------------------------------------------------------------------------
@pytest.mark.parametrize("condition", [UNCONDITIONAL, ONLY_NEW])
@pytest.mark.parametrize("versioning", [OFF, ENABLED])
def test_completed_by_two(versioning: Versioning, condition: WriteCondition) -> None:
    """Two completions of one upload make one object, and both are told of it."""
    for schedule in many_schedules(RANDOM, 100):
        world = World(schedule, versioning)
        begun, parts = opened(world, 1, 2)
        ends = world.play(
            *(
                world.catalog(n).complete(world.bucket, begun, parts, object_of(parts), condition)
                for n in "ab"
            )
        )
        assert ends[0] == ends[1] == world.head()
        assert len(world.versions()) == 1
        assert collected(world) == set()
        assert readable(world, ends[0]) == tuple(parts)


@pytest.mark.parametrize("forgetful", [False, True])
def test_completed_although_answers_get_lost(forgetful: bool) -> None:
    """A completion whose answers get lost happens once, and is answered as done."""
    for schedule in many_schedules(RANDOM, 101):
        world = World(schedule, ENABLED, faults=2, forgetful=forgetful)
        begun, parts = opened(world, 1, 2)
        (end,) = world.play(completion(world, "a", begun, parts))
        assert isinstance(end, ObjectVersion), world.stage.told
        assert world.versions() == [end]
        assert collected(world) == set()
        assert readable(world, end) == tuple(parts)


@pytest.mark.parametrize("forgetful", [False, True])
def test_completed_among_rivals(forgetful: bool) -> None:
    """However answers get lost, an upload is completed once, though other writers come."""
    for schedule in many_schedules(RANDOM, 102):
        world = World(schedule, ENABLED, faults=2, forgetful=forgetful)
        begun, parts = opened(world, 1)
        ends = world.play(
            completion(world, "a", begun, parts),
            completion(world, "b", begun, parts),
            world.catalog("c").commit(world.bucket, "k", empty("c")),
        )
        nothing_else(ends, ObjectVersion, CommitUnknown, Conflict)
        made = [version for version in world.versions() if version.manifest is not None]
        assert len(made) <= 1, world.stage.told
        for end in only(ObjectVersion, ends[:2]):
            assert [one.reference for one in made] == [end.reference], world.stage.told
        gone = collected(world)
        if made:
            assert gone == set()
            assert readable(world, made[0]) == tuple(parts)


@pytest.mark.parametrize("faults", [0, 1])
def test_completed_or_aborted(faults: int) -> None:
    """An upload is completed or aborted: its parts are the object's, or they are collected."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 103):
        world = World(schedule, faults=faults, forgetful=True)
        begun, parts = opened(world, 1, 2)
        made, aborted = world.play(
            completion(world, "a", begun, parts),
            world.catalog("b").abort(world.bucket, begun),
        )
        nothing_else([made], ObjectVersion, NoSuchUpload, *([CommitUnknown] if faults else []))
        nothing_else([aborted], type(None), NoSuchUpload, *([CommitUnknown] if faults else []))
        outcomes.add((type(made), type(aborted)))
        head = world.head()
        assert (head is None) or not isinstance(made, NoSuchUpload)
        assert not (isinstance(made, ObjectVersion) and aborted is None), world.stage.told
        assert collected(world) == (blobs(parts) if head is None else set())
        if head is not None:
            assert readable(world, head) == tuple(parts)
    assert {(ObjectVersion, NoSuchUpload), (NoSuchUpload, type(None))} <= outcomes


def test_completed_while_a_part_is_sent_again() -> None:
    """An object has the parts it was completed with, or it is told that they changed."""
    outcomes = set()
    for schedule in many_schedules(2 * RANDOM, 104):
        world = World(schedule)
        begun, parts = opened(world, 1, 2)
        made, again = world.play(
            completion(world, "a", begun, parts),
            world.catalog("b").put_part(begun, world.bucket, part(2)),
        )
        nothing_else([made], ObjectVersion, InvalidPart)
        nothing_else([again], Part, NoSuchUpload)
        outcomes.add((type(made), type(again)))
        gone = collected(world)
        if isinstance(made, ObjectVersion):
            assert readable(world, made) == tuple(parts)
            assert gone == (blobs([again]) if isinstance(again, Part) else set())
        else:
            assert gone == blobs(parts[1:])
            left = now(world.plain.parts(begun)).parts
            assert left == (parts[0], again)
    assert {(ObjectVersion, NoSuchUpload), (InvalidPart, Part)} <= outcomes


def test_completed_while_another_part_comes() -> None:
    """A part of a new number disturbs no completion, and is collected when it came too late."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 105):
        world = World(schedule)
        begun, parts = opened(world, 1)
        made, more = world.play(
            completion(world, "a", begun, parts),
            world.catalog("b").put_part(begun, world.bucket, part(2)),
        )
        nothing_else([made], ObjectVersion)
        nothing_else([more], Part, NoSuchUpload)
        outcomes.add(type(more))
        assert collected(world) == (blobs([more]) if isinstance(more, Part) else set())
        assert readable(world, made) == tuple(parts)
    assert outcomes == {Part, NoSuchUpload}


@pytest.mark.parametrize("versioning", [OFF, ENABLED])
def test_one_of_a_completion_and_a_put(versioning: Versioning) -> None:
    """Of a completion and an upload with `If-None-Match: *` exactly one wins."""
    winners = set()
    for schedule in many_schedules(RANDOM, 106):
        world = World(schedule, versioning)
        begun, parts = opened(world, 1)
        new = object_of(parts)
        ends = world.play(
            world.catalog("a").complete(world.bucket, begun, parts, new, ONLY_NEW),
            world.catalog("b").commit(world.bucket, "k", upload("b"), ONLY_NEW),
        )
        nothing_else(ends, ObjectVersion, PreconditionFailed)
        (won,) = only(ObjectVersion, ends)
        assert world.head() == won
        winners.add(won.etag)
        assert collected(world) == set()
        opened_still = now(world.plain.uploads(world.bucket)).uploads
        assert (opened_still == ()) == (won.etag == "whole")
    assert winners == {"whole", "b"}


def test_completed_or_its_bucket_deleted() -> None:
    """No object of parts appears in a bucket that is gone."""
    for schedule in many_schedules(RANDOM, 107):
        world = World(schedule)
        begun, parts = opened(world, 1)
        made, gone = world.play(
            completion(world, "a", begun, parts), world.catalog("b").delete_bucket("photos")
        )
        nothing_else([made], ObjectVersion, NoSuchBucket)
        assert (gone is None) == isinstance(made, NoSuchBucket), world.stage.told


# -- parts ----------------------------------------------------------------------------------
@pytest.mark.parametrize("forgetful", [False, True])
def test_parts_although_answers_get_lost(forgetful: bool) -> None:
    """Of parts with one number one is left, the others are collected, however answers get lost."""
    for schedule in many_schedules(RANDOM, 108):
        world = World(schedule, faults=2, forgetful=forgetful)
        begun, _ = opened(world, 1)
        new = [part(1) for _ in range(2)]
        ends = world.play(
            *(world.catalog(str(n)).put_part(begun, world.bucket, one) for n, one in enumerate(new))
        )
        nothing_else(ends, Part)
        (left,) = now(world.plain.parts(begun)).parts
        assert left in ends
        gone = collected(world)
        assert left.incarnation not in gone
        assert set(rows(world).blobs) == blobs([left])


def test_a_part_or_the_end() -> None:
    """A part that is told as stored is in an open upload, or is collected after its end."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 109):
        world = World(schedule, faults=1, forgetful=True)
        begun, parts = opened(world, 1)
        stored, ended = world.play(
            world.catalog("a").put_part(begun, world.bucket, part(1)),
            world.catalog("b").abort(world.bucket, begun),
        )
        nothing_else([stored], Part, NoSuchUpload)
        assert ended is None
        outcomes.add(type(stored))
        all_of = blobs(parts) | (blobs([stored]) if isinstance(stored, Part) else set())
        assert collected(world) == all_of
        assert not rows(world).parts
    assert outcomes == {Part, NoSuchUpload}


def test_a_part_of_bytes_that_are_collected() -> None:
    """Stored bytes become a part, or are collected, and never both."""
    outcomes = set()
    for schedule in many_schedules(2 * RANDOM, 110):
        world = World(schedule)
        source = now(world.plain.commit(world.bucket, "source", upload()))
        blob = now(world.plain.blob(source.incarnation or ""))
        now(world.plain.delete(world.bucket, "source"))
        begun, _ = opened(world)
        gone: set[str] = set()
        _, stored = world.play(
            removing(world.catalog("a"), gone),
            world.catalog("b").put_part(begun, world.bucket, part(1, blob=blob)),
        )
        nothing_else([stored], Part, Conflict)
        outcomes.add(type(stored))
        assert isinstance(stored, Part) == (gone == set()), world.stage.told
    assert outcomes == {Part, Conflict}


async def removing(catalog: Catalog, gone: set[str]) -> None:
    """One round of a collector."""
    for removal in await catalog.removals(0):
        gone.add(removal.blob.incarnation)
        await catalog.removed(removal)


# -- beginnings and ends --------------------------------------------------------------------
@pytest.mark.parametrize("forgetful", [False, True])
def test_uploads_of_one_key(forgetful: bool) -> None:
    """Uploads of one key that begin and end at once are listed as long as they are open."""
    for schedule in many_schedules(RANDOM, 111):
        world = World(schedule, faults=1, forgetful=forgetful)
        begun, _ = opened(world)
        ends = world.play(
            world.catalog("a").create_upload(world.bucket, beginning()),
            world.catalog("b").create_upload(world.bucket, beginning()),
            world.catalog("c").abort(world.bucket, begun),
        )
        nothing_else(ends[:2], MultipartUpload)
        nothing_else(ends[2:], type(None))
        listed = {one.id for one in now(world.plain.uploads(world.bucket)).uploads}
        assert listed == {end.id for end in ends[:2]}


def test_an_upload_that_is_forgotten() -> None:
    """An upload without a sign of life for a week is ended; with one it is not."""
    for schedule in every_schedule(1):
        world = World(schedule)
        clock = world.stage.clock
        begun = now(world.plain.create_upload(world.bucket, beginning(when=0.0)))
        clock.advance(KEPT - 1)
        young = part(1, modified=clock.seconds())
        stored = now(world.plain.put_part(begun, world.bucket, young))
        assert collected(world) == set()
        clock.advance(KEPT - 1)
        assert collected(world) == set()
        assert now(world.plain.upload(world.bucket, "k", begun.id)).id == begun.id
        clock.advance(1)
        assert collected(world) == blobs([stored])
        with pytest.raises(NoSuchUpload):
            now(world.plain.upload(world.bucket, "k", begun.id))
        left = rows(world)
        assert not left.uploads
        assert not left.due
        assert not left.opened


def test_a_completed_upload_is_forgotten() -> None:
    """A completed upload is answered for a week, and its object stays when it is forgotten."""
    for schedule in every_schedule(1):
        world = World(schedule)
        clock = world.stage.clock
        begun = now(world.plain.create_upload(world.bucket, beginning(when=0.0)))
        stored = now(world.plain.put_part(begun, world.bucket, part(1)))
        clock.advance(KEPT / 2)
        made = now(completion_of(world.plain, world, begun, [stored]))
        clock.advance(KEPT - 1)
        assert collected(world) == set()
        assert now(completion_of(world.plain, world, begun, [stored])) == made
        clock.advance(1)
        assert collected(world) == set()
        with pytest.raises(NoSuchUpload):
            now(completion_of(world.plain, world, begun, [stored]))
        left = rows(world)
        assert not left.uploads
        assert not left.due
        assert readable(world, made) == (stored,)


def completion_of(
    catalog: Catalog, world: World, begun: MultipartUpload, parts: Sequence[Part]
) -> Deferred[ObjectVersion]:
    return catalog.complete(world.bucket, begun, parts, object_of(parts))


def test_forgotten_or_completed() -> None:
    """An old upload that is completed at last is an object whole, or it is told that it ended."""
    outcomes = set()
    for schedule in many_schedules(2 * RANDOM, 112):
        world = World(schedule)
        begun = now(world.plain.create_upload(world.bucket, beginning(when=0.0)))
        old = part(1, modified=0.0)
        stored = now(world.plain.put_part(begun, world.bucket, old))
        world.stage.clock.advance(KEPT + 1)
        gone: set[str] = set()
        made, _ = world.play(
            completion(world, "a", begun, [stored]), removing(world.catalog("b"), gone)
        )
        nothing_else([made], ObjectVersion, NoSuchUpload, InvalidPart, Conflict)
        outcomes.add(isinstance(made, ObjectVersion))
        gone |= collected(world)
        if isinstance(made, ObjectVersion):
            assert gone == set(), world.stage.told
            assert readable(world, made) == (stored,)
        elif world.head() is None:
            left = now(world.plain.uploads(world.bucket)).uploads
            assert (gone == blobs([stored])) == (left == ())
    assert outcomes == {True, False}


# -- lists ----------------------------------------------------------------------------------
def dropped(world: World) -> tuple[NewVersion, tuple[Part, ...]]:
    """What would copy an object of parts that is deleted meanwhile, and its parts."""
    begun, parts = opened(world, 1, 2, key="old")
    made = now(completion_of(world.plain, world, begun, parts))
    collected(world)
    now(world.plain.delete(world.bucket, "old"))
    copy = evolve(empty("copy"), size=made.size, manifest=made.manifest, parts=made.parts)
    return copy, tuple(parts)


@pytest.mark.parametrize("collectors", [1, 2])
def test_a_list_is_collected_or_copied(collectors: int) -> None:
    """A list of parts gains a reference, or it goes with its parts, and never both."""
    outcomes = set()
    for schedule in many_schedules(2 * RANDOM, 113):
        world = World(schedule, faults=collectors - 1, forgetful=True)
        copy, parts = dropped(world)
        gone: set[str] = set()
        copied, *_ = world.play(
            world.catalog("a").commit(world.bucket, "new", copy),
            *(removing(world.catalog(f"b{n}"), gone) for n in range(collectors)),
        )
        nothing_else(
            [copied], ObjectVersion, Conflict, *([CommitUnknown] if collectors > 1 else [])
        )
        outcomes.add(type(copied))
        gone |= collected(world)
        if world.head("new") is not None:
            assert gone == set(), world.stage.told
            assert isinstance(copied, ObjectVersion | CommitUnknown)
            assert readable(world, now(world.plain.head(world.bucket, "new"))) == parts
        else:
            assert gone == blobs(parts)
    assert {ObjectVersion, Conflict} <= outcomes


def test_a_list_is_copied_again_between_two_collectors() -> None:
    """A list that loses a copy and gains another while two collectors look at it stays whole."""
    outcomes = set()
    for schedule in many_schedules(2 * RANDOM, 500):
        world = World(schedule)
        copy, parts = dropped(world)

        async def copies(
            catalog: Catalog, world: World = world, copy: NewVersion = copy
        ) -> ObjectVersion:
            await catalog.commit(world.bucket, "one", copy)
            await catalog.delete(world.bucket, "one")
            return await catalog.commit(world.bucket, "two", evolve(copy, operation=new_id()))

        gone: set[str] = set()
        copied, *_ = world.play(
            copies(world.catalog("a")),
            *(removing(world.catalog(f"b{number}"), gone) for number in range(2)),
        )
        nothing_else([copied], ObjectVersion, Conflict)
        outcomes.add(type(copied))
        gone |= collected(world)
        if isinstance(copied, ObjectVersion):
            assert gone == set(), world.stage.told
            assert readable(world, copied) == parts
        else:
            assert gone == blobs(parts)
    assert outcomes == {ObjectVersion, Conflict}


def test_a_collector_of_lists_that_died() -> None:
    """Whatever step a collector of a list dies at, the next ones finish its work."""
    for steps in range(60):
        for schedule in many_schedules(2, 114 + steps):
            world = World(schedule)
            copy, parts = dropped(world)
            dying = Deferred.fromCoroutine(removing(world.catalog("a"), set()))
            dying.addErrback(lambda _failure: None)
            for _ in range(steps):
                if world.stage.waiting:
                    world.stage._step()
            world.stage.waiting.clear()
            rows(world)
            collected(world)
            left = rows(world)
            assert not left.blobs
            assert not left.headings
            with pytest.raises(BytesNotFound):
                now(world.settling().manifest(copy.manifest or ""))
            assert len(parts) == 2


def test_a_completion_that_died() -> None:
    """Whatever step a completion dies at, its upload can be completed, and nothing is lost."""
    for steps in range(16):
        for schedule in many_schedules(2, 200 + steps):
            world = World(schedule)
            begun, parts = opened(world, 1, 2)
            dying = completion(world, "a", begun, parts)
            dying.addErrback(lambda _failure: None)
            for _ in range(steps):
                if world.stage.waiting:
                    world.stage._step()
            world.stage.waiting.clear()
            assert collected(world) == set()
            made = now(completion_of(world.plain, world, begun, parts))
            assert collected(world) == set()
            assert readable(world, made) == tuple(parts)


def test_a_clearing_that_died() -> None:
    """Whatever step the clearing of an aborted upload dies at, the next one finishes it."""
    for steps in range(50):
        world = World(next(iter(many_schedules(1, 300 + steps))))
        begun, parts = opened(world, 1, 2, 3)
        now(world.plain.abort(world.bucket, begun))
        dying = Deferred.fromCoroutine(removing(world.catalog("a"), set()))
        dying.addErrback(lambda _failure: None)
        for _ in range(steps):
            if world.stage.waiting:
                world.stage._step()
        world.stage.waiting.clear()
        assert collected(world) == blobs(parts)
        assert not rows(world).parts
