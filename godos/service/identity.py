"""Whether catalog and storage belong together, before either is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from twisted.internet.defer import succeed

from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import BucketAlreadyOwnedByYou, CannotStart, CatalogEmpty, ClusterMismatch
from godos.model.members import Cluster
from godos.service.lifecycle import Step
from godos.service.values import AUTO
from godos.web.access import ANONYMOUS

FIRST_BUCKET = "objects"  # `/objects/<name>` works from the first moment


class Belonging:
    """
    The cluster that this process belongs to, once its step has run.

    Args:
        catalog: answers the catalog, which is open by then.
        where: how a person knows the catalog.
        known: answers of each storage folder that has one the id of its cluster.
        may_begin: whether an empty catalog may become a new cluster here.
        policy: of a new cluster.
    """

    def __init__(
        self,
        catalog: Callable[[], ICatalog],
        where: str,
        known: Callable[[], Mapping[Path, str]],
        may_begin: bool,
        policy: str | None = None,
    ) -> None:
        self._catalog = catalog
        self._where = where
        self._known = known
        self._may_begin = may_begin
        self._policy = policy
        self._cluster: Cluster | None = None

    def cluster(self) -> Cluster:
        """As it was when this process started."""
        assert self._cluster is not None
        return self._cluster

    @property
    def step(self) -> Step:
        """Find out, or begin a cluster."""
        return Step("joining the cluster", self._join, lambda: succeed(None))

    @deferred
    async def _join(self) -> None:
        self._cluster = await join_cluster(
            self._catalog(), self._where, self._known(), self._may_begin, self._policy
        )


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
            raise orphaned(where, known) from None
        if not may_begin:
            raise
        cluster = await begin_cluster(catalog, policy or AUTO)
    for folder, cluster_id in known.items():
        if cluster_id != cluster.id:
            raise ClusterMismatch(
                f"{folder} belongs to cluster {cluster_id}, and the catalog {where} to {cluster.id}"
            )
    return cluster


def orphaned(where: str, known: Mapping[Path, str]) -> CannotStart:
    """What a person reads when storage is there and its catalog is not."""
    return CannotStart(
        f"{next(iter(known))} belongs to a cluster, but the catalog {where} is empty: is it the "
        "right one? Restore it before any server uses this storage"
    )


async def begin_cluster(catalog: ICatalog, policy: str) -> Cluster:
    """
    Make an empty catalog a new cluster with the bucket that every cluster begins with.

    Idempotent.  The bucket comes first: whoever sees the cluster sees it, too.
    """
    with suppress(BucketAlreadyOwnedByYou):
        await catalog.create_bucket(FIRST_BUCKET, ANONYMOUS.id)
    cluster: Cluster = await catalog.initialise(policy)
    return cluster
