"""The nodes of this process: opened, registered, kept alive, closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.cluster.heartbeat import NodeHeartbeat
from godos.cluster.removed import refuse_removed
from godos.deferreds import Background, InThread, deferred
from godos.model.catalog import ICatalog
from godos.model.errors import CannotStart, GodosError, NodeFailed, Unavailable
from godos.model.members import Cluster, Node
from godos.model.names import FragmentName, new_id
from godos.service.lifecycle import Step
from godos.service.upkeep_settings import ScrubSettings
from godos.storage.opening import Machinery, Wanted, open_store
from godos.storage.scrub import Scrubber

DISK_THREADS = 16


class StorageNode(Protocol):
    """An open storage folder, as `DiskFragmentStore`; also an `IFragmentStore`."""

    node_id: str
    identity: Any  # `.cluster` is None until it was adopted

    def adopt(self, cluster: str) -> Deferred[None]:
        """Make a new folder a member of this cluster, durably."""

    def room(self) -> Deferred[Any]:
        """`.capacity` and `.free` of its disk in bytes."""

    def checked(self) -> Deferred[bool]:
        """Whether `godos disk check` passed, and nobody made use of that yet."""

    def forget_check(self) -> Deferred[None]:
        """It was made use of."""

    def close(self) -> Deferred[None]:
        """Finish what runs, and let another process have the folder."""


# `open_node(folder, on_failed)`; `on_failed` is called with the reason, in the reactor
OpenNode = Callable[[Path, Callable[[str], object]], Deferred[Any]]


@define
class _Hosted:
    folder: Path
    node: StorageNode = field(init=False)
    heartbeat: NodeHeartbeat | None = field(default=None)
    scrubber: Scrubber | None = field(default=None)
    failure: str | None = field(default=None)  # of the disk, before there was a heartbeat


class Hosting:
    """
    The nodes of this process.

    `stores` maps the ids of those that are served to their `IFragmentStore`s, and changes
    when one has to stop.

    Args:
        open_node: opens a storage folder, as `storage` does.
        scrub: how fast each node is read again; None: it is not.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        folders: Sequence[Path],
        zone: str,
        open_node: OpenNode,
        scrub: ScrubSettings | None = None,
    ) -> None:
        self._reactor = reactor
        self._folders = folders
        self._zone = zone
        self._open_node = open_node
        self._scrub = scrub
        self._hosted: list[_Hosted] = []
        self._background = Background()
        self._boot_id = new_id()
        self.stores: dict[str, Any] = {}

    # -- the folders ------------------------------------------------------------------------
    @property
    def opening(self) -> Step:
        """Open the folders, which nobody else has open."""
        return Step("opening the storage", self._open, self._close)

    def known(self) -> dict[Path, str]:
        """Of each folder that was adopted, the id of its cluster."""
        clusters = {hosted.folder: hosted.node.identity.cluster for hosted in self._hosted}
        return {folder: cluster for folder, cluster in clusters.items() if cluster is not None}

    @deferred
    async def _open(self) -> None:
        try:
            for folder in self._folders:
                await self._open_one(folder)
        except BaseException:
            await self._close()
            raise

    async def _open_one(self, folder: Path) -> None:
        hosted = _Hosted(folder)
        hosted.node = node = await self._open_node(folder, partial(self._failed, hosted))
        twins = [other for other in self._hosted if other.node.node_id == node.node_id]
        self._hosted.append(hosted)
        if twins:
            raise CannotStart(
                f"{folder} is a copy of {twins[0].folder}: both are node {node.node_id}, and "
                "only one of them may be used"
            )

    @deferred
    async def _close(self) -> None:
        while self._hosted:
            await self._hosted.pop().node.close()

    # -- the rows ---------------------------------------------------------------------------
    def claiming(
        self,
        catalog: Callable[[], ICatalog],
        cluster: Callable[[], Cluster],
        address: Callable[[], str],
    ) -> Step:
        """Register the nodes at `address`, and go on telling that they live."""

        @deferred
        async def claim() -> None:
            try:
                for hosted in self._hosted:
                    await self._claim(hosted, catalog(), cluster(), address())
            except BaseException:
                await self._fall_silent()
                raise

        return Step("registering the nodes", claim, self._fall_silent)

    async def _claim(
        self, hosted: _Hosted, catalog: ICatalog, cluster: Cluster, address: str
    ) -> None:
        node = hosted.node
        if node.identity.cluster is None:
            await node.adopt(cluster.id)
            await self._welcome(hosted, catalog, address)
        await refuse_removed(catalog, node.node_id)
        row = Node(node.node_id, self._boot_id, address, self._zone, 0, 0)

        def on_lost(why: str) -> None:
            self._log.critical("{why}", why=why)
            self.stores.pop(node.node_id, None)
            self._stop_reading(hosted)

        @deferred
        async def figures() -> tuple[int, int]:
            room = await node.room()
            return room.capacity, room.free

        healed = await node.checked() and hosted.failure is None
        scrubber = await self._scrubber(node, catalog)
        verified = partial(_verified_since, node) if scrubber else float
        heartbeat = NodeHeartbeat(
            catalog, self._reactor, row, figures, on_lost, healed, verified=verified
        )
        await heartbeat.claim()
        hosted.heartbeat = heartbeat
        heartbeat.startService()
        if hosted.failure is not None:
            self._failed(hosted, hosted.failure)
        else:  # before anything is served: the next failure asks for another check
            await node.forget_check()
            if scrubber is not None:
                hosted.scrubber = scrubber
                scrubber.startService()
        self.stores[node.node_id] = node

    async def _welcome(self, hosted: _Hosted, catalog: ICatalog, address: str) -> None:
        """
        Say that a folder is a new node; and loudly where another was before.

        A disk that was replaced, or is not mounted, looks like this.
        """
        folder, node = hosted.folder, hosted.node.node_id
        self._log.info("{folder} is new: it becomes node {node}", folder=str(folder), node=node)
        mine = {other.node.node_id for other in self._hosted}
        for other in await catalog.nodes():
            if other.address == address and other.id not in mine:
                self._log.warn(
                    "node {old} was at {address} before, and {folder} is empty: is a disk not "
                    "mounted?  If it is lost: godos node replace {old} {node}",
                    old=other.id,
                    address=address,
                    folder=str(folder),
                    node=node,
                )

    async def _scrubber(self, node: Any, catalog: ICatalog) -> Scrubber | None:
        """What reads that node again, not started, and knowing how far it was."""
        scrub = self._scrub
        if scrub is None:
            return None

        def report(name: FragmentName, error: GodosError) -> Deferred[None]:
            why = f"re-reading node {node.node_id}: {error}"
            return catalog.want_repair(name.incarnation, why)

        scrubber = Scrubber(node, self._reactor, scrub.within, scrub.rate, report)
        with suppress(NodeFailed, Unavailable):  # what follows meets the same disk, and says so
            await scrubber.resume()
        return scrubber

    def _stop_reading(self, hosted: _Hosted) -> None:
        if hosted.scrubber is not None:
            scrubber, hosted.scrubber = hosted.scrubber, None
            self._background.run("ending to re-read a node", scrubber.stopService())

    @property
    def scrubbers(self) -> Mapping[str, Scrubber]:
        """Those that run, by node."""
        running = ((hosted.node.node_id, hosted.scrubber) for hosted in self._hosted)
        return {node: scrubber for node, scrubber in running if scrubber is not None}

    @deferred
    async def _fall_silent(self) -> None:
        for hosted in self._hosted:
            self._stop_reading(hosted)
            if hosted.heartbeat is not None:
                await hosted.heartbeat.stopService()
        await self._background.idle()

    def _failed(self, hosted: _Hosted, reason: str) -> None:
        """Its disk failed: the catalog must know before anybody trusts it again."""
        hosted.failure = reason
        self._stop_reading(hosted)
        if hosted.heartbeat is not None:
            self._background.run("telling that a node failed", hosted.heartbeat.failed(reason))


def _verified_since(node: Any) -> float:
    since: float = node.verified.now.all_since
    return since


def disk_opener(reactor: Any, in_thread: InThread, beside: Sequence[str] = ()) -> OpenNode:
    """
    Opens storage folders on this machine's disks.

    Args:
        beside: beginnings of the names of other files that may be in a new folder.
    """

    def open_node(folder: Path, on_failed: Callable[[str], object]) -> Deferred[Any]:
        wanted = Wanted(str(folder), create=True, beside=beside, on_failed=on_failed)
        return open_store(wanted, Machinery(in_thread, reactor.callFromThread))

    return open_node
