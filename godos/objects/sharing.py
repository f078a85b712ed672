"""Equal content is stored once: finding a blob that already holds what was just uploaded."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.together import together
from godos.deferreds import Background, deferred, within
from godos.model.blobs import Blob, FragmentHeader, Placed, shareable
from godos.model.catalog import ICatalog
from godos.model.errors import FragmentDamaged, GodosError, NodeFailed, NoSuchFragment
from godos.model.members import NodeState
from godos.model.names import FragmentName

PATIENCE = 20.0  # seconds for reading a blob's fragments back; who uploads waits for it


class Sharing:
    """
    Looks for twins of blobs that were uploaded whole, checked, and are durable.

    Nothing else leads to a twin: who only knows a digest gets nothing by it.

    Args:
        patience: seconds to find out whether a blob is good enough to be shared.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        background: Background,
        patience: float = PATIENCE,
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._background = background
        self._patience = patience

    async def twin(self, blob: Blob) -> Blob | None:
        """
        A live blob of the same stored bytes, codec and policy, or None.

        As many of its fragments as a write needs were read back for this.  Whatever goes
        wrong: None, for the caller has bytes of its own.
        """
        if not shareable(blob):
            return None
        try:
            return await self._confirmed(blob)
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            self._log.info(
                "blob {incarnation} is kept, whether its content is stored already or not: {error}",
                incarnation=blob.incarnation,
                error=error,
            )
        except Exception:  # a bug; the upload may do without
            self._log.failure("looking for equal content failed")
        return None

    async def _confirmed(self, blob: Blob) -> Blob | None:
        known: Blob | None = await self._catalog.content(
            blob.size, blob.sha256, blob.codec, blob.policy
        )
        if known is None:
            return None
        fragments = self._fragments(known)
        enough = await within(self._patience, self._quorum(known, fragments), self._clock)
        if enough and len(fragments) < known.policy.width:
            # as of a blob that was written while these nodes are away
            self._want_repair(known, "shared while nodes are away")
        return known if enough else None

    @deferred
    async def _quorum(self, blob: Blob, fragments: Sequence[Placed]) -> bool:
        """Whether as many fragments as a write needs are intact, each on a node of its own."""
        waiting = list(fragments)

        @deferred
        async def confirm() -> bool:
            """One of them, whichever."""
            while waiting:
                if await self._intact(blob, waiting.pop(0)):
                    return True
            return False

        confirmed: list[bool] = await together(confirm() for _ in range(blob.policy.quorum))
        return all(confirmed)

    def _fragments(self, blob: Blob) -> list[Placed]:
        """Those on nodes that live and serve, one of each shard and one of each node."""
        live = {node.id for node in self._members.live() if node.state is not NodeState.FAILED}
        by_shard: dict[int, Placed] = {}
        for placed in blob.layout:
            if placed.node in live:
                live.remove(placed.node)
                by_shard.setdefault(placed.shard, placed)
        return list(by_shard.values())

    async def _intact(self, blob: Blob, placed: Placed) -> bool:
        store = self._members.fragments(placed.node)
        if store is None:
            return False
        try:
            header = await store.verify(FragmentName(blob.incarnation, placed.index))
        except CancelledError:
            raise
        except GodosError as error:
            self._complain(blob, placed, error)
            return False
        return _is_of(header, blob)

    def _complain(self, blob: Blob, placed: Placed, error: GodosError) -> None:
        self._log.warn(
            "fragment {incarnation}.{index} on node {node} keeps its blob from being shared: "
            "{error}",
            incarnation=blob.incarnation,
            index=placed.index,
            node=placed.node,
            error=error,
        )
        if isinstance(error, FragmentDamaged | NoSuchFragment | NodeFailed):
            self._want_repair(blob, f"{type(error).__name__} on node {placed.node}")

    def _want_repair(self, blob: Blob, reason: str) -> None:
        work = self._catalog.want_repair(blob.incarnation, reason)
        self._background.run("asking for a repair", work)


def _is_of(header: FragmentHeader, blob: Blob) -> bool:
    return (header.blob_size, header.blob_sha256, header.codec, header.policy) == (
        blob.size,
        blob.sha256,
        blob.codec,
        str(blob.policy),
    )
