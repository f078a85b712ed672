"""Self-repair: what waits for it is mended, the most endangered first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs, formatEvent

from godos.model.blobs import Blob
from godos.model.errors import CatalogUnavailable
from godos.model.policy import Policy
from godos.objects.redundancy import instead
from godos.objects.upkeep import repair
from godos.objects.upkeep.mending import Mended
from godos.objects.upkeep.repair import EVERY, FIRST_REST, LEASED, LOOKED_UP, Repairer
from tests.unit.objects.stores import now
from tests.unit.objects.upkeep.wards import REPAIR_AFTER, SMALL, Ward


def repairer(ward: Ward, holder: str = "me", **more: Any) -> Repairer:
    return Repairer(ward.catalog, ward.cluster, ward.mender, ward.clock, holder, **more)


def want(ward: Ward, blob: Blob, reason: str = "damaged") -> None:
    now(ward.catalog.want_repair(blob.incarnation, reason))


def waiting(ward: Ward) -> Sequence[str]:
    return sorted(work.incarnation for work in now(ward.catalog.repairs()))


class Watched:
    """A mender that remembers what it is asked, and answers when a test says so."""

    def __init__(self) -> None:
        self.repair_after = REPAIR_AFTER
        self.asked: list[Blob] = []
        self.open: list[Deferred[Mended]] = []
        self.trouble = ""
        self.hold = False

    def mend(self, blob: Blob) -> Deferred[Mended]:
        self.asked.append(blob)
        if self.hold:
            self.open.append(Deferred())
            return self.open[-1]
        missing = (0,) if self.trouble else ()
        return succeed(Mended(blob, missing=missing, trouble=self.trouble))


def watched(ward: Ward, **more: Any) -> tuple[Repairer, Watched]:
    mender = Watched()
    ward.mender = mender  # type: ignore[assignment]
    return repairer(ward, **more), mender


def test_what_waits_is_mended_and_its_row_goes() -> None:
    """After every fragment was read back."""
    ward = Ward(8, "ec=4+2")
    blobs = [ward.put(SMALL, f"k{n}", n) for n in range(5)]
    for blob in blobs:
        ward.damage(blob, blob.layout[0])
        want(ward, blob)
    work = repairer(ward)
    now(work.round())
    assert waiting(ward) == []
    for n in range(5):
        ward.check_at_target(ward.blob_of(f"k{n}"))
    progress = work.progress
    assert (progress.waiting, progress.mended, progress.failed) == (0, 5, 0)
    assert progress.bytes == sum(50_000 for _ in blobs)
    assert progress.current == ()


def test_a_write_that_was_below_target_is_completed_by_itself() -> None:
    """Its repair row came with its commit."""
    ward = Ward(6, "ec=4+2")
    away = ward.nodes[0].node_id
    ward.nodes[0].broken = OSError("away")
    ward.put(SMALL)
    blob = ward.blob_of()
    assert len(blob.layout) == 5
    now(repairer(ward).round())
    assert len(ward.blob_of().layout) == 5
    ward.nodes[0].broken = None
    work = repairer(ward)
    now(work.round())
    assert waiting(ward) == []
    assert away in {placed.node for placed in ward.blob_of().layout}
    ward.check_at_target(ward.blob_of())


def test_the_most_endangered_come_first() -> None:
    """Those that can lose the fewest further fragments; of equals the longest waiting."""
    ward = Ward(9, "ec=4+2")
    blobs = {}
    for number, missing in enumerate((0, 2, 1, 2)):
        blob = ward.put(SMALL, f"k{number}", number)
        for placed in blob.layout[:missing]:
            ward.lose(blob, placed)
        layout = blob.layout[missing:]
        blobs[number] = now(ward.catalog.correct_layout(blob, layout)) if missing else blob
        ward.clock.advance(1)
        want(ward, blob)
    work, mender = watched(ward, at_once=1)
    now(work.round())
    order = [blob.incarnation for blob in mender.asked]
    assert order == [blobs[number].incarnation for number in (1, 3, 2, 0)]


def test_a_few_at_once() -> None:
    """As many as it was told."""
    ward = Ward(3, "copies=2")
    for number in range(5):
        want(ward, ward.put(10, f"k{number}", number))
    work, mender = watched(ward, at_once=3)
    mender.hold = True
    done = work.round()
    assert len(mender.asked) == 3
    assert len(work.progress.current) == 3
    while mender.open:
        opened = mender.open.pop(0)
        opened.callback(Mended(mender.asked[len(mender.asked) - len(mender.open) - 1]))
    now(done)
    assert waiting(ward) == []


def test_what_cannot_be_mended_rests() -> None:
    """It does not keep the servers busy; it is tried again later, and later still."""
    ward = Ward(3, "copies=2")
    want(ward, ward.put(10))
    work, mender = watched(ward)
    mender.trouble = "no node"
    now(work.round())
    now(work.round())
    assert len(mender.asked) == 1
    assert (work.progress.failed, work.progress.trouble) == (1, "no node")
    ward.clock.advance(FIRST_REST)
    now(work.round())
    assert len(mender.asked) == 2
    ward.clock.advance(FIRST_REST)
    now(work.round())
    assert len(mender.asked) == 2
    ward.clock.advance(FIRST_REST)
    now(work.round())
    assert len(mender.asked) == 3
    assert len(waiting(ward)) == 1


def test_a_rest_ends_with_a_new_reason_or_a_new_node_or_a_call() -> None:
    """Whatever may have changed is tried out at once."""
    ward = Ward(3, "copies=2")
    blob = ward.put(10)
    want(ward, blob)
    work, mender = watched(ward)
    mender.trouble = "no node"
    now(work.round())
    want(ward, blob, "another")
    now(work.round())
    assert len(mender.asked) == 2
    ward.add_node()
    now(work.round())
    assert len(mender.asked) == 3
    work.wake()
    now(work.round())
    assert len(mender.asked) == 4


def test_a_call_does_not_wait_for_the_next_turn() -> None:
    """A repairer that runs looks at once."""
    ward = Ward(3, "copies=2")
    work, mender = watched(ward)
    work.startService()
    want(ward, ward.put(10))
    assert not mender.asked
    work.wake()
    assert len(mender.asked) == 1
    want(ward, ward.put(11, "other"))
    ward.clock.advance(EVERY)
    assert len(mender.asked) == 2
    now(work.stopService())
    assert not ward.clock.getDelayedCalls()


def test_blobs_that_only_wait_for_a_node_are_not_read_for_nothing() -> None:
    """Until it counts as gone, or is back."""
    ward = Ward(6, "copies=2")
    blob = ward.put(10)
    node = blob.layout[0].node
    want(ward, blob, f"census: node {node} is silent")
    ward.cluster.quiet[node] = 10.0
    work, mender = watched(ward)
    now(work.round())
    ward.clock.advance(REPAIR_AFTER - 11)
    now(work.round())
    assert not mender.asked
    ward.clock.advance(1)
    ward.cluster.quiet[node] = REPAIR_AFTER
    now(work.round())
    assert len(mender.asked) == 1
    want(ward, blob, f"census: node {node} is silent")
    del ward.cluster.quiet[node]
    now(work.round())
    assert len(mender.asked) == 2


def test_blobs_that_wait_for_a_node_and_have_other_harm_are_not_put_off() -> None:
    """What can be mended is."""
    ward = Ward(6, "copies=3")
    blob = ward.put(10)
    node = blob.layout[0].node
    ward.cluster.quiet[node] = 10.0
    want(ward, blob, f"census: no 1 on node {blob.layout[1].node}; node {node} is silent")
    work, mender = watched(ward)
    now(work.round())
    assert len(mender.asked) == 1


def test_a_reason_that_comes_during_the_work_is_not_forgotten() -> None:
    """The row stays for it, and the blob is looked at once more."""
    ward = Ward(3, "copies=2")
    blob = ward.put(10)
    want(ward, blob)
    work, mender = watched(ward)
    mender.hold = True
    done = work.round()
    want(ward, blob, "damaged again")
    mender.open.pop().callback(Mended(blob))
    assert len(mender.asked) == 2
    mender.open.pop().callback(Mended(blob))
    now(done)
    assert waiting(ward) == []
    assert work.progress.mended == 1


def test_one_server_at_a_time() -> None:
    """Another takes over when the first is gone."""
    ward = Ward(3, "copies=2")
    want(ward, ward.put(10))
    first, mender = watched(ward, holder="first")
    mender.trouble = "no node"
    now(first.round())
    second = repairer(ward, "second")
    now(second.round())
    assert len(mender.asked) == 1
    ward.clock.advance(LEASED + 1)
    now(second.round())
    assert len(mender.asked) == 2


def test_blobs_that_are_gone_leave_no_work() -> None:
    """Nobody refers to them any more."""
    ward = Ward(3, "copies=2")
    blob = ward.put(10)
    want(ward, blob)
    ward.delete()
    ward.clock.advance(1e6)
    (removal,) = now(ward.catalog.removals(0.0))
    work = repairer(ward)
    now(work.round())
    assert work.progress.failed == 0
    now(ward.catalog.removed(removal))
    now(work.round())
    assert waiting(ward) == []


def test_an_error_of_one_blob_does_not_keep_the_others_waiting() -> None:
    """It rests, also when the error is a bug."""
    ward = Ward(3, "copies=2")
    for number in range(3):
        want(ward, ward.put(10, f"k{number}", number))
    work, mender = watched(ward, at_once=1)
    real = mender.mend
    errors = [CatalogUnavailable("?"), ValueError("a bug")]
    mender.mend = lambda blob: fail(errors.pop()) if errors else real(blob)  # type: ignore[method-assign]
    now(work.round())
    assert len(waiting(ward)) == 2
    assert (work.progress.mended, work.progress.failed) == (1, 2)
    work.wake()
    now(work.round())
    assert waiting(ward) == []


def test_copies_that_stand_in_for_a_code_are_converted_when_nodes_are_back() -> None:
    """And mended as copies until then."""
    ward = Ward(6, "copies=3")
    blob = ward.put(SMALL)
    want(ward, blob, instead(blob.policy, Policy.parse("ec=4+2")))
    away = [node.node_id for node in ward.nodes if not node.fragments][:2]
    ward.lose(blob, blob.layout[0])
    for node in away:
        ward.cluster.quiet[node] = 1.0
    work = repairer(ward)
    now(work.round())
    assert str(ward.blob_of().policy) == "copies=3"
    ward.check_at_target(ward.blob_of())
    assert len(waiting(ward)) == 1
    ward.cluster.quiet.clear()
    now(work.round())
    assert str(ward.blob_of().policy) == "ec=4+2"
    ward.check_at_target(ward.blob_of())
    assert waiting(ward) == []


def test_stopping_leaves_the_rows() -> None:
    """What was under way is tried again by whoever comes next."""
    ward = Ward(3, "copies=2")
    want(ward, ward.put(10))
    work, mender = watched(ward)
    mender.hold = True
    work.startService()
    ward.clock.advance(EVERY)
    assert work.progress.current
    now(work.stopService())
    assert work.progress.current == ()
    assert len(waiting(ward)) == 1
    assert not ward.clock.getDelayedCalls()


def test_blobs_that_are_being_removed_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for a node that is gone, and however bad it sounds what they lack."""
    monkeypatch.setattr(repair, "CHOSEN", LOOKED_UP)
    ward = Ward(3, "copies=2")
    going = [ward.put(10, f"k{number}", number) for number in range(2 * LOOKED_UP)]
    for number, blob in enumerate(going):
        want(ward, blob, "census: no 0 on node a; no 1 on node b")
        ward.delete(f"k{number}")
    assert len(now(ward.catalog.removals(0.0, 1000))) == len(going)
    ward.clock.advance(1)
    hurt = ward.put(10, "hurt", 99)
    ward.lose(hurt, hurt.layout[0])
    want(ward, hurt)
    now(repairer(ward).round())
    ward.check_at_target(ward.blob_of("hurt"))
    assert hurt.incarnation not in waiting(ward)


def test_many_that_cannot_be_mended_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log does not grow with the number of blobs."""
    ward = Ward(3, "copies=2")
    for number in range(5):
        want(ward, ward.put(10, f"k{number}", number))
    work, mender = watched(ward)
    mender.trouble = "no node"
    with capturedLogs() as logs:
        now(work.round())
    said = [formatEvent(event) for event in logs if event["log_namespace"].endswith("Repairer")]
    assert [line for line in said if "5 blobs are below target still" in line] == said
    assert len(said) == 1
