"""`godos gc`: what nothing needs any more, when it goes, and letting it go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from attrs import asdict

from godos.cli.keys import json_option
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import in_words, on_one_line
from godos.cli.progress import Progress
from godos.cli.server import Server
from godos.cli.status import many
from godos.cli.store import endpoint_option
from godos.cli.times import span
from godos.cli.waiting import now
from godos.model.catalog import ICatalog, Waste
from godos.model.members import Cluster
from godos.model.upkeep import Stray
from godos.objects.collection import GRACE as COLLECT_AFTER
from godos.objects.upkeep.strays import GRACE as STRAY_GRACE
from godos.service.values import State

_LOOK_EVERY = 1.0  # seconds between two looks at how far a census is
_MOST_IDLE = 60.0  # seconds without a census under way
_SECONDS = click.FloatRange(min=0)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed when, and why.")
@click.option(
    "--confirm-epoch",
    type=click.IntRange(min=1),
    metavar="N",
    help="After an import or a rebuild: from now on, fragments that the catalog does not know "
    "may be removed again.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--collect-after",
    type=_SECONDS,
    default=COLLECT_AFTER,
    show_default=True,
    envvar="GODOS_COLLECT_AFTER",
    help="What the servers were started with, in seconds; for --dry-run.",
)
@click.option(
    "--stray-grace",
    type=_SECONDS,
    default=STRAY_GRACE,
    show_default=True,
    envvar="GODOS_STRAY_GRACE",
    help="Likewise.",
)
@json_option
@state_option
@endpoint_option
def gc(
    dry_run: bool,
    confirm_epoch: int | None,
    yes: bool,
    collect_after: float,
    stray_grace: float,
    as_json: bool,
    where: State | None,
    endpoint: str,
) -> None:
    """
    Remove what nothing needs any more.

    The servers do so by themselves.  This asks one of them to do it now, and to count all
    fragments; what its grace protects stays.  --dry-run and --confirm-epoch look at the
    catalog, and need no server.
    """
    if dry_run and confirm_epoch is not None:
        raise click.UsageError("--dry-run changes nothing, and --confirm-epoch does.")
    if dry_run:
        with_catalog(where, _Plan(collect_after, stray_grace, as_json).tell)
    elif confirm_epoch is not None:
        _confirm(where, confirm_epoch, yes)
    else:
        _collect(endpoint, yes)


# -- what would be removed -----------------------------------------------------------------
class _Plan:
    """Tells what waits for its removal, line by line."""

    def __init__(self, collect_after: float, stray_grace: float, as_json: bool) -> None:
        self._collect_after = collect_after
        self._stray_grace = stray_grace
        self._as_json = as_json
        self._now = now()
        self._blobs = self._bytes = self._strays = 0

    async def tell(self, catalog: ICatalog) -> None:
        cluster: Cluster = await catalog.cluster()
        await self._tell_waste(catalog)
        held = cluster.epoch > cluster.confirmed
        for node in await catalog.nodes():
            await self._tell_strays(catalog, node.id, held)
        if self._as_json:
            return
        click.echo(
            f"{many(self._blobs, 'blob')}, {in_words(self._bytes)}, and "
            f"{many(self._strays, 'stray fragment')} wait for their removal."
        )
        if held:
            click.echo(
                "The catalog was imported or rebuilt: stray fragments stay, until "
                f"`godos gc --confirm-epoch {cluster.epoch}`."
            )

    async def _tell_waste(self, catalog: ICatalog) -> None:
        cursor: str | None = None
        while True:
            page = await catalog.waste(cursor)
            for waste in page.waste:
                self._tell_one(waste)
            cursor = page.cursor
            if cursor is None:
                return

    def _tell_one(self, waste: Waste) -> None:
        due = waste.since + self._collect_after
        if not waste.referred and not waste.parts:
            self._blobs += 1
            self._bytes += waste.size
        kind = "parts" if waste.parts else "blob"
        why = self._why(waste)
        self._line({"kind": kind, **asdict(waste), "due": due, "why": why}, kind, waste.id, due)

    def _why(self, waste: Waste) -> str:
        if waste.referred:
            return "stays: something else refers to it"
        if waste.condemned:
            return "its removal has begun, and waits for its nodes"
        if waste.again:
            return "nothing refers to it; it was shared, and is kept once more as long"
        return "nothing refers to it"

    async def _tell_strays(self, catalog: ICatalog, node: str, held: bool) -> None:
        after = ""
        while strays := await catalog.strays(node, after):
            after = strays[-1].name
            for stray in strays:
                self._strays += 1
                self._tell_stray(stray, held)

    def _tell_stray(self, stray: Stray, held: bool) -> None:
        due = stray.since + self._stray_grace
        why = "stays until the epoch is confirmed" if held else f"stray: {stray.reason}"
        document = {"kind": "stray", **asdict(stray), "due": due, "why": why}
        self._line(document, "fragment", f"{stray.name} on node {stray.node}", due)

    def _line(self, document: Mapping[str, Any], kind: str, what: str, due: float) -> None:
        if self._as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
            return
        left = due - self._now
        when = f"in {span(left)}" if left > 0 else "now"
        click.echo(f"{when:14}  {kind} {what}: {on_one_line(str(document['why']))}")


# -- after an import -----------------------------------------------------------------------
def _confirm(where: State | None, epoch: int, yes: bool) -> None:
    if not yes:
        click.confirm(
            "Fragments that the catalog does not know will be removed after their grace, and "
            "no object that is missing now can be recovered from them.  Go on?",
            abort=True,
        )

    async def confirm(catalog: ICatalog) -> Cluster:
        return await catalog.confirm_epoch(epoch)

    cluster = with_catalog(where, confirm)
    click.echo(f"Epoch {cluster.confirmed} is confirmed.")


# -- now -----------------------------------------------------------------------------------
def _collect(endpoint: str, yes: bool) -> None:
    if not yes:
        click.confirm("Remove what is due (see --dry-run), and count all fragments?", abort=True)
    server = Server(endpoint)
    began = float(server.post("/-/gc", "began")["began"])
    try:
        census = _counted(server, began, time.sleep)
    except KeyboardInterrupt:
        click.echo("The server goes on; `godos status` tells how far it is.", err=True)
        raise SystemExit(130) from None
    click.echo(
        f"Counted {many(census['blobs'], 'blob')}, {in_words(census['bytes'])}: "
        f"{census['below_target']} below target, {census['lost']} lost; "
        f"{many(census['strays'], 'stray fragment')} in quarantine."
    )
    _warn(census["silent"])


def _counted(server: Server, began: float, sleep: Callable[[float], object]) -> Mapping[str, Any]:
    """
    The census that began then, once it has finished.

    Raises:
        ClickException: the server does not count, for longer than it takes to begin.
    """
    idle, shown = 0.0, 0
    with Progress("counting", 1000) as progress:
        while True:
            document = server.get("/-/status", "health")
            census = document["census"]
            if census is not None and census["started"] >= began:
                return dict(census)
            counting = document["counting"]
            if counting is not None and counting["of"]:
                done = 1000 * counting["looked"] // counting["of"]
                progress.add(done - shown)
                shown = done
            idle = 0.0 if counting is not None else idle + _LOOK_EVERY
            if idle > _MOST_IDLE:
                raise click.ClickException("the server did not count: its log says why")
            sleep(_LOOK_EVERY)


def _warn(silent: Sequence[str]) -> None:
    for node in silent:
        click.echo(f"node {node} did not answer, and was not counted", err=True)
