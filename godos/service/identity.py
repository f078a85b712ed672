"""Whether catalog and storage belong together, before either is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from godos.model.catalog import ICatalog
from godos.model.errors import CannotStart, CatalogEmpty, ClusterMismatch
from godos.model.members import Cluster
from godos.service.values import AUTO


async def join_cluster(
    catalog: ICatalog,
    where: str,
    known: Mapping[Path, str],
    may_begin: bool,
    policy: str | None = None,
) -> Cluster:
    """
    The cluster of this catalog, once it is certain that the storage is of the same one.

    Args:
        where: how a person knows the catalog.
        known: of each storage folder that has one, the id of its cluster.
        may_begin: whether an empty catalog may become a new cluster here.
        policy: of a new cluster.

    Raises:
        CannotStart: the catalog is empty and storage is not.
        CatalogEmpty: nobody may begin here.
        ClusterMismatch: storage is of another cluster.
    """
    try:
        cluster: Cluster = await catalog.cluster()
    except CatalogEmpty:
        if known:
            folder = next(iter(known))
            raise CannotStart(
                f"{folder} belongs to a cluster, but the catalog {where} is empty: is it the "
                "right one? Restore it before any server uses this storage"
            ) from None
        if not may_begin:
            raise
        cluster = await catalog.initialise(policy or AUTO)
    for folder, cluster_id in known.items():
        if cluster_id != cluster.id:
            raise ClusterMismatch(
                f"{folder} belongs to cluster {cluster_id}, and the catalog {where} to {cluster.id}"
            )
    return cluster
