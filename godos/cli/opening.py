"""The catalog that a command looks at or changes, beside the servers that use it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from godos.cli.parameters import Parsed
from godos.cli.running import run
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import CannotStart, CatalogEmpty
from godos.service import values
from godos.service.state import OpenCatalog
from godos.service.values import SqliteState, State, anchored

# where `twistd -n godos` and `twistd -n godos-api` keep it, when they are told nothing
USUAL = ("godos-data/catalog.sqlite", "godos-state.sqlite")

T = TypeVar("T")
Work = Callable[[ICatalog], Awaitable[T]]
Command = TypeVar("Command", bound=Callable[..., Any])

state_option = click.option(
    "--state",
    "where",
    type=Parsed("state", values.state),
    envvar="GODOS_STATE",
    show_envvar=True,
    help="The catalog: sqlite:PATH, or dynamodb:TABLE[?region=…&endpoint=…].  "
    f"Without it, {' or '.join(USUAL)} in this folder.",
)


def named_state(meaning: str) -> Callable[[Command], Command]:
    """`--state` of a command that makes a catalog, and so guesses none."""
    return click.option(
        "--state",
        "where",
        type=Parsed("state", values.state),
        required=True,
        envvar="GODOS_STATE",
        show_envvar=True,
        help=f"{meaning}sqlite:PATH, or dynamodb:TABLE[?region=…&endpoint=…].",
    )


def with_catalog(where: State | None, work: Work[T]) -> T:
    """
    Open the catalog, do `work` with it, and close it; servers may be using it.

    A caller of the command (a test) may give another way to do so as click's `obj`.

    Raises:
        ClickException: see `running.run`; or there is no catalog.
    """
    own: Callable[[Work[T]], T] | None = click.get_current_context().obj
    if own is not None:
        return own(work)
    found = chosen(where, Path.cwd())
    return run(lambda reactor: in_catalog(reactor, found, work))


def chosen(where: State | None, folder: Path) -> State:
    """
    The catalog that was named, or the one in `folder`.

    Raises:
        UsageError: there is none, or more than one.
    """
    if where is not None:
        anchor: Any = anchored  # a state stays one
        state: State = anchor(where, folder)
        return state
    found = [name for name in USUAL if (folder / name).exists()]
    if len(found) == 1:
        return SqliteState(folder / found[0])
    what = "is no catalog" if not found else f"are {' and '.join(found)}"
    raise click.UsageError(f"There {what} in this folder: say which with --state.")


@deferred
async def in_catalog(reactor: Any, where: State, work: Work[T]) -> T:
    """
    Fails:
        CannotStart: there is no catalog; none is made.
    """
    if isinstance(where, SqliteState) and not where.path.exists():
        raise CannotStart(f"there is no catalog at {where.path}")
    opening = OpenCatalog(reactor, where)
    await opening.open()
    try:
        catalog = opening.get()
        await catalog.cluster()
        return await work(catalog)
    except CatalogEmpty as error:
        raise CannotStart(f"{where} holds no cluster: start a server with it first") from error
    finally:
        await opening.close()
