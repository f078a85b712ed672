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
from godos.model.blobs import Blob
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
    files = sorted(path for path in (storage / "objects").rglob("*") if path.is_file())
    chosen = [path for path in files if chance.random() < share]
    for path in chosen:
        _flip(path, chance, 0)
    places = 0
    for volume in sorted((storage / "volumes").iterdir()):
        size = _used(volume)
        for _ in range(max(1, size // (4 << 20)) if size > 2 * _KEPT_HEAD else 0):
            _flip(volume, chance, _KEPT_HEAD, size)
            places += 1
    return len(chosen), places


def _used(volume: Path) -> int:
    """Bytes up to the last one that is not zero: volumes are zeroed ahead."""
    with volume.open("rb") as file:
        return len(file.read().rstrip(b"\0"))


def _flip(path: Path, chance: random.Random, start: int, stop: int | None = None) -> None:
    size = path.stat().st_size if stop is None else stop
    if size <= start:
        return
    with path.open("r+b") as file:
        place = chance.randrange(start, size)
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
            count.blobs += 1
            count.bytes += blob.size
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
    whole = {name.index for node, name in named if name in held.get(node, ())}
    if len(whole) < blob.policy.width:
        count.troubles.append(
            f"blob {blob.incarnation} ({blob.policy}, {blob.size} bytes, {blob.state}) has "
            f"{len(whole)} of {blob.policy.width} fragments on disks"
        )
    return named


if __name__ == "__main__":
    print(json.dumps(asdict(run(lambda reactor: counted(reactor, sys.argv[1], sys.argv[2:])))))
