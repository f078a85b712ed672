"""Nodes are shown, emptied, replaced and forgotten from a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred

from godos.cluster.removed import refuse_removed
from godos.model.errors import CannotStart
from godos.model.members import NodeState
from godos.model.objects import GetRequest, PutRequest
from godos.model.upkeep import JobState
from godos.objects.upkeep.removal import forget
from tests.unit.cli.towns import Town
from tests.unit.objects.stores import Body, now, whole


@pytest.fixture
def town() -> Town:
    """Four nodes and objects of two copies, so many that each node and each pair has some."""
    made = Town()
    made.put()
    return made


def state(town: Town, number: int) -> NodeState:
    node = now(town.store.catalog.node(town.id(number)))
    assert node is not None
    found: NodeState = node.state
    return found


# -- list ---------------------------------------------------------------------------------
def test_list(town: Town) -> None:
    """One line a node: what it is, whether it lives, how full it is."""
    town.die(1)
    lines = town("node", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [town.id(number) for number in range(4)]
    assert "127.0.0.1:0  zone=z0  up  beats  0 bytes of 1000 bytes" in lines[0]
    assert "  up  silent  " in lines[1]


def test_list_for_machines(town: Town) -> None:
    """The same, and a job that works on it."""
    town.server = False
    town("node", "drain", town.id(2), "--detach")
    found = json.loads(town("node", "list", "--json").stdout)
    assert [node["state"] for node in found] == ["up", "up", "draining", "up"]
    assert [node["job"] for node in found] == [None, None, "drain", None]
    assert all(node["beats"] for node in found)


# -- drain --------------------------------------------------------------------------------
def test_drain(town: Town) -> None:
    """Everything is elsewhere at the end, can be read, and the next command is said."""
    leaving = town.id(0)
    assert town.on(leaving)
    result = town("node", "drain", leaving)
    assert result.exit_code == 0, result.output
    assert "is drained" in result.stdout
    assert f"godos node remove {leaving[:8]}" in result.stdout
    assert town.on(leaving) == 0
    assert town.readable()
    assert state(town, 0) is NodeState.DRAINING
    assert "drained" in town("node", "list").stdout.splitlines()[0]


def test_coded_objects() -> None:
    """Fragments of a code move as they are; of a dead node they are made anew."""
    town = Town(6, "ec=2+1")
    for number in range(20):
        body = Body(bytes([number]) * 200_000)
        now(town.store.objects.put("objects", f"k{number}", body, PutRequest()))
    assert town("node", "drain", town.id(0)).exit_code == 0
    assert town("node", "replace", town.die(1), town.id(2)).exit_code == 0
    assert town.on(town.id(0)) == town.on(town.id(1)) == 0
    town.die(3)
    for number in range(20):
        read = now(town.store.objects.get("objects", f"k{number}", GetRequest()))
        assert whole(read) == bytes([number]) * 200_000


def test_nodes_have_short_names(town: Town) -> None:
    """The address, or a beginning of the id that no other has."""
    assert town("node", "drain", "127.0.0.1:3").exit_code == 0
    refused = town("node", "drain", "0000")
    assert refused.exit_code == 1
    assert "may be any of" in refused.stderr
    assert "there is no node 'x'" in town("node", "drain", "x").stderr


def test_ctrl_c_leaves_the_work_running(town: Town) -> None:
    """It is said how to look at it again and how to end it; looking again finds the same job."""
    town.server = False

    def press() -> None:
        raise CancelledError

    town.press = press
    result = town("node", "drain", town.id(0))
    assert result.exit_code == 130
    assert "The work goes on." in result.stderr
    assert f"godos node drain {town.id(0)} --cancel" in result.stderr
    (job,) = now(town.store.catalog.jobs())
    assert job.state is JobState.RUNNING
    town.server, town.press = True, lambda: None
    assert town("node", "drain", town.id(0)).exit_code == 0
    assert [each.id for each in now(town.store.catalog.jobs())] == [job.id]


def test_detached_and_cancelled(town: Town) -> None:
    """The node takes no new data until it is undrained."""
    town.server = False
    assert town("node", "drain", town.id(0), "--detach").exit_code == 0
    assert town("node", "drain", town.id(0), "--cancel").exit_code == 0
    again = town("node", "drain", town.id(0), "--cancel")
    assert (again.exit_code, "no such work" in again.stderr) == (1, True)
    assert state(town, 0) is NodeState.DRAINING
    assert town("node", "undrain", town.id(0)).exit_code == 0
    assert state(town, 0) is NodeState.UP


def test_cancelled_by_somebody_else(town: Town) -> None:
    """Whoever watches is told, and the exit code is no success."""
    town.server = False

    def cancel() -> None:
        town.press = lambda: None
        assert town("node", "drain", town.id(0), "--cancel").exit_code == 0

    town.press = cancel
    result = town("node", "drain", town.id(0))
    assert result.exit_code == 1
    assert "was cancelled" in result.stderr


def test_no_server_works_on_it(town: Town) -> None:
    """After a while that is said, once; the job is done when a server comes."""
    town.server = False
    pauses = []

    def press() -> None:
        pauses.append(1)
        town.server = len(pauses) > 100

    town.press = press
    result = town("node", "drain", town.id(0))
    assert result.exit_code == 0
    assert result.stderr.count("No server works on it") == 1


def test_what_cannot_move_is_told(town: Town) -> None:
    """With two copies on two nodes none can be emptied: exit code 1, with the reason."""
    town = Town(2)
    town.put(3)
    result = town("node", "drain", town.id(0))
    assert result.exit_code == 1
    assert (
        "3 blobs could not be moved: copies=2 needs 2 nodes, and 1 would be left" in result.stderr
    )
    assert town.on(town.id(0)) == 3
    assert town.readable(3)


def test_a_third_of_a_store_that_keeps_as_many_copies_as_nodes() -> None:
    """With the policy auto two copies are wanted then: after a conversion the same works."""
    town = Town(3, "auto")
    town.put()
    refused = town("node", "drain", town.id(0))
    assert refused.exit_code == 1
    assert "copies=3 needs 3 nodes, and 2 would be left" in refused.stderr
    assert town("convert").exit_code == 0
    assert town("node", "drain", town.id(0)).exit_code == 0
    assert town.on(town.id(0)) == 0
    assert town.readable()
    assert town("node", "remove", town.id(0), "--yes").exit_code == 0


def test_the_last_node_cannot_be_drained() -> None:
    """There is nowhere to bring what it has."""
    town = Town(1, "copies=1")
    result = town("node", "drain", town.id(0))
    assert (result.exit_code, "no other node takes new data" in result.stderr) == (1, True)
    assert state(town, 0) is NodeState.UP


# -- replace ------------------------------------------------------------------------------
def test_a_dead_node_is_replaced(town: Town) -> None:
    """What it had is rebuilt, on the new one where possible, and the old one is forgotten."""
    dead = town.die(0)
    result = town("node", "replace", dead, town.id(3))
    assert result.exit_code == 0, result.output
    assert "replaced, and forgotten" in result.stdout
    assert now(town.store.catalog.node(dead)) is None
    assert town.on(dead) == 0
    assert town.readable()


def test_a_live_node_is_replaced(town: Town) -> None:
    """It is emptied, and stays registered until its operator removes it."""
    result = town("node", "replace", town.id(0), town.id(3))
    assert result.exit_code == 0
    assert "may be removed now" in result.stdout
    assert town.on(town.id(0)) == 0
    assert state(town, 0) is NodeState.DRAINING


def test_a_successor_that_is_none(town: Town) -> None:
    """Itself, or a node that is being emptied."""
    assert town("node", "replace", town.id(0), town.id(0)).exit_code == 1
    town.server = False
    town("node", "drain", town.id(3), "--detach")
    result = town("node", "replace", town.id(0), town.id(3))
    assert (result.exit_code, "takes no new data" in result.stderr) == (1, True)


# -- remove -------------------------------------------------------------------------------
def test_a_drained_node_is_removed(town: Town) -> None:
    """Its row is gone, and it is refused when it is started again, until it is let back."""
    leaving = town.id(0)
    town("node", "drain", leaving)
    result = town("node", "remove", leaving, "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert now(town.store.catalog.node(leaving)) is None
    refusing = Deferred.fromCoroutine(refuse_removed(town.store.catalog, leaving))
    with pytest.raises(CannotStart, match=f"godos node readmit {leaving}"):
        now(refusing)
    assert town("node", "readmit", leaving).exit_code == 0
    now(Deferred.fromCoroutine(refuse_removed(town.store.catalog, leaving)))
    assert town("node", "readmit", leaving).exit_code == 1


def test_a_node_that_lives_with_data_is_not_removed(town: Town) -> None:
    """Nor one that lives and may get some: it is drained first."""
    result = town("node", "remove", town.id(0), "--yes")
    assert result.exit_code == 1
    assert "drain it first" in result.stderr
    empty = Town()
    assert "takes new data" in empty("node", "remove", empty.id(0), "--yes").stderr
    assert now(town.store.catalog.node(town.id(0))) is not None


def test_a_dead_node_is_removed(town: Town) -> None:
    """As long as the others have enough; what is below target then is wanted to be repaired."""
    dead = town.die(0)
    had = town.on(dead)
    result = town("node", "remove", dead, "--yes")
    assert result.exit_code == 0
    assert f"{had} blobs have fewer fragments" in result.stderr
    assert f"Until then {had} of them survive no further loss." in result.stderr
    assert now(town.store.catalog.waiting_repairs()) == had


def test_asked_before(town: Town) -> None:
    """Whoever says no changes nothing."""
    dead = town.die(0)
    result = town("node", "remove", dead, stdin="n\n")
    assert result.exit_code == 1
    assert "Forget node" in result.output
    assert now(town.store.catalog.node(dead)) is not None
    assert town("node", "remove", dead, stdin="y\n").exit_code == 0
    assert now(town.store.catalog.node(dead)) is None


def test_data_is_not_lost_by_a_removal() -> None:
    """Refused, with the number and names of blobs; only who says that number may do it."""
    town = Town(3, "copies=1")
    town.put()
    dead = town.die(0)
    lost = town.on(dead)
    refused = town("node", "remove", dead, "--yes")
    assert refused.exit_code == 1
    assert f"{lost} blobs would be lost" in refused.stderr
    assert "fragments: objects/k" in refused.stderr
    assert f"--i-accept-losing-data {lost}" in refused.stderr
    wrong = town("node", "remove", dead, "--yes", "--i-accept-losing-data", str(lost - 1))
    assert wrong.exit_code == 1
    assert now(town.store.catalog.node(dead)) is not None
    right = town("node", "remove", dead, "--yes", "--i-accept-losing-data", str(lost))
    assert right.exit_code == 0
    assert f"{lost} blobs are lost" in right.stderr


def test_two_dead_nodes_are_not_removed_one_after_the_other(town: Town) -> None:
    """What only they have would be lost with either: the other may never come back."""
    both = {town.die(0), town.die(1)}
    pairs = [
        blob
        for blob in now(town.store.catalog.blobs()).blobs
        if {placed.node for placed in blob.layout} == both
    ]
    assert pairs
    for dead in (town.id(0), town.id(1)):
        refused = town("node", "remove", dead, "--yes")
        assert refused.exit_code == 1
        assert f"{len(pairs)} blobs would be lost" in refused.stderr
        assert now(town.store.catalog.node(dead)) is not None


def test_a_node_that_comes_back_while_one_is_asked_is_not_removed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have new data by then: everything is looked at again after the answer."""
    dead = town.die(0)
    monkeypatch.setattr("godos.cli.node_removal.confirmed", lambda _: town.silent.clear())
    refused = town("node", "remove", dead)
    assert (refused.exit_code, "drain it first" in refused.stderr) == (1, True)
    assert now(town.store.catalog.node(dead)) is not None


def test_what_is_committed_late_to_a_removed_node_is_repaired(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that began before its node was drained is committed while that is removed."""
    leaving = town.id(0)
    assert town("node", "drain", leaving).exit_code == 0
    (blob, *_) = now(town.store.catalog.blobs()).blobs

    async def late(*forgotten: Any) -> None:
        layout = (evolve(blob.layout[0], node=leaving), *blob.layout[1:])
        assert now(town.store.catalog.correct_layout(blob, layout)) is not None
        await forget(*forgotten)

    monkeypatch.setattr("godos.cli.node_removal.forget", late)
    assert town("node", "remove", leaving, "--yes").exit_code == 0
    (waiting,) = now(town.store.catalog.repairs())
    assert waiting.incarnation == blob.incarnation
