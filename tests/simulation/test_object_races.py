"""Copies, parts and ends of uploads raced with deletions and the collector, down to the bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from godos.catalog.catalog import Catalog
from godos.deferreds import Background
from godos.model.encryption import Cipher, Encryption
from godos.model.errors import BytesNotFound, CommitUnknown, Conflict, NoSuchKey, NoSuchUpload
from godos.model.multipart import MIN_PART, MultipartUpload, Part
from godos.model.objects import (
    ChosenPart,
    CompleteRequest,
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    NewUpload,
    PutRequest,
)
from godos.model.versions import ObjectVersion
from godos.objects.collection import GRACE, Collector
from godos.objects.keys import KeyRing, Keys
from godos.objects.objects import Objects
from godos.objects.placing import Placer
from godos.objects.sources import Sources
from tests.memory_fragments import MemoryFragments
from tests.simulation.interleaving import NoJitter, Schedule, Stage, many_schedules
from tests.unit.objects.stores import AskAll, Body, Cluster, now, whole

RANDOM = 150  # schedules of one test
BIG = b"0123456789abcdef" * (MIN_PART // 16)
TEXT = b"hello, world"
KEYS = Keys(KeyRing((b"m" * 32,)))


class World:
    """One node, and servers that share the catalog's store step by step."""

    def __init__(self, schedule: Schedule, faults: int = 0) -> None:
        self.stage = Stage(schedule, faults)
        self.node = MemoryFragments("0" * 32)
        self.cluster = Cluster([self.node])
        self.plain = self.over(self.stage.items)
        now(self.catalog_over(self.stage.items).create_bucket("objects", "me"))

    def catalog_over(self, items: Any) -> Catalog:
        clock = self.stage.clock
        return Catalog(items, clock, monotonic=clock.seconds, random=NoJitter())

    def over(self, items: Any) -> Objects:
        """The use cases of a server."""
        clock, catalog = self.stage.clock, self.catalog_over(items)
        locator, background = AskAll(self.cluster), Background()
        sources = Sources(catalog, self.cluster, locator, clock, background)
        placer = Placer(self.cluster, clock, lambda: "auto")
        return Objects.over(catalog, placer, sources, KEYS, maybeDeferred, clock.seconds)

    def server(self, actor: str) -> Objects:
        """A server whose steps the schedule orders."""
        return self.over(self.stage.store(actor))

    async def collector(self, rounds: int = 2) -> None:
        """Removes what nothing refers to, with no grace at all."""
        catalog = self.catalog_over(self.stage.store("collector"))
        for _ in range(rounds):
            await Collector(
                catalog, self.cluster, AskAll(self.cluster), self.stage.clock, "c", grace=0.0
            ).round()

    def play(self, *actors: Any) -> list[Any]:
        """Race them; then let time pass, and remove all that nothing refers to."""
        ends = self.stage.play(*actors)
        catalog = self.catalog_over(self.stage.items)
        for _ in range(3):
            self.stage.clock.advance(GRACE + 3600)
            now(
                Collector(
                    catalog, self.cluster, AskAll(self.cluster), self.stage.clock, "alone"
                ).round()
            )
        return ends

    def put(self, key: str, data: bytes = TEXT, **asked: Any) -> None:
        now(self.plain.put("objects", key, Body(data), PutRequest(**asked)))

    def get(self, key: str) -> bytes | None:
        """What a client reads; None when there is nothing."""
        fresh = self.over(self.stage.items)
        try:
            return whole(now(fresh.get("objects", key, GetRequest())))
        except NoSuchKey:
            return None

    def begin(self) -> MultipartUpload:
        upload = now(self.plain.create_upload("objects", "k", NewUpload("me")))
        assert isinstance(upload, MultipartUpload)
        return upload

    def send(self, upload: MultipartUpload, number: int, data: bytes = TEXT) -> Part:
        part = now(sending(self.plain, upload, number, data))
        assert isinstance(part, Part)
        return part


def copying(objects: Objects, source: str, key: str, **asked: Any) -> Any:
    request = CopyRequest(lambda version: version.attributes, **asked)
    return objects.copy(CopySource("objects", source), "objects", key, request)


def deleting(objects: Objects, key: str) -> Any:
    return objects.delete("objects", key, DeleteRequest())


def sending(objects: Objects, upload: MultipartUpload, number: int, data: bytes) -> Deferred[Part]:
    place = "objects", upload.key, upload.id, number
    return objects.upload_part(*place, Body(data), PutRequest())


def completing(objects: Objects, upload: MultipartUpload, parts: Iterable[Part]) -> Any:
    chosen = tuple(ChosenPart(part.number, part.etag) for part in parts)
    return objects.complete_upload("objects", upload.key, upload.id, CompleteRequest(chosen))


def only(ends: Iterable[Any], *kinds: type) -> None:
    """Nothing ended in another way."""
    for end in ends:
        assert isinstance(end, kinds), repr(end)


# -- copies ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("faults", [0, 1])
def test_copied_while_the_source_is_deleted_and_collected(faults: int) -> None:
    """There is a whole copy or none; and no byte is left of what is not there."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 1):
        world = World(schedule, faults)
        world.put("a")
        copied, gone, _ = world.play(
            copying(world.server("x"), "a", "b"),
            deleting(world.server("y"), "a"),
            world.collector(),
        )
        unknown = [CommitUnknown] if faults else []
        only([copied], tuple, NoSuchKey, Conflict, BytesNotFound, *unknown)
        found = world.get("b")
        assert found in (None, TEXT)
        if isinstance(copied, tuple):
            assert found == TEXT, world.stage.told
        elif not isinstance(copied, CommitUnknown):
            assert found is None, world.stage.told
        outcomes.add((type(copied), found is not None))
        if not faults:
            assert not isinstance(gone, Exception)
            assert world.get("a") is None
            assert len(world.node.fragments) == (1 if found else 0), world.stage.told
    assert {(tuple, True), (NoSuchKey, False)} <= outcomes


def test_copied_while_the_source_is_replaced() -> None:
    """A copy is of the old bytes or of the new, and both stay as long as they are needed."""
    for schedule in many_schedules(RANDOM, 2):
        world = World(schedule)
        world.put("a", b"old")
        copied, _, _ = world.play(
            copying(world.server("x"), "a", "b"),
            world.server("y").put("objects", "a", Body(b"new"), PutRequest()),
            world.collector(),
        )
        only([copied], tuple)
        source, copy = copied
        assert copy.etag == source.etag
        assert world.get("a") == b"new"
        found = world.get("b")
        assert found in (b"old", b"new")
        assert len(world.node.fragments) == (2 if found == b"old" else 1)


def test_copied_onto_itself_by_two() -> None:
    """The object keeps its bytes, whoever was last."""
    for schedule in many_schedules(RANDOM, 3):
        world = World(schedule)
        world.put("a")
        ends = world.play(
            copying(world.server("x"), "a", "a"),
            copying(world.server("y"), "a", "a"),
            world.collector(),
        )
        only(ends[:2], tuple, Conflict)
        assert world.get("a") == TEXT
        assert len(world.node.fragments) == 1, world.stage.told


def test_a_copy_with_bytes_of_its_own() -> None:
    """It is whole, or the source was gone before it was read."""
    for schedule in many_schedules(RANDOM, 4):
        world = World(schedule)
        world.put("a", encryption=Encryption(Cipher.S3))
        copied, _, _ = world.play(
            copying(world.server("x"), "a", "b", encryption=Encryption(Cipher.S3)),
            deleting(world.server("y"), "a"),
            world.collector(),
        )
        only([copied], tuple, NoSuchKey, BytesNotFound)
        assert world.get("b") == (TEXT if isinstance(copied, tuple) else None)
        assert len(world.node.fragments) == (1 if isinstance(copied, tuple) else 0)


# -- uploads in parts -----------------------------------------------------------------------------
def test_a_part_is_copied_while_its_source_goes() -> None:
    """The part has the source's bytes, or there is none."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 5):
        world = World(schedule)
        world.put("a")
        upload = world.begin()
        place = "objects", "k", upload.id, 1
        part, _, _ = world.play(
            world.server("x").copy_part(*place, CopySource("objects", "a"), PutRequest()),
            deleting(world.server("y"), "a"),
            world.collector(),
        )
        only([part], Part, NoSuchKey, Conflict, BytesNotFound)
        outcomes.add(type(part))
        if isinstance(part, Part):
            now(completing(world.plain, upload, [part]))
            assert world.get("k") == TEXT, world.stage.told
        assert len(world.node.fragments) == (1 if isinstance(part, Part) else 0)
    assert {Part, NoSuchKey} <= outcomes


@pytest.mark.parametrize("faults", [0, 1])
def test_completed_while_a_part_is_sent_again(faults: int) -> None:
    """With the same bytes the object is made all the same, and never of collected ones."""
    for schedule in many_schedules(RANDOM, 6):
        world = World(schedule, faults)
        upload = world.begin()
        parts = [world.send(upload, 1)]
        made, again, _ = world.play(
            completing(world.server("x"), upload, parts),
            sending(world.server("y"), upload, 1, TEXT),
            world.collector(),
        )
        unknown = [CommitUnknown] if faults else []
        only([made], ObjectVersion, Conflict, *unknown)
        only([again], Part, NoSuchUpload, Conflict, *unknown)
        if isinstance(made, ObjectVersion):
            assert world.get("k") == TEXT, world.stage.told
        if not faults:
            assert len(world.node.fragments) == 1, world.stage.told


def test_completed_aborted_and_sent_to_at_once() -> None:
    """One end wins; the object is whole or absent, and nothing else is left."""
    outcomes = set()
    for schedule in many_schedules(RANDOM, 7):
        world = World(schedule)
        upload = world.begin()
        parts = [world.send(upload, 1, BIG), world.send(upload, 2)]
        made, aborted, late, _ = world.play(
            completing(world.server("x"), upload, parts),
            world.server("y").abort_upload("objects", "k", upload.id),
            sending(world.server("z"), upload, 3, b"more"),
            world.collector(),
        )
        # without grace the collector may take a list of parts before it is referred to
        only([made], ObjectVersion, NoSuchUpload, Conflict)
        only([aborted], type(None), NoSuchUpload)
        only([late], Part, NoSuchUpload, Conflict)
        assert isinstance(made, ObjectVersion) != (aborted is None), world.stage.told
        outcomes.add(type(made))
        assert world.get("k") == (BIG + TEXT if aborted is not None else None)
        assert len(world.node.fragments) == (2 if aborted is not None else 0), world.stage.told
    assert outcomes >= {ObjectVersion, NoSuchUpload}


def test_completed_by_two_and_copied() -> None:
    """A copy of an object of parts shares them, and they go with the last of both."""
    for schedule in many_schedules(RANDOM, 8):
        world = World(schedule)
        upload = world.begin()
        parts = [world.send(upload, 1)]
        ends = world.play(
            completing(world.server("x"), upload, parts),
            completing(world.server("y"), upload, parts),
            copying(world.server("z"), "k", "copy"),
            world.collector(),
        )
        only(ends[:2], ObjectVersion, Conflict)
        made = {end.reference for end in ends[:2] if isinstance(end, ObjectVersion)}
        assert len(made) <= 1
        if not made:
            continue  # the collector, which has no grace, took both lists of the parts
        only(ends[2:3], tuple, NoSuchKey)
        assert world.get("k") == TEXT
        assert world.get("copy") == (TEXT if isinstance(ends[2], tuple) else None)
        world.play(deleting(world.server("x"), "k"))
        assert world.get("copy") == (TEXT if isinstance(ends[2], tuple) else None)
        assert len(world.node.fragments) == (1 if isinstance(ends[2], tuple) else 0)
