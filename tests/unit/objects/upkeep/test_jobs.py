"""Long work that an operator asked for: done by one server, in any number of its lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from godos.model.errors import CatalogUnavailable, NodeUnreachable
from godos.model.members import NodeState
from godos.model.names import new_id
from godos.model.objects import DeleteRequest, PutRequest
from godos.model.upkeep import Job, JobKind, JobState
from godos.objects.collection import GRACE
from godos.objects.upkeep.asking import ask_for, cancel, is_resting
from godos.objects.upkeep.jobs import EVERY, LOOK, PATIENCE, REST, SAVED, JobRunner
from godos.objects.upkeep.mending import Mended
from godos.objects.upkeep.moving import Leaving
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Body, Store, now
from tests.unit.objects.upkeep.menders import CopyMender

A_BIT = 0.1


class World:
    """
    A store of four nodes with objects of two copies, so many that every node has some, and
    servers that work on jobs.
    """

    def __init__(self, objects: int = 40, nodes: int = 4) -> None:
        self.store = Store(nodes, "copies=2")
        self.mender = CopyMender(self.store)
        for number in range(objects):
            data = b"%d" % number * 10
            now(self.store.objects.put("objects", f"k{number}", Body(data), PutRequest()))
        self.leaving = self.store.nodes[0].node_id
        self.ended: list[Job] = []

    def runner(self, holder: str = "me", **more: Any) -> JobRunner:
        catalog, members = self.store.catalog, self.store.cluster

        def task(job: Job) -> Leaving:
            return Leaving(catalog, members, self.mender, job.node, job.successor, page=3)

        @self._deferred
        async def ended(job: Job) -> None:
            self.ended.append(job)

        tasks = {JobKind.DRAIN: task, JobKind.REPLACE: task}
        return JobRunner(catalog, self.store.clock, holder, tasks, ended, **more)

    @staticmethod
    def _deferred(function: Callable[..., Any]) -> Callable[..., Deferred[Any]]:
        return lambda *words: Deferred.fromCoroutine(function(*words))

    def drain(self, kind: JobKind = JobKind.DRAIN, successor: str = "") -> Job:
        self.store.cluster.fill(self.leaving)
        job = Job(new_id(), kind, self.leaving, successor, started=self.store.clock.seconds())
        return self.ask(job)

    def ask(self, job: Job) -> Job:
        asked: Job = now(Deferred.fromCoroutine(ask_for(self.store.catalog, job)))
        return asked

    def cancel(self, kind: JobKind) -> Job | None:
        return now(Deferred.fromCoroutine(cancel(self.store.catalog, kind, self.leaving)))

    def job(self) -> Job:
        (job,) = now(self.store.catalog.jobs())
        return job

    def failure(self, work: Deferred[Any]) -> BaseException:
        """What it failed with."""
        failures: list[Failure] = []
        work.addErrback(failures.append)
        error = failures[0].value
        assert isinstance(error, BaseException)
        return error

    def blobs(self) -> Any:
        return now(self.store.catalog.blobs()).blobs

    def naming(self) -> list[str]:
        """Blobs whose layout names the node that is to be left."""
        return [
            blob.incarnation
            for blob in self.blobs()
            if any(placed.node == self.leaving for placed in blob.layout)
        ]

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(int(seconds / step)):
            self.store.clock.advance(step)


def started(world: World, runner: JobRunner) -> JobRunner:
    runner.startService()
    world.pass_time(EVERY + A_BIT + 0.5)
    return runner


def test_a_drained_node_is_empty() -> None:
    """Every fragment is elsewhere, every layout says so, and the job is done."""
    world = World()
    on_it = len(world.naming())
    assert on_it
    world.drain()
    now(world.runner().round())
    job = world.job()
    assert job.state is JobState.DONE
    assert (job.moved, job.failed, job.trouble, job.total) == (on_it, 0, "", on_it)
    assert world.naming() == []
    assert world.store.nodes[0].fragments == {}
    assert all(not blob.below_target for blob in world.blobs())
    assert [job.id for job in world.ended] == [job.id]


def test_what_is_uploaded_while_it_is_drained_is_found() -> None:
    """A blob that was planned before, and is committed behind the pass over the disk, moves too."""
    world = World()
    late: list[bool] = []
    plain = world.mender.gate

    def gate() -> Deferred[None]:
        if not late:
            late.append(True)
            world.store.cluster.rows[world.leaving] = evolve(
                world.store.cluster.rows[world.leaving], state=NodeState.UP
            )
            for number in range(20):
                now(world.store.objects.put("objects", f"l{number}", Body(b"late"), PutRequest()))
            world.store.cluster.fill(world.leaving)
        return plain()

    world.mender.gate = gate
    world.drain()
    now(world.runner().round())
    assert world.job().state is JobState.DONE
    assert world.naming() == []


def test_a_dead_node_is_found_in_the_catalog() -> None:
    """Nothing can be asked of it: all blobs that name it are rebuilt from the other copies."""
    world = World()
    on_it = world.naming()
    world.store.cluster.suspect(world.leaving)
    world.drain(JobKind.REPLACE, world.store.nodes[3].node_id)
    now(world.runner().round())
    assert world.job().state is JobState.DONE
    assert world.job().moved == len(on_it)
    assert world.naming() == []


def test_the_successor_gets_all_that_it_can() -> None:
    """Only blobs of which it has a copy already go to other nodes."""
    world = World()
    successor = world.store.nodes[3].node_id
    had = {name.incarnation for name in world.store.nodes[3].fragments}
    moving = set(world.naming())
    world.drain(JobKind.REPLACE, successor)
    now(world.runner().round())
    assert moving - had <= {name.incarnation for name in world.store.nodes[3].fragments}


def test_without_its_successor_a_replacement_waits() -> None:
    """Nothing is scattered over other nodes; the job says why, and goes on when it is back."""
    world = World()
    successor = world.store.nodes[3].node_id
    world.store.cluster.suspect(successor)
    world.drain(JobKind.REPLACE, successor)
    runner = world.runner()
    now(runner.round())
    assert is_resting(world.job())
    assert "is not alive" in world.job().trouble
    assert world.mender.calls == []
    world.store.cluster.dead.clear()
    world.store.clock.advance(REST)
    now(runner.round())
    assert world.job().state is JobState.DONE


def test_trouble_is_told_and_tried_again() -> None:
    """A blob that cannot move keeps the job from being done, and the reason can be read."""
    world = World()
    stuck, broken = world.naming()[:2]
    world.mender.refusals[stuck] = "all other nodes are full"
    world.mender.errors[broken] = NodeUnreachable("nobody answers")
    world.drain()
    runner = world.runner()
    now(runner.round())
    job = world.job()
    assert is_resting(job)
    assert job.failed >= 2
    assert job.trouble in ("all other nodes are full", "nobody answers")
    assert sorted(world.naming()) == sorted([stuck, broken])
    calls = len(world.mender.calls)
    now(runner.round())
    assert len(world.mender.calls) == calls  # it rests
    world.mender.refusals.clear()
    world.mender.errors.clear()
    world.store.clock.advance(REST)
    now(runner.round())
    assert world.job().state is JobState.DONE
    assert world.job().failed == 0
    assert world.naming() == []


def test_a_bug_is_no_success() -> None:
    """What nobody foresaw is counted as trouble, and logged."""
    world = World()
    world.mender.errors[world.naming()[0]] = KeyError("oops")
    world.drain()
    now(world.runner().round())
    assert is_resting(world.job())
    assert "KeyError" in world.job().trouble


def test_only_a_few_at_once() -> None:
    """However many blobs there are."""
    world = World()
    waiting: list[Deferred[None]] = []

    def gate() -> Deferred[None]:
        waiting.append(Deferred())
        return waiting[-1]

    world.mender.gate = gate
    world.drain()
    done = world.runner(at_once=3).round()
    while waiting:
        waiting.pop(0).callback(None)
    now(done)
    assert world.mender.most == 3
    assert world.job().state is JobState.DONE


def test_cancelled_within_two_seconds() -> None:
    """Also in the middle of a blob; what was moved stays moved, and nothing more is."""
    world = World()
    waiting: list[Deferred[None]] = []
    cancelled: list[bool] = []

    def gate() -> Deferred[None]:
        waiting.append(Deferred(lambda _: cancelled.append(True)))
        return waiting[-1]

    world.mender.gate = gate
    world.drain()
    runner = started(world, world.runner(at_once=1))
    waiting.pop().callback(None)
    assert world.job().state is JobState.RUNNING
    calls = len(world.mender.calls)
    assert world.cancel(JobKind.DRAIN) is not None
    world.pass_time(2)
    assert cancelled == [True]
    assert world.job().state is JobState.CANCELLED
    assert len(world.mender.calls) == calls
    assert runner.working_on is None
    now(runner.stopService())
    assert world.store.clock.getDelayedCalls() == []


def test_a_cancelled_job_can_be_asked_for_again() -> None:
    """It begins anew, and what was moved needs no moving."""
    world = World()
    world.drain()
    assert world.cancel(JobKind.DRAIN) is not None
    now(world.runner().round())
    assert world.mender.calls == []
    world.store.clock.advance(1)
    world.drain()
    now(world.runner().round())
    assert world.job().state is JobState.DONE
    assert world.cancel(JobKind.DRAIN) is None


def test_asking_twice_is_one_job() -> None:
    """The second who asks watches the first's."""
    world = World()
    assert world.drain().id == world.drain().id


def test_another_server_goes_on_at_the_cursor() -> None:
    """Once the first one's lease has run out; blobs that were done are not looked at again."""
    world = World(80)
    waiting: list[Deferred[None]] = []

    def gate() -> Deferred[None]:
        waiting.append(Deferred())
        return waiting[-1]

    world.mender.gate = gate
    world.drain()
    first = started(world, world.runner("first", at_once=1))
    for _ in range(7):
        waiting.pop().callback(None)
    world.pass_time(LOOK * SAVED + 1)
    row = world.job()
    assert row.done >= 6
    assert row.cursor
    now(first.stopService())
    done = list(world.mender.calls[:6])
    world.mender.calls.clear()
    world.mender.gate = CopyMender(world.store).gate
    second = world.runner("second")
    now(second.round())
    assert world.mender.calls == []  # the lease is the first's yet
    world.store.clock.advance(PATIENCE)
    now(second.round())
    assert world.job().state is JobState.DONE
    assert not set(done) & set(world.mender.calls)
    assert world.naming() == []


def test_stopping_is_quiet() -> None:
    """A server that ends leaves the job running in the catalog, and nothing in its process."""
    world = World()
    world.mender.gate = Deferred
    world.drain()
    runner = started(world, world.runner())
    now(runner.stopService())
    assert world.job().state is JobState.RUNNING
    assert world.store.clock.getDelayedCalls() == []


def test_no_job_costs_no_lease() -> None:
    """Servers with nothing to do write nothing."""
    world = World(0)
    now(world.runner("first").round())
    world.drain()
    now(world.runner("second").round())  # at once: the first one took no lease
    assert world.job().state is JobState.DONE


def test_two_servers_at_once_do_no_harm() -> None:
    """One that was cut off from the catalog goes on when another has taken over: it gives up."""
    world = World()
    waiting: list[Deferred[None]] = []

    def gate() -> Deferred[None]:
        waiting.append(Deferred())
        return waiting[-1]

    free = world.mender.gate
    world.mender.gate = gate
    world.drain()
    first = world.runner("first", at_once=1)
    slow = first.round()  # it hangs in its first blob, and looks at nothing
    world.mender.gate = free
    second = world.runner("second")
    now(second.round())  # sees the lease for the first time
    for call in world.store.clock.getDelayedCalls():
        call.cancel()
    world.store.clock.advance(PATIENCE)
    now(second.round())
    assert world.job().state is JobState.DONE
    for each in waiting:
        each.callback(None)
    assert slow.called
    assert world.job().state is JobState.DONE
    assert world.naming() == []
    assert all(not blob.below_target for blob in world.blobs())


def test_an_outage_of_the_catalog() -> None:
    """The round ends, and the next one goes on; no blob counts as trouble for it."""
    world = World()
    unavailable = CatalogUnavailable("no answer")
    for blob in world.naming():
        world.mender.errors[blob] = unavailable
    world.drain()
    runner = world.runner()
    ended: Any = world.failure(runner.round())
    assert ended is unavailable
    assert world.job().failed == 0
    assert world.store.clock.getDelayedCalls() == []
    world.mender.errors.clear()
    now(runner.round())
    assert world.job().state is JobState.DONE


def test_what_is_being_removed_is_not_moved() -> None:
    """Nobody can read it any more, and the collector does not need its node to be there."""
    world = World()
    for number in range(40):
        now(world.store.objects.delete("objects", f"k{number}", DeleteRequest()))
    world.store.clock.advance(GRACE + 1)
    assert now(world.store.catalog.removals(GRACE))
    world.drain()
    now(world.runner().round())
    assert (world.job().state, world.job().moved) == (JobState.DONE, 0)
    assert world.mender.calls == []


def test_a_round_that_changes_nothing_is_followed_by_a_rest() -> None:
    """Whatever keeps rows as they are, servers do not spin."""
    world = World()
    world.mender.mend = lambda blob, *_: succeed(Mended(None))  # says that it is gone
    world.drain()
    runner = world.runner()
    now(runner.round())
    assert world.job().state is JobState.RUNNING
    assert not is_resting(world.job())
    before = world.job().rev
    now(runner.round())
    assert world.job().rev == before


def test_an_empty_node_is_drained_at_once() -> None:
    """A node that was never used."""
    world = World()
    fresh = MemoryFragments("e" * 32)
    world.store.cluster.stores[fresh.node_id] = fresh
    row = evolve(world.store.cluster.rows[world.leaving], id=fresh.node_id)
    world.store.cluster.rows[fresh.node_id] = row
    world.leaving = fresh.node_id
    world.drain()
    now(world.runner().round())
    assert (world.job().state, world.job().moved) == (JobState.DONE, 0)
