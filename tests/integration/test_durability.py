"""A 200 means durable: processes killed under load, and the flushes that precede an answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from attrs import define, field

from tests.integration.cluster import PATIENCE, Server, embedded, until
from tests.integration.contents import KIB, MIB, content
from tests.integration.tracing import Call, traced

WRITERS = 4
KEYS = 3  # of each writer
KILLS = 6


# -- killed at any moment -------------------------------------------------------------------
@define
class Key:
    """What one writer knows of one name: the last generation that was acknowledged."""

    name: str
    acknowledged: int = 0
    attempted: int = 0

    def check(self, server: Server) -> None:
        """It holds, whole, what was acknowledged last or what was on its way since."""
        got = server.get(self.name)
        if self.acknowledged == 0 and got.status_code == 404:
            return
        assert got.status_code == 200, (self, got.status_code, got.text[:500])
        possible = range(max(self.acknowledged, 1), self.attempted + 1)
        found = [one for one in possible if content(self.name, one) == got.content]
        assert found, f"{self} holds {len(got.content)} bytes that were never its content"
        self.acknowledged = found[0]


@define
class Writer:
    """Puts new generations of its names, one after the other, until the server is gone."""

    keys: Sequence[Key]
    puts: int = 0
    refusals: list[str] = field(factory=list)

    def run(self, server: Server, url: str) -> None:
        with requests.Session() as session:
            for key in self._forever():
                key.attempted += 1
                body = content(key.name, key.attempted)
                try:
                    put = session.put(f"{url}/objects/{key.name}", data=body, timeout=PATIENCE)
                except requests.RequestException:
                    return
                if put.status_code == 200:
                    key.acknowledged = key.attempted
                    self.puts += 1
                else:
                    self.refusals.append(put.text)

    def _forever(self) -> Iterator[Key]:
        while True:
            yield from self.keys


def test_killed_again_and_again(tmp_path: Path) -> None:
    """Every acknowledged object is there, whole; of the others the old or the new one is."""
    writers = [Writer([Key(f"{w}-{k}") for k in range(KEYS)]) for w in range(WRITERS)]
    keys = [key for writer in writers for key in writer.keys]
    with embedded(tmp_path) as server, ThreadPoolExecutor(WRITERS) as threads:
        for _ in range(KILLS):
            url = server.start().await_announced().url
            for key in keys:
                key.check(server)
            before = sum(writer.puts for writer in writers)
            work = [threads.submit(writer.run, server, url) for writer in writers]
            wanted = before + random.randrange(5, 60)
            until(lambda wanted=wanted: sum(writer.puts for writer in writers) >= wanted)
            server.kill()
            for one in work:
                one.result(PATIENCE)
        server.start().await_announced()
        for key in keys:
            key.check(server)
        assert server.names() == sorted(key.name for key in keys if server.head(key.name).ok)
        assert list((tmp_path / "godos-data" / "staging").iterdir()) == []
        assert server.end() == 0
    assert [refusal for writer in writers for refusal in writer.refusals] == []


# -- flushed before the answer ---------------------------------------------------------------
WAL, VOLUME = "/catalog.sqlite-wal>", "/volumes/0"
Step = Callable[[Call], bool]


def flushes(part: str) -> Step:
    """A flush of a file or folder with `part` in its path."""
    return lambda call: call.flushes(part)


EMPTY: Sequence[Step] = [flushes(WAL)]
SMALL: Sequence[Step] = [flushes(VOLUME), flushes(WAL)]
LARGE: Sequence[Step] = [
    flushes("/staging/"),
    lambda call: call.renames("/objects/"),
    flushes("/objects/"),
    flushes(WAL),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it running."""
    with embedded(tmp_path_factory.mktemp("durability")) as server:
        yield server.start().await_ready()


def test_flushed_before_each_answer(store: Server, tmp_path: Path) -> None:
    """The bytes, their names and then the catalog are flushed before each 200 is sent."""
    wanted = {1: SMALL, 4 * KIB: SMALL, MIB: SMALL, MIB + 1: LARGE, 0: EMPTY, 3 * MIB: LARGE}
    with traced(store.pid, tmp_path) as trace:
        for size in wanted:
            assert store.put("flushed", content("flushed", size=size)).status_code == 200
    answered = list(requests_of(trace.calls))
    assert len(answered) == len(wanted)
    for (size, steps), calls in zip(wanted.items(), answered, strict=True):
        left = list(steps)
        for call in calls:
            if left and left[0](call):
                left.pop(0)
        assert not left, f"{len(left)} flushes are missing before the answer for {size} bytes"


def requests_of(calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """For each PUT, one after the other, what happened until its 200 was sent."""
    begun: list[Call] | None = None
    for call in calls:
        if call.receives("PUT /"):
            begun = []
        elif begun is not None and call.sends("HTTP/1.1 200 "):
            yield begun
            begun = None
        elif begun is not None:
            begun.append(call)


def test_one_flush_for_many(store: Server, tmp_path: Path) -> None:
    """Under load one flush serves many: there are fewer flushes than PUTs, and not none."""
    clients, each = 16, 20
    with traced(store.pid, tmp_path) as trace, ThreadPoolExecutor(clients) as threads:
        work = [threads.submit(_put_some, store, client, each) for client in range(clients)]
        assert sum(one.result(PATIENCE) for one in work) == clients * each
    for part in (VOLUME, WAL):
        flushed = sum(call.flushes(part) for call in trace.calls)
        assert 0 < flushed < clients * each, part


def _put_some(server: Server, client: int, number: int) -> int:
    """Put so many objects on one connection; answers how many were taken."""
    with requests.Session() as session:
        urls = [server.at(f"grouped-{client}-{one}") for one in range(number)]
        puts = [session.put(url, data=b"x" * 4 * KIB, timeout=PATIENCE) for url in urls]
        return sum(put.status_code == 200 for put in puts)
