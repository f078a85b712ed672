"""Locate in bad weather: whatever is lost, doubled or late, nobody is told a falsehood."""

from __future__ import annotations

import pytest

from godos.protocol.locate import GIVE_UP
from tests.simulation.locate_world import Asked, Weather, World

BAD = Weather(duplicated=0.2, delayed=0.3, swallowed=0.15, refused=0.1, hanging=0.05)
QUIET = 40.0  # seconds after which nothing may be left in a queue
MODES = ["shared", "own", "direct"]


def live_through(world: World, with_deaths: bool) -> None:
    """A minute of questions, with a node that joins, and perhaps servers that die."""
    names = [f"{n:032x}" for n in range(120)]
    nodes = sorted(world.held)
    for name in names[:80]:
        world.place(name, *world.dice.sample(nodes, world.dice.randint(1, 3)))
    for n in range(100):
        world.clock.callLater(
            world.dice.uniform(0, 30),
            world.ask,
            world.dice.randrange(3),
            tuple(world.dice.sample(names, world.dice.choice([1, 1, 1, 5]))),
        )
        if n % 10 == 0:
            world.clock.callLater(world.dice.uniform(0, 30), world.poison)
    world.clock.callLater(12.0, join, world, names[80:90])
    if with_deaths:
        world.clock.callLater(10.0, world.kill_server, "d2:1")
        world.clock.callLater(20.0, world.kill_api, 1)
    world.run(30.0 + GIVE_UP + QUIET)


def join(world: World, names: list[str]) -> None:
    """A disk full of fragments that nobody else has is put into a new server."""
    world.held["late"] = dict.fromkeys(names, (0,))
    world.add_server("late:1", ["late"])


def check(world: World, asked: Asked) -> None:
    """The promises of `ILocator`."""
    assert 0 <= asked.took <= GIVE_UP + 0.01, "answered in time"
    assert set(asked.answer) == set(asked.names)
    for name, located in asked.answer.items():
        truth = world.holders(name, frozenset(world.held))
        said = {(holder.node, holder.address) for holder in located.holders}
        assert said <= truth, "whoever is named holds the blob, at that address"
        if located.complete:
            assert said >= world.holders(name, asked.registered), "a complete answer is complete"
        assert located.complete == (not located.silent), "who is missing is named"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(12))
def test_no_falsehood_in_bad_weather(mode: str, seed: int) -> None:
    """
    Duplicates, disorder, lost polls, broken calls, poison, a server and an API server that
    die: no false "no", no wrong address, no answer later than the time-out, and in the
    end the queues are empty but for what only the dead would have taken.
    """
    world = World(mode, seed, BAD)
    live_through(world, with_deaths=True)
    for asked in world.asked:
        check(world, asked)
    dead = {"n2", "a1"}
    left = {name: queue.bodies for name, queue in world.queues.items() if name not in dead}
    assert not any(left.values()), left
    world.stop()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_most_is_found_in_bad_weather(mode: str, seed: int) -> None:
    """While all servers live, repeated questions make up for what gets lost."""
    world = World(mode, seed, BAD)
    live_through(world, with_deaths=False)
    answers = [(name, found) for a in world.asked for name, found in a.answer.items()]
    held = [found for name, found in answers if world.holders(name, frozenset({"n1", "n2"}))]
    assert len(held) > 30
    assert sum(1 for found in held if found.holders) >= 0.9 * len(held)
    world.stop()


@pytest.mark.parametrize("mode", MODES)
def test_all_is_known_in_good_weather(mode: str) -> None:
    """Every blob is found, every "no" is complete, and quickly so."""
    world = World(mode, 7, Weather())
    world.place("a" * 32, "n3")
    world.run(2.0)
    for api in range(3):
        world.ask(api, ("a" * 32, "b" * 32))
    world.run(10.0)
    for asked in world.asked:
        check(world, asked)
        assert asked.took < 0.3
        assert [h.node for h in asked.answer["a" * 32].holders] == ["n3"]
        assert asked.answer["b" * 32].complete
    assert not any(queue.bodies for queue in world.queues.values())
    world.stop()
