"""The godos command: a group whose commands are loaded when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from godos import __version__

# name -> module, and the click command in it of the same name
COMMANDS: Mapping[str, str] = {
    "bucket": "godos.cli.bucket",
    "convert": "godos.cli.convert",
    "disk": "godos.cli.disk",
    "explain": "godos.cli.explain",
    "gc": "godos.cli.gc",
    "get": "godos.cli.get",
    "ls": "godos.cli.ls",
    "node": "godos.cli.node",
    "put": "godos.cli.put",
    "rebalance": "godos.cli.rebalance",
    "state": "godos.cli.state",
    "status": "godos.cli.status",
    "user": "godos.cli.user",
}


class LazyGroup(click.Group):
    """Finds its commands in `COMMANDS`, so that one of them does not load what others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """See click."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """See click."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[name]), name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="godos")
def main() -> None:
    """Look after a godos store.  The servers themselves are started with twistd."""
