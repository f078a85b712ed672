"""What a node has: all that is asked of its disk without changing it.  All of it blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import ENOENT

import apsw
from attrs import frozen

from godos.deferreds import InThread
from godos.model.blobs import FragmentHeader, Held
from godos.model.errors import NoSuchFragment
from godos.model.fragments import CHUNK
from godos.model.names import FragmentName
from godos.storage.counters import Counters
from godos.storage.files import IFiles, Room
from godos.storage.health import Health
from godos.storage.index import name_of
from godos.storage.inventory import Inventory
from godos.storage.layout import Layout
from godos.storage.ledger import Ledger
from godos.storage.object_files import ObjectFiles
from godos.storage.reader import BlockFile, FileReader, HeldReader
from godos.storage.small import SmallFragments

_INDEXES = 1000  # that fragments of one blob can have


@frozen
class Holdings:
    """Large fragments and small ones, as one.  May be used from any thread."""

    files: IFiles
    layout: Layout
    lock: int  # of the directory
    ledger: Ledger
    small: SmallFragments
    objects: ObjectFiles
    health: Health
    counters: Counters
    inventory: Inventory
    verified: Callable[[FragmentName], float]  # since when a fragment is known to be good
    in_thread: InThread  # that readers of large fragments go on in

    def open(self, name: FragmentName, start: int, stop: int | None) -> HeldReader | FileReader:
        """A reader of bytes [start, stop), of which the first are verified already."""
        self.health.check()
        self.counters.reads += 1
        try:
            return HeldReader(*self._read_small(name, start, stop))
        except NoSuchFragment:
            file = self._open_file(name)
        try:
            length = file.header.length
            end = length if stop is None else min(stop, length)
            if end - start > CHUNK:
                file.expect_sequential()
            return FileReader(file, min(start, end), end, self.in_thread)
        except BaseException:
            file.close()
            raise

    def begin_verify(self, name: FragmentName) -> FragmentHeader | BlockFile:
        """The header of a small fragment, which is good; or the file of a large one."""
        self.health.check()
        try:
            return self._read_small(name, 0, None, past_cache=True)[0]
        except NoSuchFragment:
            file = self._open_file(name)
        file.forget_cache()
        return file

    def _read_small(
        self, name: FragmentName, start: int, stop: int | None, past_cache: bool = False
    ) -> tuple[FragmentHeader, bytes]:
        try:
            return self.small.read(name, start, stop, past_cache)
        except apsw.Error as error:
            raise self.health.fail("reading the index", error) from error

    def _open_file(self, name: FragmentName) -> BlockFile:
        fd, trailer = self.objects.open(name)
        return BlockFile(self.files, fd, trailer, self.counters)

    # -- listing ------------------------------------------------------------------------
    def holds(self, incarnations: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """Which fragments of these blobs are here."""
        held: dict[str, set[int]] = {incarnation: set() for incarnation in incarnations}
        with self._listing():
            for incarnation, indexes in held.items():
                start = bytes.fromhex(incarnation)
                keys = self.ledger.page(start, start + b"\xff\xff", _INDEXES)
                indexes.update(name_of(key).index for key in keys)
            for shelf in {incarnation[:2] for incarnation in held}:
                for name in self.objects.of_blobs(shelf, held):
                    held[name.incarnation].add(name.index)
        return {each: tuple(sorted(indexes)) for each, indexes in held.items() if indexes}

    def page(self, after: FragmentName | None, limit: int) -> Sequence[Held]:
        """The next fragments, in the order of their names."""
        with self._listing():
            names = self.inventory.page(after, limit)
        return [Held(name, self.verified(name)) for name in names]

    def room(self) -> Room:
        """
        Capacity and free bytes of the disk.

        Raises:
            NodeFailed: also when the directory is not there any more, or another is in its
                place: what is written to it now would be lost with the process.
        """
        self.health.check()
        try:
            if not self.files.is_at(self.lock, self.layout.root):
                raise FileNotFoundError(ENOENT, "the directory was removed, or unmounted")
            return self.files.room(self.layout.root)
        except OSError as error:
            raise self.health.wrote("asking for free room", error) from error

    @contextmanager
    def _listing(self) -> Iterator[None]:
        """Who cannot tell what it has must not say that it has nothing."""
        self.health.check()
        try:
            yield
        except apsw.Error as error:
            raise self.health.fail("reading the index", error) from error
        except OSError as error:
            raise self.health.wrote("listing fragments", error) from error
