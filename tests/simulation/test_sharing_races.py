"""Uploads of equal content raced with deletions, conversions and the collector."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from godos.model.errors import CommitUnknown
from godos.model.multipart import Part
from godos.model.objects import PutRequest
from godos.model.versions import ObjectVersion
from godos.objects.objects import Objects
from tests.simulation.interleaving import many_schedules
from tests.simulation.test_object_races import World, deleting, only, sending
from tests.unit.objects.stores import Body

RANDOM = 150  # schedules of one test
DATA = b"0123456789abcdef" * 1024


def putting(objects: Objects, key: str) -> Deferred[Any]:
    return objects.put("objects", key, Body(DATA), PutRequest())


def test_equal_objects_at_once() -> None:
    """All are there afterwards, and what is kept is what they refer to."""
    kept = set()
    for schedule in many_schedules(RANDOM, 21):
        world = World(schedule)
        ends = world.play(
            putting(world.server("x"), "a"),
            putting(world.server("y"), "b"),
            putting(world.server("z"), "c"),
            world.collector(),
        )
        only(ends[:3], ObjectVersion)
        assert [world.get(key) for key in "abc"] == [DATA] * 3
        assert len(world.node.fragments) == len({end.incarnation for end in ends[:3]})
        kept.add(len(world.node.fragments))
    assert min(kept) < 3 <= max(kept)  # both were tried


def test_the_last_reference_goes_meanwhile() -> None:
    """What is shared was there before and is being removed: the new object has its bytes."""
    shared = set()
    for schedule in many_schedules(2 * RANDOM, 22):
        world = World(schedule)
        world.put("a", DATA)
        (old,) = {name.incarnation for name in world.node.fragments}
        put, gone, _ = world.play(
            putting(world.server("x"), "b"),
            deleting(world.server("y"), "a"),
            world.collector(3),
        )
        only([put], ObjectVersion)
        only([gone], object)
        assert world.get("a") is None
        assert world.get("b") == DATA
        assert len(world.node.fragments) == 1
        shared.add(put.incarnation == old)
    assert shared == {True, False}  # both were tried


def test_what_was_deleted_before() -> None:
    """While the collector removes the only blob of this content, somebody uploads it."""
    shared = set()
    for schedule in many_schedules(2 * RANDOM, 23):
        world = World(schedule)
        world.put("a", DATA)
        (old,) = {name.incarnation for name in world.node.fragments}
        deleting(world.plain, "a")
        put, part, _ = world.play(
            putting(world.server("x"), "b"),
            sending(world.server("y"), world.begin(), 1, DATA),
            world.collector(3),
        )
        only([put], ObjectVersion)
        only([part], Part)
        assert world.get("b") == DATA
        shared.add(put.incarnation == old)
    assert shared == {True, False}


def test_answers_that_get_lost() -> None:
    """A catalog that may have done what it did not tell: nothing that is answered is lost."""
    for schedule in many_schedules(RANDOM, 24):
        world = World(schedule, faults=2)
        world.put("a", DATA)
        ends = world.play(
            putting(world.server("x"), "b"),
            putting(world.server("y"), "c"),
            deleting(world.server("z"), "a"),
            world.collector(),
        )
        for key, end in zip("bc", ends, strict=False):
            only([end], ObjectVersion, CommitUnknown)
            if isinstance(end, ObjectVersion):
                assert world.get(key) == DATA
            else:
                assert world.get(key) in (DATA, None)


def test_it_is_absent_while_nobody_put_it() -> None:
    """Removing all that was shared leaves nothing."""
    for schedule in many_schedules(RANDOM, 25):
        world = World(schedule)
        world.put("a", DATA)
        world.put("b", DATA)
        world.play(
            deleting(world.server("x"), "a"),
            deleting(world.server("y"), "b"),
            world.collector(),
        )
        assert not world.node.fragments
        assert world.get("a") is None
