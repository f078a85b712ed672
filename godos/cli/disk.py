"""`godos disk`: the storage directory of a node."""

from __future__ import annotations

import click


@click.group()
def disk() -> None:
    """The storage directory of a node."""
