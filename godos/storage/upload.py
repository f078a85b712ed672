"""One fragment on its way to the disk."""

from __future__ import annotations

from threading import Lock

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.deferreds import InThread, deferred
from godos.model.blobs import FragmentHeader
from godos.model.errors import BadDigest, NodeFull, Unavailable
from godos.model.fragments import SMALL, IFragmentUpload, Pieces
from godos.model.names import FragmentName, new_id
from godos.storage import footer
from godos.storage.checks import BlockChecks
from godos.storage.counters import Counters
from godos.storage.files import CREATE, IFiles
from godos.storage.group import IWriter
from godos.storage.health import Health
from godos.storage.layout import Layout
from godos.storage.object_files import ObjectFiles
from godos.storage.requests import Put


@frozen
class UploadTools:
    """What all uploads of a node share."""

    files: IFiles
    layout: Layout
    objects: ObjectFiles
    writer: IWriter
    health: Health
    counters: Counters
    in_thread: InThread
    reserve: int  # bytes of the disk that must stay free


class StagedFile:
    """
    A file in staging.  It blocks, and is used by one thread at a time, whoever cancels what.
    """

    def __init__(self, tools: UploadTools, name: FragmentName) -> None:
        self._tools = tools
        self._path = tools.layout.staged(new_id())
        self._checks = BlockChecks(name)
        self._size = 0
        self._fd: int | None = None
        self._over = False
        self._lock = Lock()

    def write(self, pieces: Pieces) -> None:
        """Append.  Raises NodeFull, NodeFailed."""
        with self._lock:
            self._check_open()
            try:
                if self._fd is None:
                    self._fd = self._tools.files.open(self._path, CREATE)
                if self._tools.files.room(self._tools.layout.root).free < self._tools.reserve:
                    raise NodeFull("the disk has no more room for fragments")
                self._tools.files.write(self._fd, pieces, self._size)
            except OSError as error:
                raise self._tools.health.wrote("writing a fragment", error) from error
            self._checks.add(pieces)
            self._size += sum(map(len, pieces))

    def seal(self, header: FragmentHeader) -> None:
        """Make it the fragment's file, durably.  Raises NodeFull, NodeFailed."""
        with self._lock:
            self._check_open()
            if self._fd is None:
                raise RuntimeError("nothing was written")
            tools = self._tools
            trailer = footer.encode(header, self._checks.end())
            try:
                tools.files.write(self._fd, [trailer], self._size)
            except OSError as error:
                raise tools.health.wrote("writing a fragment", error) from error
            self._sync(self._fd)
            try:
                tools.objects.add(self._path, header.name)
            except OSError as error:
                raise tools.health.wrote("putting a fragment in its place", error) from error
            self._over = True
            self._close()
            tools.counters.seals += 1
            tools.counters.seal_bytes += header.length

    def _sync(self, fd: int) -> None:
        try:
            self._tools.files.sync(fd)
        except OSError as error:
            raise self._tools.health.fail("syncing a fragment", error) from error
        self._tools.counters.file_syncs += 1

    def drop(self) -> None:
        """Delete it, unless it was sealed.  Idempotent."""
        with self._lock:
            if self._over:
                return
            self._over = True
            if self._fd is None:
                return
            try:
                self._close()
                self._tools.files.unlink(self._path)
            except FileNotFoundError:
                return  # it had left staging when it could not be sealed
            except OSError as error:
                self._tools.health.wrote("dropping an upload", error)

    def _check_open(self) -> None:
        self._tools.health.check()
        if self._over:
            raise Unavailable("this upload is over")

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            self._tools.files.close(fd)


@implementer(IFragmentUpload)
class DiskUpload:
    """
    An upload: held in memory while it may be small, a file in staging when it is not.

    `unwritten` is how many of the announced bytes the disk does not have yet.
    """

    def __init__(self, tools: UploadTools, name: FragmentName, length: int | None) -> None:
        self._tools = tools
        self._name = name
        self._announced = length or 0
        self._size = 0
        self._held: list[bytes] = []
        self._file: StagedFile | None = None

    @property
    def unwritten(self) -> int:
        """Bytes that were announced and are not on the disk."""
        return max(0, self._announced - (self._size if self._file else 0))

    def write(self, pieces: Pieces) -> Deferred[None]:
        """Append; see IFragmentUpload."""
        self._size += sum(map(len, pieces))
        if self._file is None and self._size <= SMALL:
            self._held.extend(bytes(piece) for piece in pieces)
            return succeed(None)
        if self._file is None:
            self._file = StagedFile(self._tools, self._name)
            pieces = [*self._held, *pieces]
            self._held = []
        return self._tools.in_thread(self._file.write, pieces)

    @deferred
    async def seal(self, header: FragmentHeader) -> None:
        """Make it durable and visible; see IFragmentUpload."""
        self._tools.health.check()
        if header.name != self._name:
            raise BadDigest(f"fragment {header.name} was uploaded as {self._name}")
        if header.length != self._size:
            raise BadDigest(f"{self._size} bytes came of a fragment of {header.length}")
        if self._file is None:
            await self._tools.writer.submit(Put(header, self._held))
        else:
            await self._tools.in_thread(self._file.seal, header)
        self._announced = 0

    @deferred
    async def abort(self) -> None:
        """Drop it; see IFragmentUpload."""
        self._held = []
        self._announced = 0
        if self._file is not None:
            await self._tools.in_thread(self._file.drop)
