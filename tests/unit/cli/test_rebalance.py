"""Existing data on new nodes and under new policies, from a terminal."""

from __future__ import annotations

from typing import Any

from tests.unit.cli.towns import Town
from tests.unit.objects.stores import now


def grown(objects: int = 80) -> Town:
    """A store of three nodes with data, to which a fourth just came."""
    town = Town(4)
    fresh = now(town.store.catalog.node(town.id(3)))
    now(town.store.catalog.remove_node(fresh))
    del town.store.cluster.rows[fresh.id]
    town.put(objects)
    now(town.store.catalog.claim_node(fresh))
    return town


def blobs(town: Town) -> Any:
    return now(town.store.catalog.blobs()).blobs


def test_a_new_node_gets_its_share() -> None:
    """Some of everything moves to it and nothing else does; all can be read, nothing is below."""
    town = grown()
    said = town("rebalance", "--dry-run").stdout
    assert town.on(town.id(3)) == 0
    result = town("rebalance")
    assert result.exit_code == 0, result.output
    share = town.on(town.id(3))
    assert 20 <= share <= 60
    assert said.startswith(f"{share} fragments, ")
    assert f"{share} fragments, " in result.stdout
    assert town.readable(80)
    assert not any(blob.below_target for blob in blobs(town))
    assert town.store.fragments == 160
    assert town("rebalance", "--dry-run").stdout.startswith("0 fragments")


def test_balanced_already() -> None:
    """Nothing moves."""
    town = Town()
    town.put()
    assert "0 fragments, 0 bytes, were moved" in town("rebalance").stdout


def test_dead_nodes_are_left_to_repair() -> None:
    """Rebalancing moves what is on live nodes only."""
    town = grown()
    dead = town.die(0)
    on_it = town.on(dead)
    assert town("rebalance").exit_code == 0
    assert town.on(dead) == on_it


def test_cancel_what_does_not_run() -> None:
    """Said in a line."""
    for command in ("rebalance", "convert"):
        result = Town()(command, "--cancel")
        assert (result.exit_code, "no such work" in result.stderr) == (1, True)


def test_convert() -> None:
    """What is stored with another policy than is wanted now is stored anew."""
    town = Town(4, "copies=1")
    town.put()
    wanting = Town(4, "copies=3")
    wanting.store = town.store
    wanting.runner = wanting.runner_of("copies=3")
    result = wanting("convert")
    assert result.exit_code == 0, result.output
    assert "80 blobs have the policy that is wanted of them: 240 fragments" in result.stdout
    assert {str(blob.policy) for blob in blobs(town)} == {"copies=3"}
    assert wanting.readable()
