"""Commands that run on a catalog in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import click
from click.testing import CliRunner, Result
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.cli import main
from godos.model.errors import GodosError
from tests.memory_items import MemoryItems
from tests.simulation.node import now


class Operator:
    """Somebody at a terminal, and the catalog they look after."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.catalog = Catalog(
            MemoryItems(), self.clock, monotonic=self.clock.seconds, random=Random(1)
        )
        now(self.catalog.initialise("auto"))

    def __call__(self, *words: str, stdin: str | None = None) -> Result:
        """`godos …`; nothing may escape but its exit code."""
        self.clock.advance(3)  # what was read before is old
        result = CliRunner().invoke(main, words, input=stdin, obj=self._opened)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    def json(self, *words: str) -> Any:
        """What a command that succeeds answers to machines."""
        result = self(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def _opened(self, work: Callable[[Any], Any]) -> Any:
        """As `godos.cli.opening` and `running` do it with a catalog on a disk."""
        try:
            return now(Deferred.fromCoroutine(work(self.catalog)))
        except GodosError as error:
            raise click.ClickException(str(error)) from error
