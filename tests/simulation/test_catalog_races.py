"""The catalog's rules, each raced: in every order of the steps, or in very many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from godos.catalog.catalog import Catalog
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.catalog import Removal
from godos.model.errors import (
    BucketNotEmpty,
    CommitUnknown,
    Conflict,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
)
from godos.model.members import Cluster, Node, NodeState
from godos.model.names import new_id
from godos.model.versions import (
    NULL_VERSION,
    UNCONDITIONAL,
    Bucket,
    Deleted,
    NewVersion,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from tests.catalog_audit import audit
from tests.contract.catalog import BOTH, ONLY_NEW, empty, if_match, node, upload
from tests.simulation.interleaving import (
    ForgetfulItems,
    NoJitter,
    Schedule,
    Stage,
    every_schedule,
    many_schedules,
)

T = TypeVar("T")
ENABLED, SUSPENDED, OFF = Versioning.ENABLED, Versioning.SUSPENDED, Versioning.OFF
MOST = 60_000  # schedules of one test
RANDOM = 1000  # schedules where there are too many for all


class World:
    """A stage with a bucket on it; `catalog(name)` is a server of that name."""

    def __init__(
        self,
        schedule: Schedule,
        versioning: Versioning = OFF,
        faults: int = 0,
        settle: float = 0.0,
        forgetful: bool = False,
    ) -> None:
        self.stage = Stage(schedule, faults)
        if forgetful:
            self.stage.items = ForgetfulItems()
        self.settle = settle
        self.plain = self._catalog(self.stage.items, 0.0)
        self.bucket: Bucket = now(self.plain.create_bucket("photos", "ann"))
        if versioning is not OFF:
            self.bucket = now(self.plain.set_versioning("photos", versioning))

    def catalog(self, actor: str) -> Catalog:
        return self._catalog(self.stage.store(actor), self.settle)

    def settling(self) -> Catalog:
        """A server that needs no schedule, with the rules for buckets of this world."""
        return self._catalog(self.stage.items, self.settle)

    def _catalog(self, items: Any, settle: float) -> Catalog:
        clock = self.stage.clock
        return Catalog(items, clock, settle, clock.seconds, new_id, NoJitter())

    def play(self, *actors: Awaitable[Any]) -> list[Any]:
        ends = self.stage.play(*actors)
        now(Deferred.fromCoroutine(audit(self.stage.items)))
        return ends

    def head(self, key: str = "k") -> ObjectVersion | None:
        try:
            return now(self.plain.head(self.bucket, key))
        except NoSuchKey:
            return None

    def versions(self) -> list[ObjectVersion]:
        return list(now(self.plain.list_versions(self.bucket)).versions)

    def collected(self) -> set[str]:
        """What one collector alone would remove now."""
        return {one.blob.incarnation for one in now(self.plain.removals(0))}


def now(deferred: Deferred[T]) -> T:
    """The result of what needs no waiting."""
    ended: list[Any] = []
    deferred.addBoth(ended.append)
    assert ended, "it waits for something"
    if isinstance(ended[0], Failure):
        ended[0].raiseException()
    return ended[0]  # type: ignore[no-any-return]


def only(kind: type, ends: list[Any]) -> list[Any]:
    return [end for end in ends if isinstance(end, kind)]


def nothing_else(ends: list[Any], *kinds: type) -> None:
    """Nobody ended in another way than those."""
    assert all(isinstance(end, kinds) for end in ends), ends


# -- writers of one key -------------------------------------------------------------------
@pytest.mark.parametrize("versioning", [OFF, ENABLED, SUSPENDED])
def test_one_of_two_makes_the_key(versioning: Versioning) -> None:
    """Of two writers with `If-None-Match: *` exactly one wins, in whatever order they step."""
    for schedule in every_schedule(MOST):
        world = World(schedule, versioning)
        ends = world.play(
            world.catalog("a").commit(world.bucket, "k", upload("a"), ONLY_NEW),
            world.catalog("b").commit(world.bucket, "k", upload("b"), ONLY_NEW),
        )
        nothing_else(ends, ObjectVersion, PreconditionFailed)
        (won,) = only(ObjectVersion, ends)
        assert world.head() == won
        assert len(world.versions()) == 1
        assert world.collected() == set()


@pytest.mark.parametrize("condition", [if_match("0"), UNCONDITIONAL])
@pytest.mark.parametrize("versioning", [OFF, ENABLED, SUSPENDED])
def test_two_replace(versioning: Versioning, condition: WriteCondition) -> None:
    """Two may replace an object; with the same `If-Match` only one does; nothing is lost."""
    for schedule in every_schedule(MOST):
        world = World(schedule, versioning)
        now(world.plain.commit(world.bucket, "k", upload("0")))
        ends = world.play(
            world.catalog("a").commit(world.bucket, "k", upload("a"), condition),
            world.catalog("b").commit(world.bucket, "k", upload("b"), condition),
        )
        nothing_else(ends, ObjectVersion, PreconditionFailed)
        won = only(ObjectVersion, ends)
        assert len(won) == (2 if condition == UNCONDITIONAL else 1)
        latest = max(won, key=lambda version: version.seq)
        assert world.head() == latest
        assert len(world.versions()) == (1 + len(won) if versioning is ENABLED else 1)
        assert len(world.collected()) == (0 if versioning is ENABLED else len(won))


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("versioning", [OFF, ENABLED])
@pytest.mark.parametrize("new", [upload, empty])
def test_lost_answers(
    versioning: Versioning, forgetful: bool, new: Callable[[str], NewVersion]
) -> None:
    """A write without rivals whose answers get lost happens once, and is answered as done."""
    for schedule in every_schedule(MOST):
        world = World(schedule, versioning, faults=2, forgetful=forgetful)
        before = now(world.plain.commit(world.bucket, "k", upload("0")))
        (end,) = world.play(world.catalog("a").commit(world.bucket, "k", new("a")))
        nothing_else([end], ObjectVersion)
        etags = [version.etag for version in world.versions()]
        assert etags == (["a", "0"] if versioning is ENABLED else ["a"])
        assert world.head() == end
        assert world.collected() == (set() if versioning is ENABLED else {before.incarnation})


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("versioning", [OFF, ENABLED])
def test_lost_answers_between_rivals(versioning: Versioning, forgetful: bool) -> None:
    """However answers get lost, no two writers with `If-None-Match: *` are told they won."""
    for schedule in many_schedules(RANDOM, 1):
        world = World(schedule, versioning, faults=2, forgetful=forgetful)
        ends = world.play(
            world.catalog("a").commit(world.bucket, "k", upload("a"), ONLY_NEW),
            world.catalog("b").commit(world.bucket, "k", upload("b"), ONLY_NEW),
        )
        nothing_else(ends, ObjectVersion, PreconditionFailed, CommitUnknown)
        head, won = world.head(), only(ObjectVersion, ends)
        assert head is not None
        assert len(world.versions()) == 1
        assert [one.etag for one in won] in ([head.etag], []), world.stage.told
        if not won:
            assert only(CommitUnknown, ends)


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("versioning", [OFF, ENABLED, SUSPENDED])
@pytest.mark.parametrize("new", [upload, empty])
def test_lost_answers_among_three(
    versioning: Versioning, forgetful: bool, new: Callable[[str], NewVersion]
) -> None:
    """However answers get lost, no write happens twice, and none that was answered is lost."""
    for schedule in many_schedules(RANDOM // 3, 2):
        world = World(schedule, versioning, faults=3, forgetful=forgetful)
        ends = world.play(
            *(world.catalog(name).commit(world.bucket, "k", new(name)) for name in ("a", "b", "c"))
        )
        nothing_else(ends, ObjectVersion, CommitUnknown)
        etags = [version.etag for version in world.versions()]
        assert len(set(etags)) == len(etags)
        won = {one.etag for one in only(ObjectVersion, ends)}
        if versioning is ENABLED:
            assert won == set(etags), world.stage.told  # what is found is not called unknown
        elif not only(CommitUnknown, ends):
            assert set(etags) <= won
        latest = max((one.seq for one in only(ObjectVersion, ends)), default=0)
        head = world.head()
        assert head is None or head.seq >= latest


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("versioning", [OFF, ENABLED, SUSPENDED])
def test_put_and_delete(versioning: Versioning, forgetful: bool) -> None:
    """An upload and a deletion of its key leave what one after the other would."""
    for schedule in many_schedules(RANDOM, 3):
        world = World(schedule, versioning, faults=1, forgetful=forgetful)
        old = now(world.plain.commit(world.bucket, "k", upload("0")))
        put, deleted = world.play(
            world.catalog("a").commit(world.bucket, "k", upload("a")),
            world.catalog("b").delete(world.bucket, "k"),
        )
        nothing_else([put, deleted], ObjectVersion, Deleted, CommitUnknown)
        shown = [(v.etag, v.is_delete_marker) for v in world.versions()]
        marker = ("", True)
        if CommitUnknown in map(type, (put, deleted)):
            continue  # the audit has looked at the rows
        if versioning is OFF:
            assert shown in ([("a", False)], [])
            assert old.incarnation in world.collected()
        elif versioning is ENABLED:
            assert shown[-1] == ("0", False)
            assert sorted(shown[:-1]) == [marker, ("a", False)]
        else:
            assert shown in (
                [("0", False), marker][1:],
                [("a", False)],
                [marker, ("0", False)],
                [("a", False), ("0", False)],
            )


def test_removing_the_latest_while_another_comes() -> None:
    """The next older version comes up, or the new one is on top: no version is lost."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        made = [now(world.plain.commit(world.bucket, "k", upload(str(n)))) for n in range(2)]
        ends = world.play(
            world.catalog("a").delete(world.bucket, "k", made[1].version_id),
            world.catalog("b").commit(world.bucket, "k", upload("new")),
        )
        nothing_else(ends, Deleted, ObjectVersion)
        assert ends[0].removed.etag == "1"
        assert [version.etag for version in world.versions()] == ["new", "0"]
        assert world.collected() == {made[1].incarnation}


def test_removing_the_latest_and_the_next() -> None:
    """Two removals of neighbours both happen, whichever is on top meanwhile."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        made = [now(world.plain.commit(world.bucket, "k", upload(str(n)))) for n in range(3)]
        ends = world.play(
            world.catalog("a").delete(world.bucket, "k", made[2].version_id),
            world.catalog("b").delete(world.bucket, "k", made[1].version_id),
        )
        assert [end.removed.etag for end in ends] == ["2", "1"]
        assert [version.etag for version in world.versions()] == ["0"]
        assert len(world.collected()) == 2


def test_removing_one_version_twice() -> None:
    """Two removals of one version are one."""
    for target in (0, 1):
        for schedule in every_schedule(MOST):
            world = World(schedule, ENABLED)
            made = [now(world.plain.commit(world.bucket, "k", upload(str(n)))) for n in range(2)]
            ends = world.play(
                *(
                    world.catalog(name).delete(world.bucket, "k", made[target].version_id)
                    for name in "ab"
                )
            )
            assert sorted(end.removed is None for end in ends) == [False, True]
            assert [version.etag for version in world.versions()] == [str(1 - target)]


def test_one_null_version() -> None:
    """Uploads while versioning is suspended never leave two null versions, nor none."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        now(world.plain.commit(world.bucket, "k", upload("null")))
        world.bucket = now(world.plain.set_versioning("photos", ENABLED))
        now(world.plain.commit(world.bucket, "k", upload("kept")))
        world.bucket = now(world.plain.set_versioning("photos", SUSPENDED))
        ends = world.play(
            world.catalog("a").commit(world.bucket, "k", upload("a")),
            world.catalog("b").delete(world.bucket, "k", NULL_VERSION),
        )
        nothing_else(ends, ObjectVersion, Deleted)
        assert [v.etag for v in world.versions()] in (["a", "kept"], ["kept"])
        removed = ends[1].removed.etag
        assert (removed == "a") == (len(world.versions()) == 1)


@pytest.mark.parametrize("forgetful", [False, True])
def test_removals_with_lost_answers(forgetful: bool) -> None:
    """However answers get lost, a removal removes its version and no other."""
    for schedule in many_schedules(RANDOM, 4):
        world = World(schedule, ENABLED, faults=2, forgetful=forgetful)
        made = [now(world.plain.commit(world.bucket, "k", upload(str(n)))) for n in range(3)]
        target = made[schedule.choose(3)]
        ends = world.play(
            world.catalog("a").delete(world.bucket, "k", target.version_id),
            world.catalog("b").commit(world.bucket, "k", upload("new")),
        )
        nothing_else(ends, Deleted, ObjectVersion, CommitUnknown)
        left = {version.etag for version in world.versions()} - {"new"}
        others = {version.etag for version in made} - {target.etag}
        assert others <= left
        if isinstance(ends[0], Deleted):
            assert left == others


def test_a_deletion_happens_once() -> None:
    """An object that came because another was deleted is not deleted by the same request."""
    for schedule in many_schedules(RANDOM, 40):
        world = World(schedule, faults=2, forgetful=True)
        now(world.plain.commit(world.bucket, "k", upload("0")))
        deleted, put = world.play(
            world.catalog("a").delete(world.bucket, "k"),
            world.catalog("b").commit(world.bucket, "k", empty("new"), ONLY_NEW),
        )
        nothing_else([deleted], Deleted, CommitUnknown)
        if isinstance(put, ObjectVersion):
            assert world.head() == put, world.stage.told


def test_a_lost_answer_is_no_refusal() -> None:
    """A conditional deletion that may have happened is never answered as refused."""
    for schedule in every_schedule(MOST):
        world = World(schedule, faults=2, forgetful=True)
        now(world.plain.commit(world.bucket, "k", upload("0")))
        (end,) = world.play(world.catalog("a").delete(world.bucket, "k", None, if_match("0")))
        nothing_else([end], Deleted, CommitUnknown)
        if isinstance(end, Deleted):
            assert world.head() is None


def test_one_of_two_deletes() -> None:
    """Of two deletions with the same `If-Match` at most one is told that it was its own."""
    seen = set()
    for schedule in many_schedules(RANDOM, 41):
        world = World(schedule, faults=1, forgetful=True)
        now(world.plain.commit(world.bucket, "k", upload("0")))
        ends = world.play(
            *(world.catalog(n).delete(world.bucket, "k", None, if_match("0")) for n in "ab")
        )
        nothing_else(ends, Deleted, CommitUnknown)
        done = [end.removed is not None for end in only(Deleted, ends)]
        assert sum(done) <= 1, world.stage.told
        assert sum(done) or only(CommitUnknown, ends)
        seen |= {*done, *map(type, only(CommitUnknown, ends))}
    assert seen == {True, False, CommitUnknown}


# -- readers ------------------------------------------------------------------------------
def test_a_version_is_found_on_its_way() -> None:
    """A version is found by its id while it goes down to the history and comes up again."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        wanted = now(world.plain.commit(world.bucket, "k", upload("wanted")))

        async def push_and_pull(world: World = world) -> None:
            catalog = world.catalog("a")
            above = await catalog.commit(world.bucket, "k", empty())
            await catalog.delete(world.bucket, "k", above.version_id)

        _, found = world.play(
            push_and_pull(),
            world.catalog("b").version(world.bucket, "k", wanted.version_id),
        )
        assert isinstance(found, ObjectVersion), world.stage.told
        assert found.reference == wanted.reference


def test_the_null_version_is_found_on_its_way() -> None:
    """So is the null version."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        wanted = now(world.plain.commit(world.bucket, "k", upload("wanted")))
        world.bucket = now(world.plain.set_versioning("photos", ENABLED))

        async def push_and_pull(world: World = world) -> None:
            catalog = world.catalog("a")
            above = await catalog.commit(world.bucket, "k", empty())
            await catalog.delete(world.bucket, "k", above.version_id)

        _, found = world.play(
            push_and_pull(), world.catalog("b").version(world.bucket, "k", NULL_VERSION)
        )
        assert isinstance(found, ObjectVersion), world.stage.told
        assert found.reference == wanted.reference


def test_a_version_is_listed_on_its_way() -> None:
    """A listing shows a version that was there all the time, and shows it once."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        wanted = now(world.plain.commit(world.bucket, "k", upload("wanted")))
        above = now(world.plain.commit(world.bucket, "k", empty()))

        async def pull_and_push(world: World = world, above: ObjectVersion = above) -> None:
            catalog = world.catalog("a")
            await catalog.delete(world.bucket, "k", above.version_id)
            await catalog.commit(world.bucket, "k", empty())

        _, page = world.play(pull_and_push(), world.catalog("b").list_versions(world.bucket))
        listed = [version.reference for version in page.versions]
        assert listed.count(wanted.reference) == 1, world.stage.told
        assert len(set(listed)) == len(listed)


def test_a_removed_version_is_not_found() -> None:
    """A version is there until it is removed, and not found is only what is not there."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        target = now(world.plain.commit(world.bucket, "k", upload("0")))
        now(world.plain.commit(world.bucket, "k", upload("1")))

        async def remove_then_look(
            world: World = world, target: ObjectVersion = target
        ) -> ObjectVersion:
            catalog = world.catalog("a")
            await catalog.delete(world.bucket, "k", target.version_id)
            return await catalog.version(world.bucket, "k", target.version_id)

        gone, _ = world.play(
            remove_then_look(), world.catalog("b").commit(world.bucket, "k", upload("2"))
        )
        assert isinstance(gone, NoSuchVersion)


# -- buckets ------------------------------------------------------------------------------
def in_order(settle: float) -> Iterator[Schedule]:
    """All schedules; or, where time plays along, many."""
    return every_schedule(MOST) if not settle else many_schedules(2 * RANDOM, 5)


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_bucket_is_deleted_or_written(settle: float) -> None:
    """No object that was answered with success is in a bucket that is gone."""
    outcomes = set()
    for schedule in in_order(settle):
        world = World(schedule, settle=settle)
        deleting, writing = world.catalog("a"), world.catalog("b")
        put, deleted = world.play(
            writing.commit(world.bucket, "k", empty("b")), deleting.delete_bucket("photos")
        )
        nothing_else([put], ObjectVersion, NoSuchBucket, *([CommitUnknown] if settle else []))
        nothing_else([deleted], type(None), BucketNotEmpty)
        outcomes.add((type(put), type(deleted)))
        if deleted is None:
            assert not isinstance(put, ObjectVersion), world.stage.told
            assert world.head() is None
            assert now(world.plain.buckets()) == []
        elif isinstance(put, ObjectVersion):
            assert world.head() == put
    assert {(ObjectVersion, BucketNotEmpty), (NoSuchBucket, type(None))} <= outcomes


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_bucket_is_deleted_by_two(settle: float) -> None:
    """Two deletions of one bucket while it is written to leave it whole or gone."""
    for schedule in many_schedules(RANDOM, 6):
        world = World(schedule, settle=settle, faults=1)
        ends = world.play(
            world.catalog("a").commit(world.bucket, "k", empty("a")),
            world.catalog("b").delete_bucket("photos"),
            world.catalog("c").delete_bucket("photos"),
        )
        nothing_else(ends, ObjectVersion, type(None), NoSuchBucket, BucketNotEmpty, CommitUnknown)
        if None in ends[1:]:
            assert not isinstance(ends[0], ObjectVersion), world.stage.told
            assert now(world.plain.buckets()) == []
        if isinstance(ends[0], ObjectVersion):
            assert world.head() == ends[0]
            assert now(world.plain.buckets()) != []
        if only(BucketNotEmpty, ends):
            assert world.head() is not None, world.stage.told


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_bucket_is_deleted_and_made(settle: float) -> None:
    """Who makes a bucket while it is deleted gets a new one, or is told that it is there."""
    for schedule in many_schedules(RANDOM, 7):
        world = World(schedule, settle=settle, faults=1)
        made, _deleted = world.play(
            world.catalog("a").create_bucket("photos", "bob"),
            world.catalog("b").delete_bucket("photos"),
        )
        if isinstance(made, Bucket):
            assert made.id != world.bucket.id
            assert now(world.plain.buckets()) == [made]


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_bucket_is_deleted_or_changed(settle: float) -> None:
    """A change of a bucket that is being deleted never brings it back to life."""
    for schedule in in_order(settle):
        world = World(schedule, settle=settle)
        changed, deleted = world.play(
            world.catalog("a").set_versioning("photos", ENABLED),
            world.catalog("b").delete_bucket("photos"),
        )
        nothing_else([changed], Bucket, NoSuchBucket)
        assert deleted is None
        assert now(world.plain.buckets()) == []


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_versioning_goes_on_under_writers(settle: float) -> None:
    """Once versioning is answered as on, no writer destroys a version, however old its view."""
    for schedule in many_schedules(RANDOM, 8):
        world = World(schedule, settle=settle)
        now(world.plain.commit(world.bucket, "k", empty("0")))

        async def enable_and_put(world: World = world) -> tuple[ObjectVersion, ObjectVersion]:
            catalog = world.catalog("a")
            bucket = await catalog.set_versioning("photos", ENABLED)
            first = await catalog.commit(bucket, "k", empty("a1"))
            return first, await catalog.commit(bucket, "k", empty("a2"))

        async def put_and_delete(world: World = world) -> Deleted:
            catalog = world.catalog("b")
            await catalog.commit(world.bucket, "k", empty("b"))
            return await catalog.delete(world.bucket, "k")

        enabled, deleted = world.play(enable_and_put(), put_and_delete())
        nothing_else([enabled, deleted], tuple, Deleted, CommitUnknown)
        if isinstance(enabled, tuple):
            left = {version.etag for version in world.versions()}
            assert {"a1", "a2"} <= left, world.stage.told


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_versioning_goes_on_under_a_deletion(settle: float) -> None:
    """What is there once versioning is answered as on is only hidden by a deletion."""
    for schedule in in_order(settle):
        world = World(schedule, settle=settle)
        now(world.plain.commit(world.bucket, "k", upload("0")))

        async def enable_and_look(world: World = world) -> list[str]:
            catalog = world.catalog("a")
            bucket = await catalog.set_versioning("photos", ENABLED)
            return [version.etag for version in (await catalog.list_versions(bucket)).versions]

        seen, deleted = world.play(enable_and_look(), world.catalog("b").delete(world.bucket, "k"))
        nothing_else([seen, deleted], list, Deleted, *([CommitUnknown] if settle else []))
        assert set(seen) <= {version.etag for version in world.versions()}, world.stage.told
        assert world.head() is None or isinstance(deleted, CommitUnknown)


def test_a_deletion_that_stalls_is_undone() -> None:
    """A bucket whose deletion broke off can be written to again, and its objects live."""
    world = World(Schedule(), settle=10.0)
    deleting, writing = world.settling(), world.settling()
    dying = deleting.delete_bucket("photos")  # has marked the bucket, and waits
    for call in world.stage.clock.getDelayedCalls():
        call.cancel()  # its server dies
    with pytest.raises(NoSuchBucket):
        now(writing.commit(world.bucket, "k", empty()))
    world.stage.clock.advance(59)
    with pytest.raises(NoSuchBucket):
        now(writing.commit(world.bucket, "k", empty()))
    world.stage.clock.advance(1)
    assert now(writing.commit(world.bucket, "k", empty("1"))).etag == "1"
    assert now(writing.head(world.bucket, "k")).etag == "1"
    assert not dying.called


def test_a_deletion_whose_caller_left_is_undone() -> None:
    """A client that goes away while its bucket is being deleted leaves the bucket as it was."""
    world = World(Schedule(), settle=10.0)
    leaving = world.settling().delete_bucket("photos")
    leaving.addErrback(lambda failure: failure.trap(CancelledError))
    leaving.cancel()
    assert now(world.settling().commit(world.bucket, "k", empty("1"))).etag == "1"


# -- blobs --------------------------------------------------------------------------------
def test_one_layout_wins() -> None:
    """Of two corrections of a layout one is taken, and the other is told."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        made = now(world.plain.commit(world.bucket, "k", upload()))
        blob = now(world.plain.blob(made.incarnation or ""))
        assert blob is not None
        moved = [(BOTH[0], Placed(1, name)) for name in ("x", "y")]
        ends = world.play(*(world.catalog(str(n)).correct_layout(blob, moved[n]) for n in range(2)))
        (won,) = only(Blob, ends)
        assert now(world.plain.blob(blob.incarnation)) == won


def test_lost_answers_of_layouts() -> None:
    """A correction that is told as taken is what stands, however its answers got lost."""
    for schedule in many_schedules(RANDOM, 9):
        world = World(schedule, faults=2, forgetful=True)
        made = now(world.plain.commit(world.bucket, "k", upload()))
        blob = now(world.plain.blob(made.incarnation or ""))
        assert blob is not None
        ends = world.play(
            *(world.catalog(n).correct_layout(blob, (BOTH[0], Placed(1, n))) for n in "xy")
        )
        won = only(Blob, ends)
        assert len(won) <= 1
        standing = now(world.plain.blob(blob.incarnation))
        assert won in ([standing], [])


def test_repair_is_wanted_by_two() -> None:
    """Two wishes for one repair leave one row, and neither is refused."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        blob = now(world.plain.commit(world.bucket, "k", upload())).incarnation
        ends = world.play(*(world.catalog(n).want_repair(blob, n) for n in "ab"))
        nothing_else(ends, type(None))
        assert [work.incarnation for work in now(world.plain.repairs())] == [blob]


# -- collection ---------------------------------------------------------------------------
def unreferenced(world: World) -> Blob:
    """A blob whose last reference was dropped."""
    made = now(world.plain.commit(world.bucket, "old", upload()))
    assert made.incarnation is not None
    now(world.plain.delete(world.bucket, "old"))
    blob = now(world.plain.blob(made.incarnation))
    assert blob is not None
    return blob


async def collect(catalog: Catalog, gone: list[str]) -> None:
    """One round, removing what may be removed."""
    for removal in await catalog.removals(0):
        gone.append(removal.blob.incarnation)
        await catalog.removed(removal)


def test_collected_or_referred_to() -> None:
    """Bytes are removed, or gain a reference, and never both."""
    outcomes = set()
    for schedule in many_schedules(2 * RANDOM, 10):
        world = World(schedule)
        blob = unreferenced(world)
        gone: list[str] = []
        _, put = world.play(
            collect(world.catalog("a"), gone),
            world.catalog("b").commit(world.bucket, "new", evolve(upload(), blob=blob)),
        )
        nothing_else([put], ObjectVersion, Conflict)
        outcomes.add(type(put))
        standing = now(world.plain.blob(blob.incarnation))
        if isinstance(put, ObjectVersion):
            assert gone == [], world.stage.told
            assert standing is not None
            assert standing.state is BlobState.LIVE
        else:
            assert gone == [blob.incarnation]
            assert standing is None
    assert outcomes == {ObjectVersion, Conflict}


@pytest.mark.parametrize("forgetful", [False, True])
def test_two_collectors(forgetful: bool) -> None:
    """Two collectors at once, of which answers get lost, and a commit: no harm is done."""
    for schedule in many_schedules(RANDOM, 11):
        world = World(schedule, faults=2, forgetful=forgetful)
        blob = unreferenced(world)
        gone: list[str] = []
        ends = world.play(
            collect(world.catalog("a"), gone),
            collect(world.catalog("b"), gone),
            world.catalog("c").commit(world.bucket, "new", evolve(upload(), blob=blob)),
        )
        nothing_else(ends, type(None), ObjectVersion, Conflict, CommitUnknown)
        if isinstance(ends[2], ObjectVersion):
            assert gone == [], world.stage.told
        last: list[str] = []
        now(Deferred.fromCoroutine(collect(world.plain, last)))
        standing = now(world.plain.blob(blob.incarnation))
        referred = world.head("new") is not None
        assert (standing is not None) == referred
        if standing is not None:
            assert standing.state is BlobState.LIVE
            assert gone == last == []


def test_copied_again_between_two_collectors() -> None:
    """Bytes that lose a copy and gain another while two collectors look at them stay there."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 500):
        world = World(schedule)
        blob = unreferenced(world)
        gone: list[str] = []

        async def copies(catalog: Catalog, world: World = world, blob: Blob = blob) -> None:
            await catalog.commit(world.bucket, "one", evolve(upload(), blob=blob))
            await catalog.delete(world.bucket, "one")
            await catalog.commit(world.bucket, "two", evolve(upload(), blob=blob))

        world.play(
            copies(world.catalog("a")),
            *(collect(world.catalog(f"b{number}"), gone) for number in range(2)),
        )
        standing = now(world.plain.blob(blob.incarnation))
        outcomes.add(world.head("two") is not None)
        if world.head("two") is not None:
            assert gone == [], world.stage.told
            assert standing is not None
            assert world.collected() == set()
    assert outcomes == {True, False}


def test_a_collector_that_died() -> None:
    """Whatever step a collector dies at, the next one finishes its work."""
    for steps in range(12):
        for schedule in many_schedules(10, 12 + steps):
            world = World(schedule)
            blob = unreferenced(world)
            dying = Deferred.fromCoroutine(collect(world.catalog("a"), []))
            dying.addErrback(lambda _failure: None)
            for _ in range(steps):
                if world.stage.waiting:
                    world.stage._step()
            world.stage.waiting.clear()
            gone: list[str] = []
            now(Deferred.fromCoroutine(collect(world.plain, gone)))
            assert now(world.plain.blob(blob.incarnation)) is None
            assert now(world.plain.removals(0)) == []


def test_a_reference_dropped_under_the_collector() -> None:
    """A blob that loses its last reference while it is looked at is collected later."""
    for schedule in many_schedules(RANDOM, 30):
        world = World(schedule)
        made = now(world.plain.commit(world.bucket, "one", upload()))
        blob = now(world.plain.blob(made.incarnation or ""))
        now(world.plain.commit(world.bucket, "two", evolve(upload(), blob=blob)))
        now(world.plain.delete(world.bucket, "one"))
        gone: list[str] = []
        world.play(
            collect(world.catalog("a"), gone), world.catalog("b").delete(world.bucket, "two")
        )
        now(Deferred.fromCoroutine(collect(world.plain, gone)))
        assert gone == [made.incarnation], world.stage.told
        now(Deferred.fromCoroutine(audit(world.stage.items)))


def test_a_layout_corrected_under_the_collector() -> None:
    """A layout that changes while its blob is condemned is what is removed, or is refused."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        blob = unreferenced(world)
        removals, corrected = world.play(
            world.catalog("a").removals(0),
            world.catalog("b").correct_layout(blob, (BOTH[0], Placed(1, "x"))),
        )
        if corrected is not None and not removals:
            removals = now(world.plain.removals(0))
        (removal,) = removals
        assert isinstance(removal, Removal)
        assert (removal.blob.layout[1].node == "x") == (corrected is not None)


def test_a_layout_corrected_under_the_removal() -> None:
    """A fragment that turns up while its blob is removed is removed as well, before the rows."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        unreferenced(world)
        (removal,) = now(world.plain.removals(0))
        more = (*removal.blob.layout, Placed(2, "x"))
        _, corrected = world.play(
            world.catalog("a").removed(removal),
            world.catalog("b").correct_layout(removal.blob, more),
        )
        standing = now(world.plain.blob(removal.blob.incarnation))
        assert standing == corrected
        assert [one.blob for one in now(world.plain.removals(0))] == only(Blob, [corrected])


# -- members ------------------------------------------------------------------------------
def test_one_cluster() -> None:
    """Two servers that prepare an empty catalog agree on one cluster."""
    for schedule in many_schedules(200, 13):
        world = World(schedule, faults=1, forgetful=True)
        ends = world.play(*(world.catalog(n).initialise("auto") for n in "ab"))
        nothing_else(ends, Cluster)
        assert ends[0] == ends[1] == now(world.plain.cluster())


def test_one_process_owns_a_node() -> None:
    """Of two processes of one node, at most one can go on beating."""
    for schedule in many_schedules(RANDOM, 14):
        world = World(schedule, faults=1, forgetful=True)

        async def live(name: str, world: World = world) -> Node | None:
            catalog = world.catalog(name)
            claimed = await catalog.claim_node(node())
            beaten = await catalog.update_node(evolve(claimed, beat=1))
            return None if beaten is None else await catalog.update_node(evolve(beaten, beat=2))

        ends = world.play(live("a"), live("b"))
        nothing_else(ends, Node, type(None))
        standing = now(world.plain.node("node-a"))
        assert standing in ends or ends == [None, None] or standing is not None
        alive = only(Node, ends)
        assert alive
        assert standing in alive


def test_a_failure_is_not_overlooked() -> None:
    """A node that is marked as failed stays so, although another process claims it then."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        claimed = now(world.plain.claim_node(node()))
        failed = evolve(claimed, state=NodeState.FAILED, reason="fsync failed")
        marked, again = world.play(
            world.catalog("a").update_node(failed), world.catalog("b").claim_node(node())
        )
        standing = now(world.plain.node("node-a"))
        assert standing == again
        assert (standing.state is NodeState.FAILED) == (marked is not None)


def test_one_takes_over_a_lease() -> None:
    """Of two that see a lease idle at the same time exactly one gets it."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        now(world.plain.try_lease("collect", "dead", 30))
        rivals = {name: world.catalog(name) for name in "ab"}
        looks = world.play(*(rival.try_lease("collect", n, 30) for n, rival in rivals.items()))
        assert looks == [False, False]
        world.stage.clock.advance(30)
        takes = world.play(*(rival.try_lease("collect", n, 30) for n, rival in rivals.items()))
        assert sorted(takes) == [False, True]
        holder = "ab"[takes.index(True)]
        assert now(world.plain.try_lease("collect", holder, 30))
