"""
Faults in files, and the last count: what the catalog says against the bytes on disks.

    python -m bench.chaos.disks STATE DIR…     count, while no server runs; prints JSON
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

from godos.cli.opening import in_catalog
from godos.cli.running import run
from godos.deferreds import WorkerPool, deferred
from godos.model.blobs import Blob, BlobState
from godos.model.catalog import ICatalog
from godos.model.errors import GodosError
from godos.model.names import FragmentName
from godos.service import values
from godos.service.pools import stop_pool
from godos.storage.opening import Machinery, Wanted, open_store

_PAGE = 1000  # rows or names at a time

_KEPT_HEAD = 4096  # bytes at the beginning of a volume: its own header is not the payload's


def corrupt(storage: Path, chance: random.Random, share: float) -> tuple[int, int]:
    """
    Turn some bits over in a share of the files of large fragments, and in the volumes.

    Answers how many files and how many places in volumes.
    """
    found = sorted((storage / "objects").rglob("*.*"))
    files = sum(_flipped(path, chance, 0, 1) for path in found if chance.random() < share)
    places = sum(
        _flipped(volume, chance, _KEPT_HEAD, _used(volume) // (4 << 20) + 1)
        for volume in sorted((storage / "volumes").iterdir())
    )
    return files, places


def _flipped(path: Path, chance: random.Random, start: int, places: int) -> int:
    """Turn a bit over in so many places; a file that was removed meanwhile has none."""
    try:
        size = _used(path) if start else path.stat().st_size
        for _ in range(places):
            _flip(path, chance, start, size)
    except FileNotFoundError:
        return 0
    return places if size > start else 0


def _used(volume: Path) -> int:
    """Bytes up to the last one that is not zero: volumes are zeroed ahead."""
    return len(volume.read_bytes().rstrip(b"\0")) if volume.exists() else 0


def _flip(path: Path, chance: random.Random, start: int, stop: int) -> None:
    if stop <= start:
        return
    with path.open("r+b") as file:
        place = chance.randrange(start, stop)
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << chance.randrange(8))]))


@define
class Count:
    """What is on disks, and what is missing there."""

    blobs: int = 0
    fragments: int = 0  # that are whole
    strays: int = 0  # of these, those that no layout names
    bytes: int = 0  # of all blobs, once each
    troubles: list[str] = field(factory=list)


@deferred
async def counted(reactor: Any, state: str, folders: Sequence[str]) -> Count:
    """Read every fragment of every disk, and compare with the catalog's layouts."""
    count = Count()
    pool = WorkerPool(reactor, "disk", 8)
    pool.start()
    try:
        held = dict([await _held(reactor, pool, folder, count) for folder in folders])
    finally:
        await stop_pool(reactor, pool)

    async def work(catalog: ICatalog) -> None:
        await _compare(catalog, held, count)

    await in_catalog(reactor, values.state(state), work)
    count.fragments = sum(map(len, held.values()))
    return count


async def _held(
    reactor: Any, pool: WorkerPool, folder: str, count: Count
) -> tuple[str, set[FragmentName]]:
    """A node's id, and the names of all fragments there that verify."""
    machinery = Machinery(pool, reactor.callFromThread)
    store = await open_store(Wanted(folder), machinery)
    good: set[FragmentName] = set()
    try:
        after: FragmentName | None = None
        while page := await store.inventory(after, _PAGE):
            after = page[-1].name
            for held in page:
                try:
                    await store.verify(held.name)
                except GodosError as error:
                    count.troubles.append(f"{folder}: {held.name}: {error}")
                else:
                    good.add(held.name)
    finally:
        await store.close()
    return store.node_id, good


async def _compare(catalog: ICatalog, held: Mapping[str, set[FragmentName]], count: Count) -> None:
    named: set[tuple[str, FragmentName]] = set()
    cursor: str | None = None
    while True:
        page = await catalog.blobs(cursor, _PAGE)
        for blob in page.blobs:
            named |= _look(blob, held, count)
        cursor = page.cursor
        if cursor is None:
            break
    on_disks = {(node, name) for node, names in held.items() for name in names}
    count.strays = len(on_disks - named)


def _look(
    blob: Blob, held: Mapping[str, set[FragmentName]], count: Count
) -> set[tuple[str, FragmentName]]:
    named = {(placed.node, FragmentName(blob.incarnation, placed.index)) for placed in blob.layout}
    if blob.state is BlobState.CONDEMNED:  # its fragments are being removed
        return named
    count.blobs += 1
    count.bytes += blob.size
    whole = {name.index for node, name in named if name in held.get(node, ())}
    if len(whole) < blob.policy.width:
        count.troubles.append(
            f"blob {blob.incarnation} ({blob.policy}, {blob.size} bytes) has "
            f"{len(whole)} of {blob.policy.width} fragments on disks"
        )
    return named


if __name__ == "__main__":
    print(json.dumps(asdict(run(lambda reactor: counted(reactor, sys.argv[1], sys.argv[2:])))))
