"""An operator at a terminal, beside a store in memory whose servers go on working meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from attrs import evolve
from click.testing import CliRunner, Result
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed

from godos.cli import main
from godos.model.errors import GodosError
from godos.model.objects import GetRequest, PutRequest
from godos.objects.redundancy import Redundancy
from godos.objects.upkeep.jobs import JobRunner
from godos.objects.upkeep.kinds import job_runner
from tests.unit.objects.stores import Body, Store, now, whole
from tests.unit.objects.upkeep.menders import mender_of

MANY = 80  # objects: every node, and every pair of four, gets some


class Town:
    """
    A store whose nodes are registered and beat, and a server that works on jobs.

    `silent` are nodes that do not beat; `server` tells whether the server runs; `press` is
    called at each pause of a command.
    """

    def __init__(self, nodes: int = 4, policy: str = "copies=2") -> None:
        self.store = Store(nodes, policy)
        self.silent: set[str] = set()
        self.server = True
        self.press: Callable[[], None] = lambda: None
        for row in list(self.store.cluster.rows.values()):
            now(self.store.catalog.claim_node(row))
        self._look()
        self.runner = self.runner_of(policy)

    def runner_of(self, policy: str) -> JobRunner:
        """What works on jobs in a server with this `--policy`."""
        store, wanted = self.store, Redundancy({}, lambda: policy)
        mender = mender_of(store)
        return job_runner(
            store.catalog, store.cluster, mender, wanted, store.clock, maybeDeferred, "me"
        )

    # -- the store --------------------------------------------------------------------------
    def put(self, number: int = MANY) -> None:
        """Store some objects."""
        for each in range(number):
            now(self.store.objects.put("objects", f"k{each}", Body(b"%d" % each), PutRequest()))

    def readable(self, number: int = MANY) -> bool:
        """Whether all of them can be read."""
        return all(self._get(f"k{each}") == b"%d" % each for each in range(number))

    def _get(self, key: str) -> bytes:
        return whole(now(self.store.objects.get("objects", key, GetRequest())))

    def id(self, number: int) -> str:
        return self.store.nodes[number].node_id

    def die(self, number: int) -> str:
        """A node beats no more, and answers nothing; answers its id."""
        dead = self.id(number)
        self.silent.add(dead)
        self.store.cluster.suspect(dead)
        return dead

    def on(self, node: str) -> int:
        """How many layouts name a node."""
        blobs = now(self.store.catalog.blobs()).blobs
        return sum(any(placed.node == node for placed in blob.layout) for blob in blobs)

    def _look(self) -> None:
        """The server reads the nodes' rows."""
        self.store.cluster.rows = {node.id: node for node in now(self.store.catalog.nodes())}

    # -- the terminal -----------------------------------------------------------------------
    def __call__(self, *words: str, stdin: str | None = None) -> Result:
        """`godos …`; nothing may escape but its exit code."""
        result = CliRunner().invoke(main, words, input=stdin, obj=Session(self))
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    def live(self, seconds: float) -> None:
        """Time passes for everybody."""
        self.press()
        for node in now(self.store.catalog.nodes()):
            if node.id not in self.silent:
                now(self.store.catalog.update_node(evolve(node, beat=node.beat + 1)))
        self._look()
        if self.server:
            now(self.runner.round())
        self.store.clock.advance(seconds)


class Session:
    """What a command is given instead of a catalog that it opens, and of a reactor."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.seconds = town.store.clock.seconds

    def __call__(self, work: Callable[[Any], Any]) -> Any:
        try:
            return now(Deferred.fromCoroutine(work(self._town.store.catalog)))
        except GodosError as error:
            raise click.ClickException(str(error)) from error
        except CancelledError:
            raise click.Abort from None

    def pause(self, seconds: float) -> Deferred[None]:
        """See `godos.cli.waiting.pause`."""
        self._town.live(seconds)
        return succeed(None)
