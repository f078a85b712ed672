"""Blobs under the policy that is wanted of them, however many versions share them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.blobs import Blob
from godos.model.objects import (
    ChosenPart,
    CompleteRequest,
    CopyRequest,
    CopySource,
    GetRequest,
    NewUpload,
    PutRequest,
)
from godos.model.upkeep import Job, JobKind, JobState
from godos.model.versions import Attributes, ObjectVersion, Versioning
from godos.objects.redundancy import Redundancy
from godos.objects.upkeep.asking import ask_for, cancel
from godos.objects.upkeep.jobs import JobRunner
from godos.objects.upkeep.kinds import job_runner
from godos.objects.upkeep.policy_changes import AGAIN, EVERY, SETTLED, PolicyChanges
from godos.objects.upkeep.wishes import Wishes
from tests.unit.objects.stores import Body, Store, now, whole
from tests.unit.objects.upkeep.menders import mender_of

LARGE = bytes(range(256)) * 1200  # 300 KiB: worth a code
REDUCED = Attributes(storage_class="REDUCED_REDUNDANCY")


class World:
    """A store whose policies change; new objects follow them at once."""

    def __init__(self, nodes: int = 6, policy: str = "copies=2", **classes: str) -> None:
        self.store = Store(nodes)
        self.policy = policy
        self.redundancy = Redundancy(classes, lambda: self.policy)
        self.objects = self.store.another(self.redundancy)
        self.runner = self.another_runner("me")

    def another_runner(self, holder: str) -> JobRunner:
        store = self.store
        return job_runner(
            store.catalog,
            store.cluster,
            mender_of(store),
            self.redundancy,
            store.clock,
            maybeDeferred,
            holder,
        )

    def put(self, key: str, data: bytes, bucket: str = "objects", **more: Any) -> ObjectVersion:
        version: ObjectVersion = now(self.objects.put(bucket, key, Body(data), PutRequest(**more)))
        return version

    def get(self, key: str, bucket: str = "objects") -> bytes:
        return whole(now(self.objects.get(bucket, key, GetRequest())))

    def bucket(self, name: str, policy: str) -> None:
        made = now(self.store.catalog.create_bucket(name, "me"))
        now(self.store.catalog.set_setting(made, "storage", {"policy": policy}))
        self.store.clock.advance(3)  # what was read of it is old

    def blob(self, version: ObjectVersion) -> Blob:
        found = now(self.store.catalog.blob(version.incarnation))
        assert isinstance(found, Blob)
        return found

    def convert(self) -> Job:
        """Convert to the end."""
        asked = Job("c" * 32, JobKind.CONVERT, started=self.store.clock.seconds())
        now(Deferred.fromCoroutine(ask_for(self.store.catalog, asked)))
        now(self.runner.round())
        return self.job()

    def job(self) -> Job:
        (job,) = now(self.store.catalog.jobs())
        return job


def test_another_policy_of_the_store() -> None:
    """Large objects are coded, small ones become as many copies as survive as much."""
    world = World()
    large, small = world.put("large", LARGE), world.put("small", b"small")
    world.policy = "ec=4+2"
    job = world.convert()
    assert (job.state, job.failed, job.done) == (JobState.DONE, 0, 2)
    assert str(world.blob(large).policy) == "ec=4+2"
    assert str(world.blob(small).policy) == "copies=3"
    assert not world.blob(large).below_target
    assert job.moved == 6 + 3
    assert (world.get("large"), world.get("small")) == (LARGE, b"small")
    assert world.store.fragments == 9


def test_back_to_less() -> None:
    """What nobody wants any more is removed from the disks."""
    world = World(policy="copies=3")
    version = world.put("k", b"data")
    world.policy = "copies=1"
    assert world.convert().state is JobState.DONE
    assert str(world.blob(version).policy) == "copies=1"
    assert world.store.fragments == 1
    assert world.get("k") == b"data"


def test_only_what_differs_is_written() -> None:
    """A second conversion moves nothing."""
    world = World()
    world.put("k", LARGE)
    world.policy = "copies=3"
    assert world.convert().moved == 3
    world.store.clock.advance(1)
    assert world.convert().moved == 0


def test_a_shared_blob_gets_the_strongest_wish() -> None:
    """A copy into a bucket that wants more makes the bytes of both stronger, not weaker."""
    world = World(policy="copies=1")
    version = world.put("k", LARGE)
    world.bucket("precious", "ec=4+2")
    request = CopyRequest(attributes=lambda source: source.attributes)
    now(world.objects.copy(CopySource("objects", "k"), "precious", "k", request))
    assert world.convert().state is JobState.DONE
    assert str(world.blob(version).policy) == "ec=4+2"
    assert world.get("k") == world.get("k", "precious") == LARGE


def test_it_becomes_weaker_only_when_all_want_less() -> None:
    """One of two versions that share a blob still wants what it has."""
    world = World(policy="copies=3")
    version = world.put("k", LARGE)
    world.bucket("precious", "copies=3")
    request = CopyRequest(attributes=lambda source: source.attributes)
    now(world.objects.copy(CopySource("objects", "k"), "precious", "k", request))
    world.policy = "copies=1"
    assert world.convert().moved == 0
    assert str(world.blob(version).policy) == "copies=3"
    assert world.convert().moved == 0
    bucket = now(world.store.catalog.bucket("precious"))
    now(world.store.catalog.set_setting(bucket, "storage", None))
    world.store.clock.advance(3)
    world.convert()
    assert str(world.blob(version).policy) == "copies=1"


def test_a_bucket_whose_policy_is_none_keeps_what_it_has() -> None:
    """Others are converted; what it shares with them does not become weaker either."""
    world = World(policy="copies=3")
    world.bucket("broken", "copies=3")
    shared, theirs = world.put("a", LARGE), world.put("b", LARGE, bucket="broken")
    other = world.put("c", LARGE[1:])
    assert shared.incarnation == theirs.incarnation
    bucket = now(world.store.catalog.bucket("broken"))
    now(world.store.catalog.set_setting(bucket, "storage", {"policy": "ec=9"}))
    world.store.clock.advance(3)
    world.policy = "copies=2"
    job = world.convert()
    assert (job.state, job.failed) == (JobState.DONE, 0)
    assert str(world.blob(theirs).policy) == "copies=3"
    assert str(world.blob(other).policy) == "copies=2"


def test_storage_classes_and_older_versions_count() -> None:
    """Each version is stored as its own class wants, also one that is not the latest."""
    world = World(REDUCED_REDUNDANCY="copies=1")
    now(world.store.catalog.set_versioning("objects", Versioning.ENABLED))
    world.store.clock.advance(3)
    older = world.put("k", b"older")
    newer = world.put("k", b"newer", attributes=REDUCED)
    world.policy = "copies=3"
    assert world.convert().state is JobState.DONE
    assert str(world.blob(older).policy) == "copies=3"
    assert str(world.blob(newer).policy) == "copies=1"


def test_parts_are_converted_too() -> None:
    """An object that was uploaded in parts is as many blobs."""
    world = World(policy="copies=1")
    upload = now(world.objects.create_upload("objects", "k", NewUpload("me")))
    body = Body(LARGE)
    part = now(world.objects.upload_part("objects", "k", upload.id, 1, body, PutRequest()))
    chosen = CompleteRequest((ChosenPart(1, part.etag),))
    now(world.objects.complete_upload("objects", "k", upload.id, chosen))
    world.policy = "ec=2+1"
    assert world.convert().state is JobState.DONE
    (blob,) = now(world.store.catalog.blobs()).blobs
    assert str(blob.policy) == "ec=2+1"
    assert world.get("k") == LARGE


def test_a_code_for_more_nodes_than_there_are() -> None:
    """Nothing changes, and the job says how many nodes are needed instead of claiming success."""
    world = World(3)
    version = world.put("k", LARGE)
    world.policy = "ec=4+2"
    job = world.convert()
    assert (job.state, job.failed) == (JobState.DONE, 1)
    assert "needs 6 nodes" in job.trouble
    assert str(world.blob(version).policy) == "copies=2"
    assert world.get("k") == LARGE


def test_auto_follows_the_nodes() -> None:
    """With a third node, what had two copies gets a third, some time after nothing changed."""
    world = World(3, policy="auto")
    third = world.store.cluster.rows.pop(world.store.nodes[2].node_id)
    version = world.put("k", b"data")
    assert str(world.blob(version).policy) == "copies=2"
    changes = policy_changes(world)
    watch(world, changes, SETTLED)
    now(world.runner.round())
    assert world.job().moved == 0
    world.store.cluster.rows[third.id] = third
    watch(world, changes, SETTLED / 2)
    assert world.job().state is JobState.DONE  # a node that comes may go again
    watch(world, changes, SETTLED)
    assert world.job().state is JobState.RUNNING
    now(world.runner.round())
    assert str(world.blob(version).policy) == "copies=3"


def test_a_conversion_that_was_cancelled_stays_so() -> None:
    """Until policies change again."""
    world = World()
    changes = policy_changes(world)
    watch(world, changes, SETTLED)
    now(world.runner.round())
    world.policy = "copies=3"
    world.put("k", b"data")
    watch(world, changes, 2 * SETTLED)
    begun = world.another_runner("me").round()
    assert world.job().state is JobState.DONE
    now(begun)
    world.policy = "copies=1"
    watch(world, changes, 2 * SETTLED)
    assert world.job().state is JobState.RUNNING
    now(Deferred.fromCoroutine(cancel(world.store.catalog, JobKind.CONVERT)))
    watch(world, changes, 3 * SETTLED)
    assert world.job().state is JobState.CANCELLED
    world.policy = "copies=2"
    watch(world, changes, 2 * SETTLED)
    assert world.job().state is JobState.RUNNING


def test_what_was_impossible_is_tried_when_it_is_possible() -> None:
    """A code that needed more nodes than there were is used once they are there."""
    world = World(3)
    away = world.store.cluster.rows.pop(world.store.nodes[2].node_id)
    version = world.put("k", LARGE)
    world.policy = "ec=2+1"
    changes = policy_changes(world)
    watch(world, changes, SETTLED)
    now(world.runner.round())
    assert (world.job().state, world.job().failed) == (JobState.DONE, 1)
    watch(world, changes, SETTLED)
    assert world.job().state is JobState.DONE
    world.store.cluster.rows[away.id] = away
    watch(world, changes, SETTLED + EVERY)
    now(world.runner.round())
    assert (world.job().state, world.job().failed) == (JobState.DONE, 0)
    assert str(world.blob(version).policy) == "ec=2+1"


def test_what_failed_is_tried_again_hours_later() -> None:
    """A node may only have been away."""
    world = World(3)
    version = world.put("k", LARGE)
    world.policy = "ec=2+1"
    away = world.store.nodes[2].node_id
    world.store.cluster.suspect(away)
    changes = policy_changes(world)
    watch(world, changes, SETTLED)
    now(world.runner.round())
    assert (world.job().state, world.job().failed) == (JobState.DONE, 1)
    assert str(world.blob(version).policy) == "copies=2"
    assert world.get("k") == LARGE
    world.store.cluster.dead.clear()
    watch(world, changes, AGAIN)
    now(world.runner.round())
    assert str(world.blob(version).policy) == "ec=2+1"


def test_another_server_goes_on_looking() -> None:
    """While it has not the lease a server asks for nothing, however long nothing changed."""
    world = World()
    first, second = policy_changes(world, "first"), policy_changes(world, "second")
    now(first.round())
    watch(world, second, SETTLED)
    assert now(world.store.catalog.jobs()) == []
    watch(world, second, SETTLED)
    assert world.job().state is JobState.RUNNING


def policy_changes(world: World, holder: str = "me") -> PolicyChanges:
    store = world.store
    return PolicyChanges(store.catalog, store.cluster, world.redundancy, store.clock, holder)


def watch(world: World, changes: PolicyChanges, seconds: float) -> None:
    """Let time pass, in which the server looks as often as it does."""
    for _ in range(int(seconds / EVERY) + 1):
        now(changes.round())
        world.store.clock.advance(EVERY)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file goes with the job."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wishes = Wishes(maybeDeferred)
    now(wishes.add([("b", "copies=2"), ("a", "auto"), ("b", "copies=2"), ("b", "ec=2+1")]))
    assert len(list(tmp_path.iterdir())) == 1
    assert now(wishes.count()) == 2
    assert now(wishes.after("", 1)) == [("a", frozenset({"auto"}))]
    assert now(wishes.after("a", 9)) == [("b", frozenset({"copies=2", "ec=2+1"}))]
    now(wishes.close())
    assert list(tmp_path.iterdir()) == []
    world = World()
    world.put("k", LARGE)
    world.convert()
    assert list(tmp_path.iterdir()) == []
