"""All servers on one machine and one SQLite file: its owner is killed under load, and then all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from threading import Event
from typing import Any

import requests
from attrs import define, field

from tests.catalog_audit import Rows
from tests.integration.catalog_rows import rows
from tests.integration.cluster import PATIENCE, Cluster, Server, cluster, until
from tests.integration.contents import content

WRITERS = 4
OWNERS = 5  # that are killed, one after the other
SIZES = (100, 40_000, 1_500_000)
VERSIONED = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@define
class Writer:
    """Puts version after version of one object, each another, until it is told to stop."""

    key: str
    stop: Event
    acknowledged: list[str] = field(factory=list)  # ETags, in order
    attempted: dict[str, bytes] = field(factory=dict)  # by ETag

    def run(self, url: Sequence[str]) -> None:
        """`url` holds the bucket's URL as of now."""
        number = 0
        while not self.stop.is_set():
            number += 1
            body = content(self.key, number, SIZES[number % len(SIZES)])
            etag = md5(body).hexdigest()
            self.attempted[etag] = body
            try:
                put = requests.put(f"{url[0]}/{self.key}", data=body, timeout=PATIENCE)
            except requests.RequestException:
                time.sleep(0.05)  # it was killed
                continue
            if put.status_code == 200:
                assert put.headers["ETag"] == f'"{etag}"'
                self.acknowledged.append(etag)


def test_the_owner_is_killed_under_load(tmp_path: Path) -> None:
    """No acknowledged version is lost, and none is there twice, also after a power cut."""
    stop = Event()
    writers = [Writer(f"key-{number}", stop) for number in range(WRITERS)]
    with cluster(tmp_path, f"sqlite:{tmp_path / 'state.sqlite'}") as store:
        store.start()
        bucket = f"{store['api'].url}/kept"
        assert requests.put(bucket, timeout=PATIENCE).status_code == 200
        enabled = requests.put(f"{bucket}?versioning", VERSIONED, timeout=PATIENCE)
        assert enabled.status_code == 200
        url, killed = [bucket], set()
        with ThreadPoolExecutor(WRITERS) as threads:
            work = [threads.submit(writer.run, url) for writer in writers]
            try:
                for _ in range(OWNERS):
                    await_puts(writers, 15)
                    owner = owner_of(store)
                    killed.add(owner.name)
                    owner.kill()
                    owner.start().await_announced()
                    url[0] = f"{store['api'].url}/kept"
                await_puts(writers, 15)
                power_cut(store)
                url[0] = f"{store['api'].url}/kept"
                await_puts(writers, 15)
            finally:
                stop.set()
            for one in work:
                one.result(PATIENCE)
        assert len(killed) > 1, "always the same server owned the catalog"
        for writer in writers:
            check(writer, url[0])
        for server in store.servers.values():
            assert server.end() == 0
        found = Rows.of(rows(store.state))
        found.check_histories()
        found.check_references()
        found.check_blobs()


def power_cut(store: Cluster) -> None:
    """All processes end at once, and start again in another order."""
    servers = list(store.servers.values())
    for server in servers:
        server.kill()
    for server in reversed(servers):
        server.start()
    for server in servers:
        server.await_announced()


def owner_of(store: Cluster) -> Server:
    """The server that owns the catalog's file now."""
    owners: list[Server] = []

    def found() -> bool:
        pid = Path(f"{store.state.removeprefix('sqlite:')}.lock").read_text().strip()
        owners[:] = [one for one in store.servers.values() if str(one.pid) == pid]
        return len(owners) == 1

    until(found, "nobody owns the catalog")
    return owners[0]


def await_puts(writers: Sequence[Writer], more: int) -> None:
    """Wait until so many more versions were acknowledged."""

    def number() -> int:
        return sum(len(writer.acknowledged) for writer in writers)

    wanted = number() + more
    until(lambda: number() >= wanted, "nothing is stored any more")


def check(writer: Writer, bucket: str) -> None:
    """Its versions are those that it wrote, in its order, each once, and whole."""
    listed = versions_of(bucket, writer.key)
    etags = [version["ETag"].strip('"') for version in reversed(listed)]  # oldest first
    assert [etag for etag, times in Counter(etags).items() if times > 1] == []
    assert set(etags) <= set(writer.attempted)
    assert [etag for etag in etags if etag in writer.acknowledged] == writer.acknowledged
    for version in (listed[0], listed[-1]):
        got = requests.get(
            f"{bucket}/{writer.key}", {"versionId": version["VersionId"]}, timeout=PATIENCE
        )
        assert got.content == writer.attempted[version["ETag"].strip('"')]


def versions_of(bucket: str, key: str) -> list[dict[str, Any]]:
    """All versions of an object, newest first."""
    page = {"versions": "", "prefix": key, "format": "json"}
    found: list[dict[str, Any]] = []
    while True:
        answer = requests.get(bucket, page, timeout=PATIENCE).json()
        found += answer["Versions"]
        if not answer["IsTruncated"]:
            return found
        page |= {"key-marker": answer["NextKeyMarker"]}
        page |= {"version-id-marker": answer["NextVersionIdMarker"]}
