"""Every byte of a node's large fragments, verified: docs/disk-format.rst, "A large fragment"."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from attrs import frozen

from godos.model.errors import FragmentDamaged
from godos.model.fragments import BLOCK, CHUNK
from godos.model.names import FragmentName
from godos.storage.check_files import opened
from godos.storage.checks import first_bad_block
from godos.storage.findings import Findings, Sort
from godos.storage.footer import Trailer
from godos.storage.layout import Layout
from godos.storage.past_cache import PastCacheFiles
from godos.storage.trailers import trailer_of


class Bad(NamedTuple):
    """Something wrong at `offset` of a file."""

    offset: int
    what: str


@frozen
class ObjectsCheck:
    """Checks files of large fragments, one by one; `progress` is told of bytes."""

    files: PastCacheFiles
    layout: Layout
    findings: Findings
    progress: Callable[[int], object]

    def run(self, name: FragmentName) -> None:
        """Read the file of this fragment, and report what is wrong with it."""
        path = self.layout.object(name)
        file = path[len(self.layout.root) + 1 :]
        with opened(self.files, self.findings, path, file, name) as fd:
            if fd is not None:
                self._check(fd, file, name)

    def _check(self, fd: int, file: str, name: FragmentName) -> None:
        size = self.files.size(fd)
        self.findings.files += 1
        self.findings.fragments += 1
        self.findings.size += size
        trailer: Trailer | None = None
        try:
            trailer = trailer_of(self.files, fd, "the file")
        except FragmentDamaged as error:
            self.findings.add(Sort.DAMAGED, file, 0, str(error), name)
        else:
            if trailer.header.name != name:
                what = f"it holds fragment {trailer.header.name}"
                self.findings.add(Sort.DAMAGED, file, 0, what, name)
        length = size if trailer is None else trailer.header.length
        bad = self._read(fd, length, trailer)
        if bad is not None:
            self.findings.add(Sort.DAMAGED, file, bad.offset, bad.what, name)
        self.progress(size - length)

    def _read(self, fd: int, length: int, trailer: Trailer | None) -> Bad | None:
        """All of the payload; answers the first block that fails its check."""
        bad = None
        for start in range(0, length, CHUNK):
            data = self.files.read(fd, min(CHUNK, length - start), start)
            if trailer is not None and bad is None:
                bad = bad_block(trailer, start, data)
            self.progress(len(data))
        return bad


def bad_block(trailer: Trailer, start: int, data: bytes) -> Bad | None:
    """The first block of `data`, the payload's bytes from `start` on, that fails its check."""
    wanted = min(CHUNK, trailer.header.length - start)
    number = first_bad_block(trailer.header.name, start // BLOCK, data, trailer.checks)
    if number is None and len(data) == wanted:
        return None
    number = start // BLOCK if number is None else number
    return Bad(number * BLOCK, f"block {number} of its payload fails its check")
