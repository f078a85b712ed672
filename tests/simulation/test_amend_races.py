"""Changed attributes, locks, events, settings and users, raced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from godos.model.catalog import OUTBOX_SHARDS, Event
from godos.model.errors import (
    CommitUnknown,
    Conflict,
    NoSuchBucket,
    NoSuchVersion,
    ObjectLocked,
    PreconditionFailed,
    UserExists,
)
from godos.model.users import User
from godos.model.versions import (
    NULL_VERSION,
    Attributes,
    Bucket,
    Deleted,
    Lock,
    LockMode,
    ObjectVersion,
    Versioning,
)
from tests.catalog_audit import audit
from tests.contract.catalog import ONLY_NEW, empty, if_match, upload
from tests.contract.catalog_amends import FAR, tagged
from tests.contract.catalog_settings import CORS, NOTIFY, TAGS
from tests.contract.catalog_users import ANN, BOB
from tests.simulation.interleaving import every_schedule, many_schedules
from tests.simulation.test_catalog_races import MOST, World, nothing_else, now, only

ENABLED, SUSPENDED, OFF = Versioning.ENABLED, Versioning.SUSPENDED, Versioning.OFF
RANDOM = 400  # schedules of one test
PUT, TAGGED = "ObjectCreated:Put", "ObjectTagging:Put"
HOLD = Attributes(lock=Lock(legal_hold=True))


def tags(world: World, version_id: str = "") -> dict[str, str]:
    """The tags of a version as they stand, without an id of the latest."""
    if not version_id:
        return dict(now(world.plain.head(world.bucket, "k")).attributes.tags)
    return dict(now(world.plain.version(world.bucket, "k", version_id)).attributes.tags)


# -- attributes -----------------------------------------------------------------------------
@pytest.mark.parametrize("older", [False, True])
def test_amended_by_two(older: bool) -> None:
    """Two changes of a version's attributes are both made, in every order of their steps."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        made = now(world.plain.commit(world.bucket, "k", upload()))
        if older:
            now(world.plain.commit(world.bucket, "k", empty()))
        ends = world.play(
            *(
                world.catalog(n).amend(world.bucket, "k", made.version_id, tagged(**{n: n}))
                for n in "ab"
            )
        )
        nothing_else(ends, ObjectVersion)
        assert tags(world, made.version_id) == {"a": "a", "b": "b"}
        assert world.collected() == set()


@pytest.mark.parametrize("forgetful", [False, True])
def test_amended_although_answers_get_lost(forgetful: bool) -> None:
    """However answers get lost, a change that is told as made stands in the end."""
    for schedule in many_schedules(RANDOM, 400):
        world = World(schedule, ENABLED, faults=2, forgetful=forgetful)
        made = now(world.plain.commit(world.bucket, "k", upload()))
        ends = world.play(
            world.catalog("a").amend(world.bucket, "k", made.version_id, tagged(a="a")),
            world.catalog("b").amend(world.bucket, "k", made.version_id, tagged(b="b")),
            world.catalog("c").commit(world.bucket, "k", empty("c")),
        )
        nothing_else(ends, ObjectVersion, CommitUnknown)
        standing = tags(world, made.version_id)
        for name, end in zip("ab", ends, strict=False):
            assert name in standing or not isinstance(end, ObjectVersion), world.stage.told


@pytest.mark.parametrize("versioning", [OFF, ENABLED])
def test_amended_under_a_put(versioning: Versioning) -> None:
    """A version that is pushed down keeps a change that was made; one replaced takes it along."""
    for schedule in every_schedule(MOST):
        world = World(schedule, versioning)
        first = now(world.plain.commit(world.bucket, "k", upload("0")))
        amended, put = world.play(
            world.catalog("a").amend(world.bucket, "k", None, tagged(a="a")),
            world.catalog("b").commit(world.bucket, "k", upload("1")),
        )
        nothing_else([amended, put], ObjectVersion)
        versions = {version.etag: version for version in world.versions()}
        assert versions.keys() == ({"0", "1"} if versioning is ENABLED else {"1"})
        if versioning is ENABLED:
            assert versions[amended.etag].attributes.tags == {"a": "a"}
            assert versions["0"].reference == first.reference
        elif amended.etag == "1":
            assert versions["1"].attributes.tags == {"a": "a"}
        assert len(world.collected()) == (0 if versioning is ENABLED else 1)


def test_amended_under_a_condition_of_another() -> None:
    """A change of attributes leaves the ETag, and so no `If-Match` of another fails by it."""
    for schedule in every_schedule(MOST):
        world = World(schedule)
        now(world.plain.commit(world.bucket, "k", upload("0")))
        amended, put = world.play(
            world.catalog("a").amend(world.bucket, "k", None, tagged(a="a")),
            world.catalog("b").commit(world.bucket, "k", upload("1"), if_match("0")),
        )
        nothing_else([amended, put], ObjectVersion)
        assert world.head() == (amended if amended.etag == "1" else put)


@pytest.mark.parametrize("target", [0, 1])
def test_amended_while_versions_go(target: int) -> None:
    """A version is amended where it is found, while it comes up, or is gone."""
    for schedule in many_schedules(2 * RANDOM, 401):
        world = World(schedule, ENABLED)
        made = [now(world.plain.commit(world.bucket, "k", upload(str(n)))) for n in range(2)]
        amended, gone = world.play(
            world.catalog("a").amend(world.bucket, "k", made[target].version_id, tagged(a="a")),
            world.catalog("b").delete(world.bucket, "k", made[1].version_id),
        )
        assert gone.removed.reference == made[1].reference
        (left,) = world.versions()
        assert left.etag == "0"
        if target == 0:
            assert isinstance(amended, ObjectVersion), world.stage.told
            assert left.attributes.tags == {"a": "a"}
        else:
            nothing_else([amended], ObjectVersion, NoSuchVersion)
            amended_first = isinstance(amended, ObjectVersion)
            assert (gone.removed.attributes.tags == {"a": "a"}) == amended_first
        assert world.collected() == {made[1].incarnation}


def test_a_version_that_is_amended_is_found() -> None:
    """A reader of a version by its id finds it, whoever changes its attributes."""
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        made = now(world.plain.commit(world.bucket, "k", upload("0")))
        now(world.plain.commit(world.bucket, "k", empty("1")))

        async def twice(world: World = world, made: ObjectVersion = made) -> None:
            await world.catalog("a").amend(world.bucket, "k", made.version_id, tagged(a="a"))
            await world.catalog("a").amend(world.bucket, "k", None, tagged(b="b"))

        _, found = world.play(
            twice(), world.catalog("b").version(world.bucket, "k", made.version_id)
        )
        assert isinstance(found, ObjectVersion), world.stage.told
        assert found.reference == made.reference


# -- locks ----------------------------------------------------------------------------------
@pytest.mark.parametrize("older", [False, True])
def test_locked_or_removed(older: bool) -> None:
    """A version whose lock was answered is not removed; one that was removed is not locked."""
    outcomes = set()
    for schedule in every_schedule(MOST):
        world = World(schedule, ENABLED)
        made = now(world.plain.commit(world.bucket, "k", upload()))
        if older:
            now(world.plain.commit(world.bucket, "k", empty()))
        locked, removed = world.play(
            world.catalog("a").amend(world.bucket, "k", made.version_id, lambda _: HOLD),
            world.catalog("b").delete(world.bucket, "k", made.version_id),
        )
        outcomes.add((type(locked), type(removed)))
    assert outcomes == {(ObjectVersion, ObjectLocked), (NoSuchVersion, Deleted)}


def test_locked_or_replaced() -> None:
    """A null version that was locked is not replaced, by an upload or a marker."""
    for mode in ("put", "delete"):
        outcomes = set()
        for schedule in every_schedule(MOST):
            world = World(schedule)
            now(world.plain.commit(world.bucket, "k", upload("0")))
            locked, other = world.play(
                world.catalog("a").amend(
                    world.bucket,
                    "k",
                    NULL_VERSION,
                    lambda _: Attributes(lock=Lock(LockMode.COMPLIANCE, FAR)),
                ),
                world.catalog("b").commit(world.bucket, "k", empty("1"))
                if mode == "put"
                else world.catalog("b").delete(world.bucket, "k"),
            )
            outcomes.add((type(locked), type(other)))
            if isinstance(other, ObjectLocked):
                assert world.head() == locked
        wanted = {(ObjectVersion, ObjectLocked)}
        assert wanted < outcomes
        others = {(ObjectVersion, ObjectVersion)} if mode == "put" else {(NoSuchVersion, Deleted)}
        assert outcomes == wanted | others


# -- events ---------------------------------------------------------------------------------
def notifying(world: World) -> None:
    now(world.plain.set_setting(world.bucket, "notification", NOTIFY))


def told(world: World) -> list[Event]:
    return [event for n in range(OUTBOX_SHARDS) for event in now(world.plain.events(n))]


@pytest.mark.parametrize("settle", [0.0, 10.0])
@pytest.mark.parametrize("versioning", [OFF, ENABLED])
def test_writers_of_one_key_are_told_in_order(versioning: Versioning, settle: float) -> None:
    """Each write that happened is told once, and in the order in which they happened."""
    for schedule in many_schedules(RANDOM, 402):
        world = World(schedule, versioning, settle=settle, faults=1, forgetful=True)
        notifying(world)
        ends = world.play(
            *(
                world.catalog(n).commit(world.bucket, "k", upload(n, event=PUT))
                for n in ("a", "b", "c")
            )
        )
        nothing_else(ends, ObjectVersion, CommitUnknown)
        etags = [event.document["etag"] for event in told(world)]
        assert len(set(etags)) == len(etags)
        won = {end.etag: end.seq for end in only(ObjectVersion, ends)}
        assert set(won) <= set(etags)
        if len(won) == 3:
            assert etags == sorted(won, key=lambda etag: won[etag]), world.stage.told
        head = world.head()
        assert head is None or etags[-1] == head.etag


def test_a_key_made_again_is_told_in_order() -> None:
    """A deletion is told before what comes after it, also when nothing of the key was left."""
    for schedule in many_schedules(RANDOM, 403):
        world = World(schedule)
        notifying(world)
        now(world.plain.commit(world.bucket, "k", empty("0", event=PUT)))
        _, made = world.play(
            world.catalog("a").delete(world.bucket, "k"),
            world.catalog("b").commit(world.bucket, "k", empty("1", event=PUT), ONLY_NEW),
        )
        names = [(event.document["name"], event.document["etag"]) for event in told(world)]
        expected = [(PUT, "0"), ("ObjectRemoved:Delete", "0")]
        if isinstance(made, ObjectVersion):
            expected.append((PUT, "1"))
        else:
            assert isinstance(made, PreconditionFailed)
        assert names == expected, world.stage.told


def test_amendments_are_told_in_order() -> None:
    """The last change of a version that is told is the one that stands."""
    for schedule in many_schedules(RANDOM, 404):
        world = World(schedule)
        notifying(world)
        now(world.plain.commit(world.bucket, "k", empty("0", event=PUT)))
        ends = world.play(
            world.catalog("a").amend(world.bucket, "k", None, tagged(n="a"), TAGGED),
            world.catalog("b").commit(world.bucket, "k", empty("1", event=PUT)),
        )
        nothing_else(ends, ObjectVersion)
        events = [(event.document["name"], event.document["etag"]) for event in told(world)]
        first, *rest = events
        assert first == (PUT, "0")
        amended_old = ends[0].etag == "0"
        expected = [(TAGGED, "0"), (PUT, "1")] if amended_old else [(PUT, "1"), (TAGGED, "1")]
        assert rest == expected


def test_the_outbox_has_what_the_bucket_wants() -> None:
    """Every write after the configuration is answered is told, by who checks the bucket's row."""
    for schedule in many_schedules(RANDOM, 405):
        world = World(schedule)

        async def configure_and_put(world: World = world) -> None:
            catalog = world.catalog("a")
            await catalog.set_setting(world.bucket, "notification", NOTIFY)
            await catalog.commit(world.bucket, "mine", empty("a", event=PUT))

        writing = world.catalog("b")
        now(world.plain.bucket("photos"))
        world.play(
            configure_and_put(), writing.commit(world.bucket, "other", empty("b", event=PUT))
        )
        assert "a" in {event.document["etag"] for event in told(world)}


# -- settings -------------------------------------------------------------------------------
@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_a_setting_or_the_end_of_its_bucket(settle: float) -> None:
    """A setting is written into a bucket that is there, and goes with it."""
    for schedule in many_schedules(RANDOM, 406):
        world = World(schedule, settle=settle, faults=1, forgetful=True)
        now(world.plain.set_setting(world.bucket, "cors", CORS))
        written, deleted = world.play(
            world.catalog("a").set_setting(world.bucket, "tagging", TAGS),
            world.catalog("b").delete_bucket("photos"),
        )
        nothing_else([written, deleted], type(None), NoSuchBucket, CommitUnknown)
        rows = now(Deferred.fromCoroutine(audit(world.stage.items)))
        rows.check_at_rest()
        if deleted is None:
            assert now(world.plain.buckets()) == []


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_settings_of_two(settle: float) -> None:
    """Settings that are written at once do not undo each other, nor the bucket's versioning."""
    for schedule in many_schedules(RANDOM, 407):
        world = World(schedule, settle=settle, faults=1, forgetful=True)
        ends = world.play(
            world.catalog("a").set_setting(world.bucket, "notification", NOTIFY),
            world.catalog("b").set_setting(world.bucket, "cors", CORS),
            world.catalog("c").set_versioning("photos", ENABLED),
        )
        nothing_else(ends, type(None), Bucket)
        fresh = world.settling()
        bucket = now(fresh.bucket("photos"))
        assert (bucket.versioning, bucket.notifies) == (ENABLED, True)
        assert now(fresh.settings(bucket)) == {"notification": NOTIFY, "cors": CORS}


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_locked_under_writers(settle: float) -> None:
    """Once object lock is answered as on, versioning is never suspended again."""
    for schedule in many_schedules(RANDOM, 408):
        world = World(schedule, ENABLED, settle=settle, faults=1, forgetful=True)
        locked, _ = world.play(
            world.catalog("a").enable_object_lock("photos"),
            world.catalog("b").set_versioning("photos", SUSPENDED),
        )
        bucket = now(world.settling().bucket("photos"))
        assert isinstance(locked, Bucket) == bucket.object_lock
        assert not bucket.object_lock or bucket.versioning is ENABLED


# -- users ----------------------------------------------------------------------------------
def rivals(kind: str) -> tuple[User, User]:
    if kind == "id":
        return ANN, evolve(BOB, id="ann")
    return ANN, evolve(BOB, name="Ann")


@pytest.mark.parametrize("kind", ["id", "name"])
@pytest.mark.parametrize("forgetful", [False, True])
def test_one_of_two_users(kind: str, forgetful: bool) -> None:
    """Of two users that cannot both be, one is made, however answers get lost."""
    for schedule in many_schedules(RANDOM, 409):
        world = World(schedule, faults=2, forgetful=forgetful)
        ends = world.play(
            *(world.catalog(str(n)).put_user(user) for n, user in enumerate(rivals(kind)))
        )
        nothing_else(ends, User, UserExists)
        assert len(only(User, ends)) == 1
        assert now(world.plain.users()) == only(User, ends)


def test_a_user_is_changed_or_removed() -> None:
    """A user is changed or removed as they were seen, by one of two."""
    changes: list[Callable[[World, User], Deferred[object]]] = [
        lambda world, user: world.catalog("a").put_user(evolve(user, name="Anna")),
        lambda world, user: world.catalog("b").put_user(evolve(user, keys=())),
        lambda world, user: world.catalog("c").remove_user(user),
    ]
    for schedule in many_schedules(RANDOM, 410):
        world = World(schedule)
        user = now(world.plain.put_user(ANN))
        ends = world.play(*(change(world, user) for change in changes))
        nothing_else(ends, User, type(None), Conflict)
        assert sum(not isinstance(end, Conflict) for end in ends) == 1
        assert now(world.plain.users()) == only(User, ends)
