"""The row of the cluster itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Absent, IItemStore, Item, Put, RevIs
from godos.catalog.places import META
from godos.catalog.records import cluster_item, cluster_of
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import CannotStart, CatalogEmpty, InvalidRequest
from godos.model.members import FORMAT, Cluster

IMPORTING = "importing"  # the field of the row that stands there during an import


class ClusterRow:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._clock, self._draw_id = clock, draw_id

    async def cluster(self) -> Cluster:
        """As ICatalog.cluster."""
        return _readable(await self._row())

    async def initialise(self, policy: str) -> Cluster:
        """As ICatalog.initialise."""
        made = Cluster(
            id=self._draw_id(),
            secret=secrets.token_hex(32),
            policy=policy,
            epoch=1,
            created=self._clock.seconds(),
        )
        refusal = await self._writer.write([Put(cluster_item(made, self._draw_id()), Absent())])
        if refusal is None:
            return made
        refusal.or_unknown()
        return await self.cluster()

    async def confirm_epoch(self, epoch: int) -> Cluster:
        """As ICatalog.confirm_epoch."""
        turns = Turns(self._backoff, "the row of the cluster")
        while await turns.next():
            item = await self._row()
            cluster = _readable(item)
            if cluster.epoch != epoch:
                raise InvalidRequest(f"the cluster is in epoch {cluster.epoch}, not in {epoch}")
            if cluster.confirmed == epoch:
                return cluster
            confirmed = evolve(cluster, confirmed=epoch)
            put = Put(cluster_item(confirmed, self._draw_id()), RevIs(item.rev or ""))
            refusal = await self._writer.write([put])
            if refusal is None:
                return confirmed
            refusal.or_unknown()
        raise AssertionError("unreachable")

    async def _row(self) -> Item:
        item = await self._items.get(*META)
        if item is None:
            raise CatalogEmpty("the catalog is empty: `godos state init` prepares it")
        return item


def importing_item(checksum: str, rev: str) -> Item:
    """What stands in the cluster's place while the file with this checksum is imported."""
    return Item(*META, {"f": FORMAT, IMPORTING: checksum}, rev)


def _readable(item: Item) -> Cluster:
    written: Any = item.data.get("f")
    if IMPORTING in item.data:
        raise CannotStart(
            "an import into this catalog goes on, or was interrupted: then do it again with "
            "the same file"
        )
    if written != FORMAT:
        raise CannotStart(
            f"the catalog has format {written!r}, and this godos reads {FORMAT}: "
            "start the godos that wrote it, or a newer one"
        )
    return cluster_of(item)
