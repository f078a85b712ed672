"""
CPU and flushes of a node's disk alone, without HTTP: `python -m bench.storage [DIRECTORY]`.

CPU is that of the whole process, user and system, with the clients' share in it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from godos.deferreds import WorkerPool
from godos.model.blobs import FragmentHeader
from godos.model.fragments import CHUNK
from godos.model.names import FragmentName, new_id
from godos.storage.opening import Machinery, Wanted, open_store

SMALL = os.urandom(4096)
LARGE = 256 << 20
ROUNDS = 20_000
DIGEST = sha256(SMALL).hexdigest()


def header(length: int) -> FragmentHeader:
    """Of a new fragment."""
    return FragmentHeader(FragmentName(new_id(), 0), length, length, DIGEST, "copies=1")


async def measured(
    what: str, unit: str, count: float, counters: Any, work: Callable[[], Awaitable[object]]
) -> None:
    """Print what `work`, which does `count` units, cost."""
    before, syncs = time.perf_counter(), counters.log_syncs + counters.file_syncs
    cpu = time.process_time()
    await work()
    cpu, elapsed = time.process_time() - cpu, time.perf_counter() - before
    syncs = counters.log_syncs + counters.file_syncs - syncs
    print(
        f"{what:32} {count / elapsed:10.1f} {unit}/s   {cpu / count * 1e6:12.1f} µs CPU/{unit}"
        f"   {syncs / count:8.4f} flushes/{unit}"
    )


async def clients(count: int, total: int, one: Callable[[], Deferred[Any]]) -> None:
    """`count` clients that ask one after the other."""

    async def client() -> None:
        for _ in range(total // count):
            await one()

    await gatherResults([Deferred.fromCoroutine(client()) for _ in range(count)])


async def run(directory: str) -> None:
    """All measurements."""
    pool = WorkerPool(_reactor, "disk", 4)
    pool.start()
    store = await open_store(
        Wanted(directory, create=True), Machinery(pool, _reactor.callFromThread)
    )
    names: list[FragmentName] = []

    def put() -> Deferred[None]:
        new = header(len(SMALL))
        names.append(new.name)
        return store.put(new, [SMALL])

    async def read_small() -> None:
        reader: Any = await store.open(names[len(names) // 2], 0, None)
        await reader.read()
        names.append(names.pop(0))
        await reader.close()

    big = header(LARGE)
    chunk = os.urandom(CHUNK)

    async def upload() -> None:
        sending: Any = await store.upload(big.name, LARGE)
        for _ in range(LARGE // CHUNK):
            await sending.write([chunk])
        await sending.seal(big)

    async def download() -> None:
        reader: Any = await store.open(big.name, 0, None)
        while await reader.read():
            pass
        await reader.close()

    for count in (1, 32, 128):
        total = ROUNDS // 10 if count == 1 else ROUNDS
        await measured(
            f"PUT 4 KiB, {count} clients", "op", total, store.counters,
            lambda count=count, total=total: clients(count, total, put),
        )  # fmt: skip
    for count in (1, 32):
        await measured(
            f"GET 4 KiB, {count} clients", "op", ROUNDS // 2, store.counters,
            lambda count=count: clients(
                count, ROUNDS // 2, lambda: Deferred.fromCoroutine(read_small())
            ),
        )  # fmt: skip
    await measured("upload 256 MiB", "GB", LARGE / 1e9, store.counters, upload)
    await measured("read 256 MiB", "GB", LARGE / 1e9, store.counters, download)
    await store.close()
    pool.stop()


def main(reactor: Any, *arguments: str) -> Deferred[None]:
    """Measure in that directory, or in a new one that is removed afterwards."""
    del reactor
    if arguments:
        return Deferred.fromCoroutine(run(os.path.join(arguments[0], new_id())))

    async def somewhere() -> None:
        with tempfile.TemporaryDirectory() as directory:
            await run(os.path.join(directory, "node"))

    return Deferred.fromCoroutine(somewhere())


if __name__ == "__main__":
    react(main, sys.argv[1:])
