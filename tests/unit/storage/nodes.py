"""Real storage directories for tests: small volumes, and no threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred

from godos.model.blobs import FragmentHeader
from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.storage.opening import Machinery, Wanted, open_store
from godos.storage.store import DiskFragmentStore
from tests.contract.fragment_store import content, header_of
from tests.simulation.node import AtOnce, CrankedWriter, now

VOLUME = 64 << 10  # bytes


def opened(directory: Path, **how: Any) -> DiskFragmentStore:
    """
    The node in that directory, made when missing; the caller closes it.

    It compacts only when it is asked to.
    """

    def in_reactor(call: Callable[..., Any], *args: Any) -> None:
        if args:  # a failure is told
            call(*args)

    machinery = Machinery(
        maybeDeferred,
        in_reactor,
        volume_size=VOLUME,
        reserve=0,
        background=AtOnce,
        writer=lambda log: CrankedWriter(log, lambda *_: None),
    )
    return now(open_store(Wanted(str(directory), create=True, **how), machinery))


@contextmanager
def serving(directory: Path) -> Iterator[DiskFragmentStore]:
    """The node for a while."""
    store = opened(directory)
    try:
        yield store
    finally:
        now(store.close())


def stored(store: DiskFragmentStore, size: int, name: FragmentName) -> FragmentHeader:
    """Store `content(size)` under that name; its header."""
    payload = content(size)
    header = header_of(payload, name, b'{"key": "k"}')
    if size <= SMALL:
        now(store.put(header, [payload]))
    else:
        upload: Any = now(store.upload(name, size))
        now(upload.write([payload]))
        now(upload.seal(header))
    return header


def flip(path: Path, offset: int) -> None:
    """Turn one bit of a file."""
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 4
    path.write_bytes(raw)


def picture(directory: Path) -> dict[str, bytes]:
    """All files below a directory, but for memory that processes share."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }
