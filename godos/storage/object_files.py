"""Large fragments, a file each: docs/disk-format.rst, "A large fragment".  All of it blocks."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from threading import Lock

from godos.model.errors import FragmentDamaged, NoSuchFragment
from godos.model.names import FragmentName
from godos.storage.counters import Counters
from godos.storage.files import READ, IFiles
from godos.storage.footer import Trailer, read_trailer
from godos.storage.layout import Layout, fragment_of

_SHELF = re.compile(r"[0-9a-f]{2}")


class ObjectFiles:
    """Finds, adds and removes files in `objects`.  May be called from any thread."""

    def __init__(self, files: IFiles, layout: Layout, counters: Counters) -> None:
        self._files = files
        self._layout = layout
        self._counters = counters
        self._durable: set[str] = set()  # folders whose names in `objects` are durable
        self._making = Lock()
        self._counting = Lock()
        self._changes: dict[str, int] = {}  # shelf -> how many files came or went

    def recover(self) -> None:
        """Make durable what an earlier process left visible and perhaps not durable."""
        self._files.sync_directory(self._layout.objects)
        for shelf in self.shelves():
            path = f"{self._layout.objects}/{shelf}"
            self._files.sync_directory(path)
            self._durable.add(path)

    # -- finding ------------------------------------------------------------------------
    def open(self, name: FragmentName) -> tuple[int, Trailer]:
        """
        A descriptor, which the caller closes, and what follows the payload.

        Raises:
            NoSuchFragment: there is no such file.
            FragmentDamaged: its trailer fails its check, or is another fragment's.
        """
        path = self._layout.object(name)
        try:
            fd = self._files.open(path, READ)
        except FileNotFoundError as error:
            raise NoSuchFragment(f"fragment {name} is not here") from error
        try:
            trailer = self._trailer(fd, name)
        except BaseException as error:
            self._files.close(fd)
            self._counters.damaged += isinstance(error, FragmentDamaged)
            raise
        return fd, trailer

    def _trailer(self, fd: int, name: FragmentName) -> Trailer:
        try:
            size = self._files.size(fd)
            trailer = read_trailer(
                lambda length, offset: self._files.read(fd, length, offset), size, str(name)
            )
        except OSError as error:
            raise FragmentDamaged(f"fragment {name} cannot be read: {error}") from error
        if trailer.header.name != name:
            raise FragmentDamaged(f"the file {name} holds fragment {trailer.header.name}")
        return trailer

    def shelves(self) -> list[str]:
        """The folders in `objects`, in order."""
        names = self._files.names(self._layout.objects)
        return sorted(name for name in names if _SHELF.fullmatch(name))

    def names(self, shelf: str) -> list[FragmentName]:
        """The fragments in one folder, in order."""
        names = self._names(shelf, self._listed(shelf))
        return sorted(names, key=lambda name: (name.incarnation, name.index))

    def of_blobs(self, shelf: str, incarnations: Container[str]) -> list[FragmentName]:
        """Those of the fragments in one folder that are of certain blobs, in no order."""
        return self._names(shelf, (n for n in self._listed(shelf) if n[:32] in incarnations))

    def _listed(self, shelf: str) -> Sequence[str]:
        try:
            return self._files.names(f"{self._layout.objects}/{shelf}")
        except FileNotFoundError:
            return ()

    def _names(self, shelf: str, found: Iterable[str]) -> list[FragmentName]:
        names = (fragment_of(shelf, name) for name in found)
        return [name for name in names if name is not None]

    def changes(self, shelf: str) -> int:
        """A number that grows whenever a file comes into a folder, or leaves it."""
        return self._changes.get(shelf, 0)

    # -- changing -----------------------------------------------------------------------
    def add(self, staged: str, name: FragmentName) -> None:
        """
        Move a synced file from staging to its place, durably.

        Raises OSError; the file may be in its place then, and is not durable.
        """
        shelf = self._layout.shelf_of(name)
        self._make_shelf(shelf)
        try:
            self._rename(staged, name)
        finally:
            self._changed(name)
        self._sync(shelf)

    def _rename(self, staged: str, name: FragmentName) -> None:
        shelf, path = self._layout.shelf_of(name), self._layout.object(name)
        try:
            self._files.rename(staged, path)
        except FileNotFoundError:  # somebody removed the folder, and all that was in it
            self._durable.discard(shelf)
            self._make_shelf(shelf)
            self._files.rename(staged, path)

    def remove(self, name: FragmentName) -> bool:
        """Delete a fragment's file durably; tells whether there was one.  Raises OSError."""
        try:
            self._files.unlink(self._layout.object(name))
        except FileNotFoundError:
            return False
        finally:
            self._changed(name)
        self._sync(self._layout.shelf_of(name))
        return True

    def _changed(self, name: FragmentName) -> None:
        """After the change, so that who lists before it does not take that for the newest."""
        shelf = name.incarnation[:2]
        with self._counting:
            self._changes[shelf] = self._changes.get(shelf, 0) + 1

    def _make_shelf(self, shelf: str) -> None:
        with self._making:  # nobody may rely on a folder before its own name is durable
            if shelf in self._durable:
                return
            with suppress(FileExistsError):
                self._files.make_directory(shelf)
            self._sync(self._layout.objects)
            self._durable.add(shelf)

    def _sync(self, path: str) -> None:
        self._files.sync_directory(path)
        self._counters.file_syncs += 1
