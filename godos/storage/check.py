"""Reading all of a storage directory again: docs/disk-format.rst, "godos disk check"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, frozen

from godos.model.errors import CannotStart
from godos.model.fragments import CHUNK
from godos.model.names import FragmentName
from godos.storage.check_files import opened
from godos.storage.check_index import KnownIndex, opened_index
from godos.storage.check_objects import ObjectsCheck
from godos.storage.check_volumes import VolumesCheck
from godos.storage.findings import Finding, Findings, Sort
from godos.storage.identity import Identity, lock_directory, read_identity
from godos.storage.layout import Layout, fragment_of, volume_number
from godos.storage.past_cache import PastCacheFiles
from godos.storage.proof import failure_of, let_back

_FOLDERS = ("volumes", "objects", "staging")
_SINGLE = ("node.json", "failed.json", "scrub.json", "index.sqlite", "index.sqlite-wal")


@frozen
class Watch:
    """Whom a check tells: of each finding, of all bytes to come, and of each step of them."""

    found: Callable[[Finding], object]
    expect: Callable[[int], object] = bool
    progress: Callable[[int], object] = bool


@contextmanager
def locked(files: PastCacheFiles, directory: str) -> Iterator[Identity]:
    """
    Keep daemons from a storage directory; answers whose it is.

    Raises:
        CannotStart: a daemon serves it, or it is none.
    """
    lock = lock_directory(files, directory)
    try:
        identity = read_identity(directory, files)
        if identity is None:
            raise CannotStart(f"{directory} is no storage directory: it has no node.json")
        yield identity
    finally:
        files.close(lock)


@define
class DirectoryCheck:
    """
    Reads every byte of a locked storage directory, and changes nothing.

    After `run`, `findings` has the counts, and `failure` is why the node left service, as
    far as its disk tells.
    """

    files: PastCacheFiles
    directory: str
    watch: Watch
    findings: Findings
    failure: str | None = None

    @classmethod
    def of(cls, files: PastCacheFiles, directory: str, watch: Watch) -> DirectoryCheck:
        """Of this directory."""
        return cls(files, directory.rstrip("/") or "/", watch, Findings(watch.found))

    @property
    def layout(self) -> Layout:
        return Layout(self.directory)

    def run(self) -> None:
        """
        Check it.

        Raises:
            CannotStart: a file in it was written by a newer godos.
        """
        self.files.settle()
        folders = {folder: self._names(folder) for folder in _FOLDERS}
        numbers = self._volumes(folders["volumes"])
        names = self._objects(folders["objects"])
        paths = [self.layout.volume(number) for number in numbers]
        paths += [self.layout.object(name) for name in names]
        self.watch.expect(sum(map(self._length, paths)))
        self._leftovers(folders["staging"])
        self._single_files()
        self.failure = failure_of(self.files, self.layout)
        with opened_index(self.files, self.layout, self.findings) as index:
            self._check_volumes(numbers, index)
        objects = ObjectsCheck(self.files, self.layout, self.findings, self.watch.progress)
        for name in names:
            objects.run(name)

    def _check_volumes(self, numbers: list[int], index: KnownIndex | None) -> None:
        volumes = VolumesCheck(self.files, self.layout, self.findings, self.watch.progress, index)
        volumes.run(numbers)
        volumes.compare_index()

    # -- what is there --------------------------------------------------------------------
    def _names(self, folder: str) -> list[str]:
        try:
            return sorted(self.files.names(f"{self.directory}/{folder}"))
        except FileNotFoundError:
            self.findings.add(Sort.DAMAGED, folder, 0, "the folder is missing")
        except OSError as error:
            what = f"the folder cannot be read: {error.strerror}"
            self.findings.add(Sort.UNREADABLE, folder, 0, what)
        return []

    def _volumes(self, names: list[str]) -> list[int]:
        numbers = {name: volume_number(name) for name in names}
        for name, number in numbers.items():
            if number is None:
                self._strange(f"volumes/{name}")
        return [number for number in numbers.values() if number is not None]

    def _objects(self, shelves: list[str]) -> list[FragmentName]:
        found = []
        for shelf in shelves:
            if len(shelf) != 2 or not set(shelf) <= set("0123456789abcdef"):
                self._strange(f"objects/{shelf}")
                continue
            for file in self._names(f"objects/{shelf}"):
                name = fragment_of(shelf, file)
                if name is None:
                    self._strange(f"objects/{shelf}/{file}")
                else:
                    found.append(name)
        return found

    def _length(self, path: str) -> int:
        try:
            return self.files.length(path)
        except OSError:
            return 0  # to open it fails as well, and that is reported

    def _strange(self, name: str) -> None:
        self.findings.add(Sort.LEFTOVER, name, 0, "not ours by its name, and not touched")

    def _leftovers(self, staged: list[str]) -> None:
        for name in staged:
            what = "an upload or volume that was not finished; the next start deletes it"
            self.findings.add(Sort.LEFTOVER, f"staging/{name}", 0, what)
        present = self.files.names(self.directory)
        for name in ("node.json.new", "checked.json.new", "scrub.json.new"):
            if name in present:
                self.findings.add(Sort.LEFTOVER, name, 0, "a write that was not finished")

    def _single_files(self) -> None:
        """Can the small files be read?  What they say is looked at later."""
        present = self.files.names(self.directory)
        for name in _SINGLE:
            if name in present:
                self._try(name)

    def _try(self, name: str) -> None:
        with opened(self.files, self.findings, f"{self.directory}/{name}", name) as fd:
            if fd is not None:
                for offset in range(0, self.files.size(fd), CHUNK):
                    self.files.read(fd, CHUNK, offset)
                self.files.forget(fd)  # SQLite reads its file through the cache

    # -- afterwards -----------------------------------------------------------------------
    def let_back(self, identity: Identity) -> bool:
        """
        Let the node back into service, if the disk gave every byte; tells whether.

        Damaged fragments do not keep it out: they are never served, and are repaired from
        other nodes.  Raises OSError: the disk does not take the proof.
        """
        if not self.findings.readable:
            return False
        let_back(self.files, self.layout, identity.node)
        return True
