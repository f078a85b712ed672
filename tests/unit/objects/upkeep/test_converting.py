"""Storing a blob under another policy."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from godos.model.blobs import Blob, Placed
from godos.model.names import FragmentName
from godos.model.objects import GetRequest
from godos.model.policy import Policy
from godos.objects.upkeep.mending import Mended
from tests.unit.objects.stores import now, whole
from tests.unit.objects.upkeep.test_mending import Steps
from tests.unit.objects.upkeep.wards import LARGE, SMALL, Ward, content

WAYS = (
    ("copies=2", "copies=3"),
    ("copies=3", "copies=1"),
    ("copies=2", "ec=4+2"),
    ("ec=4+2", "copies=2"),
    ("ec=4+2", "ec=2+1"),
    ("ec=2+1", "ec=4+2"),
)


def convert(ward: Ward, blob: Blob, policy: str) -> Mended:
    mended: Mended = now(ward.mender.convert(blob, Policy.parse(policy)))
    return mended


@pytest.mark.parametrize(("before", "after"), WAYS)
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_blob_is_converted(before: str, after: str, size: int) -> None:
    """All its fragments are new and verified, none of the old is left, the bytes are the same."""
    ward = Ward(7, before)
    blob = ward.put(size)
    mended = convert(ward, blob, after)
    assert mended.trouble == ""
    assert mended.blob == ward.blob_of()
    assert str(mended.blob.policy) == after
    assert mended.blob.generation != blob.generation
    assert mended.fragments == mended.blob.policy.width == ward.fragments
    ward.check_at_target(mended.blob)
    assert ward.read() == content(size)


def test_generations_go_round() -> None:
    """However often a blob is converted, its fragments' names stay within three digits."""
    ward = Ward(4, "copies=2")
    blob = ward.put(SMALL)
    for number in range(1, 13):
        before = blob
        blob = convert(ward, blob, ("copies=3", "ec=2+1", "copies=2")[number % 3]).blob
        assert blob.generation != before.generation
        assert max(placed.index for placed in blob.layout) < 1000
        ward.check_at_target(blob)
    assert ward.read() == content(SMALL)


def test_small_blobs_are_copies_under_a_code() -> None:
    """As many as survive the same losses."""
    ward = Ward(6, "copies=2")
    blob = ward.put(1000)
    mended = convert(ward, blob, "ec=4+2")
    assert str(mended.blob.policy) == "copies=3"
    ward.check_at_target(mended.blob)


def test_what_has_the_policy_stays_as_it_is() -> None:
    """Nothing is read or written."""
    ward = Ward(3, "copies=2")
    blob = ward.put()
    assert convert(ward, blob, "copies=2") == Mended(blob)


def test_without_enough_nodes_nothing_is_written() -> None:
    """It stays as it is, and says why."""
    ward = Ward(5, "copies=2")
    blob = ward.put()
    mended = convert(ward, blob, "ec=4+2")
    assert mended == Mended(blob, trouble="ec=4+2 needs 6 nodes that take new data")
    assert ward.fragments == 2


def test_where_a_node_fails_and_no_other_is_there_all_is_as_it_was() -> None:
    """What was written until then goes again."""
    ward = Ward(6, "copies=2")
    blob = ward.put()
    full = next(node for node in ward.nodes if not node.fragments)
    full.room = 0
    mended = convert(ward, blob, "ec=4+2")
    assert mended.blob == blob
    assert "no room" in mended.trouble
    assert ward.fragments == 2
    assert not ward.staged
    assert ward.read() == content(LARGE)


def test_a_blob_that_cannot_be_read_is_not_converted() -> None:
    """Nothing of it is removed either."""
    ward = Ward(6, "copies=2")
    blob = ward.put()
    for placed in blob.layout:
        ward.damage(blob, placed)
    mended = convert(ward, blob, "ec=4+2")
    assert mended.blob == blob
    assert mended.trouble
    assert ward.fragments == 2
    assert not ward.staged


def test_a_damaged_blob_is_whole_after_it_was_converted() -> None:
    """It is read from what is good."""
    ward = Ward(8, "ec=4+2")
    blob = ward.put()
    ward.damage(blob, blob.layout[0])
    ward.lose(blob, blob.layout[5])
    mended = convert(ward, blob, "copies=3")
    ward.check_at_target(mended.blob)
    assert ward.fragments == 3


def test_a_reader_in_flight_goes_on() -> None:
    """It began with the old fragments, and ends with the new ones."""
    ward = Ward(7, "copies=2")
    size = 5 << 20
    blob = ward.put(size)
    read = now(ward.objects.get("objects", "k", GetRequest()))
    first = now(read.read())
    convert(ward, blob, "ec=4+2")
    assert first + whole(read) == content(size)


def test_a_row_that_others_change_meanwhile_is_read_again() -> None:
    """What was written is found, and not written twice."""
    ward = Ward(7, "copies=2")
    blob = ward.put()
    real, times = ward.catalog.converted, []

    def overtaken(
        standing: Blob, policy: Policy, layout: tuple[Placed, ...]
    ) -> Deferred[Blob | None]:
        if not times:
            now(ward.catalog.correct_layout(standing, tuple(reversed(standing.layout))))
        times.append(1)
        return real(standing, policy, layout)

    ward.catalog.converted = overtaken
    mended = convert(ward, blob, "ec=4+2")
    assert (len(times), mended.fragments) == (2, 6)
    ward.check_at_target(mended.blob)
    assert ward.fragments == 6


def test_whoever_is_always_overtaken_leaves_no_second_set() -> None:
    """For long: it is found by the next one, or by the census."""
    ward = Ward(7, "copies=2")
    blob = ward.put()
    ward.catalog.converted = lambda blob, policy, layout: succeed(None)
    assert convert(ward, blob, "ec=4+2").trouble == "others keep changing the blob's row"
    del ward.catalog.converted
    mended = convert(ward, blob, "ec=4+2")
    assert mended.trouble == ""
    ward.check_at_target(mended.blob)
    assert ward.fragments == 6


def test_a_blob_that_is_deleted_meanwhile_leaves_nothing_behind() -> None:
    """What was written for it goes again."""
    ward = Ward(7, "copies=2")
    blob = ward.put()
    real = ward.catalog.converted

    def deleted_first(
        standing: Blob, policy: Policy, layout: tuple[Placed, ...]
    ) -> Deferred[Blob | None]:
        ward.delete()
        ward.clock.advance(1e6)
        now(ward.catalog.removals(0.0))
        return real(standing, policy, layout)

    ward.catalog.converted = deleted_first
    assert convert(ward, blob, "ec=4+2").blob is None
    assert ward.fragments == 2


def test_two_that_convert_at_once_to_different_policies_lose_nothing() -> None:
    """What was there before counts again when the new fragments are not what they should be."""
    ward = Ward(7, "copies=2")
    blob = ward.put()
    real = ward.catalog.converted

    def written_over(
        standing: Blob, policy: Policy, layout: tuple[Placed, ...]
    ) -> Deferred[Blob | None]:
        ward.catalog.converted = real
        done = real(standing, policy, layout)
        name = FragmentName(standing.incarnation, layout[0].index)
        for node in ward.nodes:
            if name in node.fragments:
                ward.lose(standing, layout[0])
        return done

    ward.catalog.converted = written_over
    assert convert(ward, blob, "ec=4+2").trouble
    standing = ward.blob_of()
    assert (standing.policy, standing.layout) == (blob.policy, blob.layout)
    assert ward.read() == content(LARGE)
    (work,) = now(ward.catalog.repairs())
    assert work.incarnation == blob.incarnation


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_wherever_it_is_cancelled_the_bytes_can_be_read(size: int) -> None:
    """Nothing stays staged, and the next one ends it without leaving anything beside."""
    stops, done = 0, False
    while not done:
        ward = Ward(4, "copies=2")
        blob = ward.put(size)
        real = {node: dict(vars(node)) for node in ward.nodes}
        steps = Steps(ward)
        work = ward.mender.convert(blob, Policy.parse("ec=2+1"))
        done = not all(steps.step() for _ in range(stops))
        work.addErrback(lambda _: None)
        work.cancel()
        while steps.step():
            pass
        for node in ward.nodes:
            vars(node).clear()
            vars(node).update(real[node])
        assert not ward.staged, stops
        assert ward.read() == content(size)
        mended = convert(ward, ward.blob_of(), "ec=2+1")
        assert mended.trouble == ""
        ward.check_at_target(mended.blob)
        stops += 1
    assert stops > 8
