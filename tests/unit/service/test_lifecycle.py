"""Daemons start in order, stop in reverse, and end in time."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import CannotStart
from godos.service.lifecycle import GRACE, Lifecycle, Stage, StartFailed, Step, StopTimedOut

Start = Callable[[], Deferred[None]]


def done() -> Deferred[None]:
    """At once."""
    return succeed(None)


class Steps:
    """Makes steps that write down what is done to them."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def step(self, name: str, start: Start = done, stop: Start = done) -> Step:
        """A step whose start and stop end as told."""

        def starting() -> Deferred[None]:
            self.events.append(f"start {name}")
            return start()

        def stopping() -> Deferred[None]:
            self.events.append(f"stop {name}")
            return stop()

        def hurry() -> None:
            self.events.append(f"hurry {name}")

        return Step(name, starting, stopping, hurry)


class LifecycleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.steps = Steps()

    def life(self, *steps: Step) -> Lifecycle:
        """A life of these steps."""
        return Lifecycle(steps, self.clock)

    def test_order(self) -> None:
        """Each step starts after the one before it runs, and stops before it stops."""
        first: Deferred[None] = Deferred()
        life = self.life(self.steps.step("a", lambda: first), self.steps.step("b"))
        started = life.start()
        self.assertEqual(self.steps.events, ["start a"])
        self.assertEqual(life.unready, ["starting: a"])
        first.callback(None)
        self.successResultOf(started)
        self.assertEqual(life.unready, [])
        self.successResultOf(life.stop(10))
        self.assertEqual(self.steps.events, ["start a", "start b", "stop b", "stop a"])
        self.assertEqual(life.stage, Stage.STOPPED)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_waits_for_quiet(self) -> None:
        """A step below is not stopped while one above still works."""
        quiet: Deferred[None] = Deferred()
        life = self.life(self.steps.step("a"), self.steps.step("b", stop=lambda: quiet))
        self.successResultOf(life.start())
        stopped = life.stop(10)
        self.assertEqual(life.unready, ["stopping: b"])
        self.assertNotIn("stop a", self.steps.events)
        quiet.callback(None)
        self.successResultOf(stopped)
        self.assertIn("stop a", self.steps.events)

    def test_refusal(self) -> None:
        """What a step refuses with is what the person reads; those before it are stopped."""
        life = self.life(
            self.steps.step("a"),
            self.steps.step("b", lambda: fail(CannotStart("the disk is on fire"))),
            self.steps.step("c"),
        )
        error = self.failureResultOf(life.start(), CannotStart)
        self.assertEqual(str(error.value), "the disk is on fire")
        self.assertEqual(self.steps.events, ["start a", "start b", "hurry a", "stop a"])
        self.successResultOf(life.stop(10))  # twistd calls it still; nothing is stopped twice
        self.assertEqual(self.steps.events.count("stop a"), 1)

    def test_bug(self) -> None:
        """An error that nobody foresaw names the step, and is in the log whole."""
        life = self.life(self.steps.step("opening the catalog", lambda: fail(KeyError("x"))))
        error = self.failureResultOf(life.start(), StartFailed)
        self.assertEqual(str(error.value), "failed while opening the catalog: KeyError: 'x'")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_stop_during_start(self) -> None:
        """Told to stop while a step starts, it is cancelled and those before it are stopped."""
        cancelled: list[bool] = []
        starting: Deferred[None] = Deferred(lambda _: cancelled.append(True))
        slow: Deferred[None] = Deferred()
        life = self.life(
            self.steps.step("a", stop=lambda: slow), self.steps.step("b", lambda: starting)
        )
        started = life.start()
        stopped = life.stop(10)
        self.assertEqual(cancelled, [True])
        self.assertNoResult(stopped)  # before all is quiet
        slow.callback(None)
        self.failureResultOf(started, CancelledError)
        self.successResultOf(stopped)
        self.assertEqual(self.steps.events[-1], "stop a")

    def test_step_that_finishes_although_cancelled(self) -> None:
        """A step that runs in the end, although it was cancelled, is stopped like the others."""
        starting: Deferred[None] = Deferred(lambda d: d.callback(None))
        life = self.life(self.steps.step("a", lambda: starting), self.steps.step("b"))
        started = life.start()
        self.successResultOf(life.stop(10))
        self.failureResultOf(started, CancelledError)
        self.assertEqual(self.steps.events, ["start a", "hurry a", "stop a"])

    def test_stop_before_start(self) -> None:
        """A life that ended before it began starts nothing."""
        life = self.life(self.steps.step("a"))
        self.successResultOf(life.stop(10))
        self.failureResultOf(life.start(), CancelledError)
        self.assertEqual(self.steps.events, [])

    def test_hurry(self) -> None:
        """When the patience is over, what still runs is broken off, and then all stops."""
        quiet: Deferred[None] = Deferred()
        life = self.life(self.steps.step("a"), self.steps.step("b", stop=lambda: quiet))
        self.successResultOf(life.start())
        stopped = life.stop(10)
        self.clock.advance(9.9)
        self.assertNotIn("hurry b", self.steps.events)
        self.clock.advance(0.1)
        self.assertIn("hurry b", self.steps.events)
        quiet.callback(None)
        self.successResultOf(stopped)

    def test_hurried_twice(self) -> None:
        """A second signal and the end of the patience break off once."""
        life = self.life(self.steps.step("a", stop=Deferred))
        self.successResultOf(life.start())
        life.stop(10).addErrback(lambda _: None)
        life.hurry()
        self.clock.advance(10)
        self.assertEqual(self.steps.events.count("hurry a"), 1)

    def test_give_up(self) -> None:
        """A step that hangs even then is named, and the end does not wait for it."""
        life = self.life(self.steps.step("a"), self.steps.step("serving", stop=Deferred))
        self.successResultOf(life.start())
        stopped = life.stop(10)
        self.clock.pump([10, GRACE])
        error = self.failureResultOf(stopped, StopTimedOut)
        self.assertIn("serving", str(error.value))

    def test_failing_stop(self) -> None:
        """An error while stopping is logged, and the rest is stopped all the same."""
        life = self.life(
            self.steps.step("a"), self.steps.step("b", stop=lambda: fail(OSError("gone")))
        )
        self.successResultOf(life.start())
        self.successResultOf(life.stop(10))
        self.assertEqual(self.steps.events[-1], "stop a")
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)


@given(st.integers(1, 6), st.data())
def test_whatever_fails_nothing_is_left(count: int, data: st.DataObject) -> None:
    """Whichever step refuses, exactly those before it are stopped, in reverse order."""
    failing = data.draw(st.integers(0, count - 1))
    steps = Steps()
    life = Lifecycle(
        [
            steps.step(str(n), (lambda: fail(CannotStart("no"))) if n == failing else done)
            for n in range(count)
        ],
        Clock(),
    )
    life.start().addErrback(lambda failure: failure.trap(CannotStart))
    stops = [event for event in steps.events if event.startswith("stop")]
    assert stops == [f"stop {n}" for n in reversed(range(failing))]
