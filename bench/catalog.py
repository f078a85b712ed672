"""
CPU of the catalog alone on SQLite, without HTTP: `python -m bench.catalog [DIRECTORY]`.

CPU is that of the whole process, user and system, with the clients' share in it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from godos.catalog.catalog import Catalog
from godos.catalog.sqlite import SQLiteItems
from godos.deferreds import WorkerPool
from godos.model.blobs import Blob, Placed
from godos.model.multipart import MultipartUpload, NewPart
from godos.model.names import new_id
from godos.model.policy import Policy
from godos.model.versions import Attributes, NewVersion
from godos.service.memory import spare_the_collector

CLIENTS = 32
OBJECTS = 4096
PARTS = 1024
PAGES = 20  # of each kind of listing
LAYOUT = (Placed(0, new_id()),)


def blob() -> Blob:
    """Of a new object of 4 KiB."""
    return Blob(new_id(), 4096, "ab" * 32, Policy.copies(1), LAYOUT)


def version() -> NewVersion:
    """What an S3 client uploads: with a type, a checksum and an owner."""
    return NewVersion(
        new_id(),
        new_id(),
        4096,
        time.time(),
        blob(),
        Attributes(headers={"content-type": "image/jpeg"}, owner="ann"),
        {"crc64nvme": "AAAAAAAAAAA="},
    )


async def measured(what: str, unit: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
    """Print what `work`, which does `count` units, cost."""
    before, cpu = time.perf_counter(), time.process_time()
    await work()
    cpu, elapsed = time.process_time() - cpu, time.perf_counter() - before
    print(f"{what:36} {count / elapsed:10.1f} {unit}/s {cpu / count * 1e6:10.1f} µs CPU/{unit}")


async def clients(asked: list[Callable[[], Deferred[Any]]]) -> None:
    """Clients that ask one thing after the other, until all was asked."""
    waiting = iter(asked)

    async def client() -> None:
        for ask in waiting:
            await ask()

    await gatherResults([Deferred.fromCoroutine(client()) for _ in range(CLIENTS)])


async def objects(catalog: Catalog) -> None:
    """Puts, reads and listings."""
    bucket = await catalog.create_bucket("photos", "ann")
    keys = [f"dir{number % 8}/photo-{number:06d}.jpg" for number in range(OBJECTS)]
    puts = [lambda key=key: catalog.commit(bucket, key, version()) for key in keys]
    await measured("put", "object", OBJECTS, lambda: clients(puts))
    heads = [lambda key=key: catalog.head(bucket, key) for key in keys]
    await measured("head", "object", OBJECTS, lambda: clients(heads))
    listings: dict[str, Callable[[], Deferred[Any]]] = {
        "list 1000 objects": lambda: catalog.list_objects(bucket),
        "list 1000 versions": lambda: catalog.list_versions(bucket),
        "list 8 common prefixes of 4096": lambda: catalog.list_objects(bucket, delimiter="/"),
    }
    for what, ask in listings.items():

        async def pages(ask: Callable[[], Deferred[Any]] = ask) -> None:
            for _ in range(PAGES):
                await ask()

        await measured(what, "page", PAGES, pages)


async def uploads(catalog: Catalog) -> None:
    """An object of many parts."""
    bucket = await catalog.bucket("photos")
    opened = await catalog.create_upload(
        bucket, MultipartUpload(new_id(), "photos", "large", time.time())
    )

    def send(number: int) -> Deferred[Any]:
        new = NewPart(new_id(), number, 4096, new_id(), time.time(), blob())
        return catalog.put_part(opened, bucket, new)

    parts = [lambda number=number: send(number) for number in range(1, PARTS + 1)]
    await measured("part", "part", PARTS, lambda: clients(parts))
    sent = (await catalog.parts(opened, 0, PARTS)).parts
    whole = NewVersion(new_id(), "e", PARTS * 4096, time.time(), None, manifest=new_id())
    done = lambda: catalog.complete(bucket, opened, sent, whole)  # noqa: E731
    await measured(f"complete {PARTS} parts", "upload", 1, done)


async def main(reactor: Any, directory: str) -> None:
    pool = WorkerPool(reactor, "catalog", 3)
    pool.start()
    items = await SQLiteItems.open(str(Path(directory) / "catalog.sqlite"), pool, reactor)
    spare_the_collector()
    catalog = Catalog(items, reactor)
    await objects(catalog)
    await uploads(catalog)
    await items.close()
    pool.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=(sys.argv[1:] or [None])[0]) as folder:
        react(lambda reactor: Deferred.fromCoroutine(main(reactor, folder)), (), _reactor)
