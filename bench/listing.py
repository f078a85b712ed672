"""
What pages of a large bucket's listing cost: the same, however many keys there are.

    python -m bench.listing [--albums 10,100,1000] [--dir DIRECTORY]

A bucket of ALBUM keys in each album (`0007/000123.jpg`) is written straight into the
catalog's file, and then listed through the catalog: pages of 1000 keys at its beginning,
middle and end, and pages of ten common prefixes, each of which skips an album.  The CPU is
that of the whole process for one page, the least of several.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import react

from godos.catalog.catalog import Catalog
from godos.catalog.places import ObjectKey
from godos.catalog.records import Head, bucket_item, head_item
from godos.catalog.rows import Row, to_row
from godos.catalog.sqlite import SQLiteItems
from godos.catalog.sqlite_format import open_writer
from godos.deferreds import WorkerPool, deferred
from godos.model.names import new_id
from godos.model.versions import NULL_VERSION, Attributes, Bucket, Listing, ObjectVersion

ALBUM = 1000  # keys
TRIES = 7  # of which the cheapest counts
INSERT = "INSERT INTO items(p, s, j, rev, state, expires) VALUES(?, ?, ?, ?, ?, ?)"
BUCKET = Bucket("photos", new_id(), "owner", 1.7e9, rev=new_id())
ATTRIBUTES = Attributes(headers={"content-type": "image/jpeg"}, owner="owner")


def rows(albums: int) -> Iterator[Row]:
    """The rows that listings read, of a bucket with so many albums."""
    yield to_row(bucket_item(BUCKET))
    for number in range(albums * ALBUM):
        key, operation = f"{number // ALBUM:04}/{number % ALBUM:06}.jpg", new_id()
        version = ObjectVersion(
            bucket=BUCKET.name,
            key=key,
            version_id=NULL_VERSION,
            seq=1,
            etag=new_id(),
            size=number,
            modified=1.7e9 + number,
            incarnation=new_id(),
            reference=operation,
            rev=operation,
            is_null=True,
            attributes=ATTRIBUTES,
            checksums={"crc64nvme": "AAAAAAAAAAA="},
        )
        yield to_row(head_item(ObjectKey(BUCKET, key), Head(version)))


def fill(path: str, albums: int) -> None:
    """Make the catalog's file."""
    connection = open_writer(path)
    with connection:
        connection.executemany(INSERT, rows(albums))
    connection.close()


async def cost(page: Callable[[], Awaitable[Listing]], lines: int) -> float:
    """ms of CPU for one page, which has so many lines."""
    best = float("inf")
    for _ in range(TRIES):
        before = time.process_time()
        listing = await page()
        best = min(best, time.process_time() - before)
        found = len(listing.versions) + len(listing.common_prefixes)
        if found != lines:
            raise SystemExit(f"a page of {lines} lines has {found}")
    return best * 1e3


HEAD = f"{'keys':>9} {'first 1000':>11} {'middle':>8} {'last':>8} {'10 prefixes':>12} {'middle':>8}"


async def measure(catalog: Catalog, albums: int) -> str:
    """One line of the table."""
    bucket = await catalog.bucket(BUCKET.name)
    middle, last = f"{albums // 2 - 1:04}/{ALBUM - 1:06}.jpg", f"{albums - 1:04}/"
    costs = [
        await cost(lambda after=after: catalog.list_objects(bucket, after=after), ALBUM)  # type: ignore[misc]
        for after in ("", middle, last)
    ]
    for after in ("", f"{max(0, albums // 2 - 5):04}" if albums > 10 else ""):
        costs.append(
            await cost(
                lambda after=after: catalog.list_objects(  # type: ignore[misc]
                    bucket, delimiter="/", after=after, limit=10
                ),
                10,
            )
        )
    one, two, three, four, five = costs
    return f"{albums * ALBUM:>9} {one:>11.2f} {two:>8.2f} {three:>8.2f} {four:>12.2f} {five:>8.2f}"


@deferred
async def run(sizes: list[int], place: Path) -> None:
    """Fill, list and print, size by size."""
    pool = WorkerPool(_reactor, "catalog", 3)
    pool.start()
    print(HEAD)
    for albums in sizes:
        with tempfile.TemporaryDirectory(dir=place) as directory:
            path = str(Path(directory) / "catalog.sqlite")
            fill(path, albums)
            clock: Any = _reactor
            items = await SQLiteItems.open(path, pool, clock)
            print(await measure(Catalog(items, clock), albums), flush=True)
            await items.close()
    pool.stop()


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--albums", default="10,100,1000", help="sizes of buckets")
    parser.add_argument("--dir", type=Path, default=Path("bench-data"), help="where data goes")
    return parser.parse_args()


def main() -> None:
    """Measure all sizes."""
    options = arguments()
    options.dir.mkdir(parents=True, exist_ok=True)
    sizes = [int(text) for text in options.albums.split(",")]
    react(lambda _: run(sizes, options.dir.resolve()))


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[func-returns-value]
