"""Trailers of large fragments in files that may be damaged in any way."""

from __future__ import annotations

from godos.model.errors import FragmentDamaged
from godos.storage.checks import CHECK, blocks_of
from godos.storage.description import MAX_DESCRIPTION
from godos.storage.files import IFiles
from godos.storage.footer import FOOTER, Trailer, read_trailer


def trailer_of(files: IFiles, fd: int, what: str) -> Trailer:
    """
    The trailer of an open file, which is called `what` in errors.

    However the file is, no more is read at once than an honest file of its size needs.

    Raises:
        FragmentDamaged: it does not verify.
    """
    size = files.size(fd)
    most = CHECK * blocks_of(size) + MAX_DESCRIPTION + FOOTER

    def read(length: int, offset: int) -> bytes:
        if length > most:
            raise FragmentDamaged(f"{what} has a trailer of {length} bytes, which is too much")
        return files.read(fd, length, offset)

    return read_trailer(read, size, what)
