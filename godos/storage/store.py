"""A node's fragments on one disk: what `IFragmentStore` promises, kept by files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from godos.deferreds import InThread, deferred
from godos.model.blobs import FragmentHeader, Held
from godos.model.errors import BadDigest, EntityTooLarge, NodeFull, Unavailable
from godos.model.fragments import CHUNK, SMALL, IFragmentStore, Pieces
from godos.model.names import FragmentName
from godos.storage import scrub_file
from godos.storage.compaction import Compactor
from godos.storage.counters import Counters
from godos.storage.files import IFiles, Room
from godos.storage.group import IWriter
from godos.storage.health import Health
from godos.storage.holdings import Holdings
from godos.storage.identity import Identity, adopted, belongs_to, write_identity
from godos.storage.layout import Layout
from godos.storage.object_files import ObjectFiles
from godos.storage.proof import forget_proof, is_proved
from godos.storage.reader import BlockFile, or_release
from godos.storage.requests import Put, Remove
from godos.storage.upload import DiskUpload, UploadTools
from godos.storage.verified import Verified, VerifiedSince

T = TypeVar("T")
Pace = Callable[[int], Deferred[None]]

_STEP = 16 * CHUNK  # bytes that `verify` reads in one go


@frozen
class Parts:
    """What a store is put together from; `release` lets go of all of it, and blocks."""

    files: IFiles
    layout: Layout
    identity: Identity
    health: Health
    counters: Counters
    holdings: Holdings
    objects: ObjectFiles
    verified: VerifiedSince
    writer: IWriter
    compactor: Compactor
    reserve: int
    in_thread: InThread
    release: Callable[[], None]


@implementer(IFragmentStore)
class DiskFragmentStore:
    """
    The fragments in one storage directory, of which this process is the only owner.

    `opening.open_store` makes one.  `counters` and `failure` (why the node left service, or
    None) may be read at any time.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.node_id = parts.identity.node
        self.identity = parts.identity
        self.counters = parts.counters
        self.verified = parts.verified
        self._tools = UploadTools(
            files=parts.files,
            layout=parts.layout,
            objects=parts.objects,
            writer=parts.writer,
            health=parts.health,
            counters=parts.counters,
            in_thread=parts.in_thread,
            reserve=parts.reserve,
        )
        self._uploads: set[DiskUpload] = set()
        self._closed = False

    @property
    def directory(self) -> str:
        """The storage directory."""
        return self._parts.layout.root

    @property
    def failure(self) -> str | None:
        """Why the node left service; None: it did not."""
        return self._parts.health.reason

    # -- writing ------------------------------------------------------------------------
    def put(self, header: FragmentHeader, payload: Pieces) -> Deferred[None]:
        """Store a small fragment; see IFragmentStore."""
        size = sum(map(len, payload))
        if size != header.length:
            return fail(BadDigest(f"{size} bytes came of a fragment of {header.length}"))
        if size > SMALL:
            return fail(EntityTooLarge(f"a fragment of {size} bytes is to be uploaded, not put"))
        return self._parts.writer.submit(Put(header, payload))

    @deferred
    async def upload(self, name: FragmentName, length: int | None) -> object:
        """Begin to store a fragment; see IFragmentStore."""
        self._check()
        upload = DiskUpload(self._tools, name, length)
        if length is not None and length > SMALL:
            self._uploads = {other for other in self._uploads if other.unwritten}
            promised = sum(other.unwritten for other in self._uploads)
            self._uploads.add(upload)
            try:
                room = await self.room()
                if room.free - promised - self._parts.reserve < length:
                    raise NodeFull(f"{room.free} bytes are free, too few for {length} more")
            except BaseException:
                self._uploads.discard(upload)
                raise
        return upload

    @deferred
    async def remove(self, name: FragmentName) -> bool:
        """Remove a fragment; see IFragmentStore."""
        self._check()
        if await self._parts.writer.submit(Remove(name)):
            return True
        return await self._parts.in_thread(self._remove_file, name)

    def _remove_file(self, name: FragmentName) -> bool:
        try:
            removed = self._parts.objects.remove(name)
        except OSError as error:
            raise self._parts.health.wrote("removing a fragment", error) from error
        self._parts.counters.removals += removed
        return removed

    # -- reading ------------------------------------------------------------------------
    def open(self, name: FragmentName, start: int, stop: int | None) -> Deferred[object]:
        """Begin to read a fragment; see IFragmentStore."""
        opening: Deferred[Any] = self._ask(self._parts.holdings.open, name, start, stop)
        return or_release(opening, lambda reader: reader.close())

    @deferred
    async def verify(self, name: FragmentName, pace: Pace | None = None) -> FragmentHeader:
        """
        Re-read a fragment from the disk; see IFragmentStore.

        Args:
            pace: waited for with a number of bytes before so many are read; else it is
                read as fast as the disk gives it.
        """
        if pace is not None:
            await pace(0)
        found = await or_release(
            self._ask(self._parts.holdings.begin_verify, name),
            lambda found: found.close() if isinstance(found, BlockFile) else None,
        )
        if isinstance(found, FragmentHeader):
            if pace is not None:
                await pace(found.length)
            return found
        try:
            step = _STEP if pace is None else CHUNK
            for start in range(0, found.header.length, step):
                stop = min(start + step, found.header.length)
                if pace is not None:
                    await pace(stop - start)
                await self._ask(found.check, start, stop)
            return found.header
        finally:
            await self._parts.in_thread(found.close)

    def recall(self) -> Deferred[Verified | None]:
        """How far re-reading was, as `remember` kept it; None: that is not known."""
        parts = self._parts
        return self._ask(scrub_file.recall, parts.files, parts.layout, self.node_id)

    def remember(self, verified: Verified) -> Deferred[None]:
        """
        Keep how far re-reading is.

        Fails: NodeFull, NodeFailed, Unavailable.
        """
        return self._ask(self._remember, verified)

    def _remember(self, verified: Verified) -> None:
        parts = self._parts
        parts.health.check()
        try:
            scrub_file.remember(parts.files, parts.layout, self.node_id, verified)
        except OSError as error:
            raise parts.health.wrote("writing scrub.json", error) from error

    def holds(self, incarnations: Sequence[str]) -> Deferred[Mapping[str, tuple[int, ...]]]:
        """Which fragments of these blobs are here; see IFragmentStore."""
        return self._ask(self._parts.holdings.holds, list(incarnations))

    def inventory(
        self, after: FragmentName | None = None, limit: int = 1000
    ) -> Deferred[Sequence[Held]]:
        """The next fragments that are here; see IFragmentStore."""
        return self._ask(self._parts.holdings.page, after, limit)

    def room(self) -> Deferred[Room]:
        """Capacity and free bytes of the disk."""
        return self._ask(self._parts.holdings.room)

    def _ask(self, function: Callable[..., T], *args: Any) -> Deferred[T]:
        """Run in a thread what needs an open node."""
        if self._closed:
            return fail(Unavailable("the node is stopping"))
        return self._parts.in_thread(function, *args)

    # -- tidying ------------------------------------------------------------------------
    def compact(self) -> Deferred[None]:
        """Win back what is dead in the volumes; a node does so by itself as well."""
        return self._parts.compactor.run()

    # -- belonging and ending -----------------------------------------------------------
    @deferred
    async def adopt(self, cluster: str) -> None:
        """
        Become a node of this cluster, durably, unless it is one already.

        Fails:
            ClusterMismatch: it is another's.
        """
        if not belongs_to(self.identity, self.directory, cluster):
            identity = adopted(self.identity, cluster)
            await self._parts.in_thread(self._write_identity, identity)
            self.identity = identity

    def _write_identity(self, identity: Identity) -> None:
        try:
            write_identity(self._parts.files, self._parts.layout, identity)
        except OSError as error:
            raise self._parts.health.wrote("writing node.json", error) from error

    def checked(self) -> Deferred[bool]:
        """Whether `godos disk check` passed, and no daemon has registered the node since."""
        return self._parts.in_thread(self._checked)

    def _checked(self) -> bool:
        parts = self._parts
        try:
            return is_proved(parts.files, parts.layout, self.node_id)
        except OSError as error:
            raise parts.health.wrote("looking for checked.json", error) from error

    def forget_check(self) -> Deferred[None]:
        """
        The node was registered: when it fails again, its disk must be checked again.

        Fails: NodeFailed, Unavailable; the check may be remembered then.
        """
        return self._parts.in_thread(self._forget_check)

    def _forget_check(self) -> None:
        parts = self._parts
        try:
            forget_proof(parts.files, parts.layout)
        except OSError as error:
            raise parts.health.wrote("removing checked.json", error) from error

    @deferred
    async def close(self) -> None:
        """Finish what was submitted and let go of the directory.  Idempotent."""
        if not self._closed:
            self._closed = True
            await self._parts.compactor.stop()
            self._parts.writer.end()
            await self._parts.in_thread(self._parts.release)

    def _check(self) -> None:
        """Raises NodeFailed after a failure, Unavailable after `close`."""
        self._parts.health.check()
        if self._closed:
            raise Unavailable("the node is stopping")
