"""What the store would lose with a node, and forgetting one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from attrs import define, field

from godos.model.blobs import Blob, BlobState
from godos.model.catalog import BlobPage, ICatalog
from godos.model.errors import Conflict
from godos.model.members import Node
from godos.model.names import new_id
from godos.model.upkeep import Job, JobKind, JobState
from godos.objects.upkeep.abreast import abreast
from godos.objects.upkeep.asking import TRIES
from godos.objects.upkeep.versions_walk import all_versions, blobs_of

NAMED = 5  # blobs that are named as examples
WALKED = 20_000  # versions that are looked at for the names of objects
AT_ONCE = 8  # repair rows written at a time


@define
class Leftovers:
    """
    What layouts say of a node.

    `blobs` name it.  Without it `lost` of them could not be read any more, `examples` says
    which, and `below` of the others have fewer fragments than their policies ask for, `bare`
    of these just as many as reading needs.
    """

    blobs: int = 0
    lost: int = 0
    below: int = 0
    bare: int = 0
    examples: list[str] = field(factory=list)

    def add(self, blob: Blob, node: str, others: Collection[str]) -> None:
        """Take one more blob into account; `others` are the nodes that have its fragments then."""
        if not _needs(blob, node):
            return
        self.blobs += 1
        left = len({placed.shard for placed in blob.layout if placed.node in others})
        if left < blob.policy.data:
            self.lost += 1
            self.examples += [blob.incarnation] if len(self.examples) < NAMED else []
        elif left < blob.policy.width:
            self.below += 1
            self.bare += left == blob.policy.data


def _needs(blob: Blob, node: str) -> bool:
    """Whether a layout names the node, of a blob that is not being removed."""
    return blob.state is BlobState.LIVE and any(placed.node == node for placed in blob.layout)


async def leftovers(catalog: ICatalog, node: str, live: Collection[str]) -> Leftovers:
    """
    Look at all blobs' rows.

    Args:
        live: nodes that serve.  What only dead ones have besides counts as lost with this one:
            nobody knows whether they come back.
    """
    others = set(live).difference((node,))
    found, cursor = Leftovers(), None
    while True:
        page: BlobPage = await catalog.blobs(cursor)
        for blob in page.blobs:
            found.add(blob, node, others)
        cursor = page.cursor
        if cursor is None:
            return found


async def objects_of(
    catalog: ICatalog, blobs: Collection[str], pause: Callable[[float], Awaitable[object]]
) -> list[str]:
    """
    Objects (`BUCKET/KEY`) whose bytes are in these blobs, one for each, as far as a walk over
    the first `WALKED` versions finds them; and the other blobs by their own names.

    Args:
        pause: waits so many seconds.
    """
    names: dict[str, str] = {}
    walked = 0
    async for bucket, versions in all_versions(catalog, pause):
        for version in versions:
            for blob in set(blobs).intersection(await blobs_of(catalog, version)):
                names.setdefault(blob, f"{bucket.name}/{version.key}")
        walked += len(versions)
        if walked >= WALKED or len(names) == len(blobs):
            break
    return [names.get(blob, f"blob {blob}") for blob in blobs]


async def forget(catalog: ICatalog, node_id: str, now: float) -> None:
    """
    Remove a node's row, and remember that it was removed on purpose.

    Args:
        now: seconds since the epoch.

    Raises:
        Conflict: the row keeps changing.
    """
    note = Job(new_id(), JobKind.REMOVE, node_id, state=JobState.DONE, started=now, updated=now)
    await catalog.put_job(note)
    for tries_left in reversed(range(TRIES)):
        node: Node | None = await catalog.node(node_id)
        if node is None:
            return
        try:
            await catalog.remove_node(node)
        except Conflict:  # its own beat
            if not tries_left:
                raise


async def want_repairs(catalog: ICatalog, node: str, reason: str) -> int:
    """Leave a repair row for each blob whose layout names `node`; answers how many."""
    wanted, cursor = 0, None
    while True:
        page: BlobPage = await catalog.blobs(cursor)
        naming = [blob for blob in page.blobs if _needs(blob, node)]
        await abreast(naming, AT_ONCE, lambda blob: catalog.want_repair(blob.incarnation, reason))
        wanted += len(naming)
        cursor = page.cursor
        if cursor is None:
            return wanted
