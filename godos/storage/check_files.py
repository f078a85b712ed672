"""Opening the files of a storage directory under check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from godos.model.names import FragmentName
from godos.storage.files import READ
from godos.storage.findings import Findings, Sort
from godos.storage.past_cache import PastCacheFiles


@contextmanager
def opened(
    files: PastCacheFiles,
    findings: Findings,
    path: str,
    name: str,
    fragment: FragmentName | None = None,
) -> Iterator[int | None]:
    """
    A descriptor of a file; None when it cannot be opened.

    That is reported, under `name`, and at the end what of the file could not be read.
    """
    try:
        fd = files.open(path, READ)
    except OSError as error:
        findings.add(Sort.UNREADABLE, name, 0, f"cannot be opened: {error.strerror}", fragment)
        yield None
        return
    try:
        yield fd
        for each in files.troubles(fd):
            what = f"{each.stop - each.start} bytes cannot be read: {each.why}"
            findings.add(Sort.UNREADABLE, name, each.start, what, fragment)
    finally:
        files.close(fd)


@contextmanager
def opened_again(files: PastCacheFiles, path: str) -> Iterator[int | None]:
    """Likewise, of a file about which all was reported already."""
    try:
        fd = files.open(path, READ)
    except OSError:
        yield None
        return
    try:
        yield fd
    finally:
        files.close(fd)
