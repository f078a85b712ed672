"""Clients that people use, against the verbs on a real port, with objects kept in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import pytest_twisted
import requests
from attrs import frozen
from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.threads import deferToThread

from godos.web.admin import Admin
from godos.web.counters import Counters
from godos.web.streaming import StreamingSite
from godos.web.target import is_verb
from tests.memory_objects import MemoryObjects
from tests.open_front import open_front

TEXT = b"hello, world" * 100_000  # more than one piece


@frozen
class Server:
    """Where it listens, and how to use a blocking client beside the reactor."""

    url: str

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return deferToThread(function, *args, **kwargs)


@pytest.fixture
def server() -> Iterator[Server]:
    clock: Any = reactor
    objects = MemoryObjects(clock.seconds, 1 << 18)
    objects.create_bucket("objects", "anonymous")
    counters = Counters()
    front = open_front(clock, objects, counters)
    verbs = front.serving.serve
    admin = Admin(objects, front.pipeline.admit, verbs, lambda: succeed(()), counters, clock)
    site = StreamingSite(
        verbs,
        admin.app.resource(),
        lambda exchange: is_verb(exchange.target, exchange.method),
        clock,
    )
    port = clock.listenTCP(0, site, interface="127.0.0.1")
    yield Server(f"http://127.0.0.1:{port.getHost().port}")
    pytest_twisted.blockon(port.stopListening())
    site.abort()
    pytest_twisted.blockon(site.quiesce(1.0))


@pytest_twisted.ensureDeferred
async def test_the_first_python_client(server: Server, tmp_path: Path) -> None:
    """`requests.put(url, data=file)` and `requests.get(url)` keep a file, also an empty one."""
    for name, content in (("big", TEXT), ("small", b"x"), ("empty", b"")):
        path, url = tmp_path / name, f"{server.url}/objects/{name}"
        path.write_bytes(content)

        def round_trip(path: Path, url: str) -> Any:
            with path.open("rb") as file:
                put = requests.put(url, data=file, timeout=20)
            return put, requests.get(url, timeout=20)

        put, got = await server(round_trip, path, url)
        assert (put.status_code, got.status_code, got.content) == (200, 200, content)


@pytest_twisted.ensureDeferred
async def test_names_on_the_wire(server: Server) -> None:
    """Names that other servers tidy up arrive as they were sent."""
    for name in ("a//b", "%2e%2e/x", "a%2Fb", "folder/", "a%0Ab%00", "%C3%A9", "a+b", "%25"):
        url = f"{server.url}/objects/{name}"
        put = await server(requests.put, url, data=b"x", timeout=20)
        got = await server(requests.get, url, timeout=20)
        assert (put.status_code, got.content) == (200, b"x")
    listing = await server(requests.get, f"{server.url}/objects?format=json", timeout=20)
    keys = [entry["Key"] for entry in listing.json()["Contents"]]
    assert keys == ["%", "../x", "a\nb\0", "a+b", "a//b", "a/b", "folder/", "é"]


@pytest_twisted.ensureDeferred
async def test_one_connection(server: Server) -> None:
    """Answers without a body, and refusals, leave a connection that serves on."""

    def use() -> list[int]:
        with requests.Session() as session:
            url = f"{server.url}/objects/a"
            return [
                answer.status_code
                for answer in (
                    session.put(url, data=b"hello"),
                    session.get(url, headers={"If-None-Match": "*"}),
                    session.head(url),
                    session.get(url, headers={"Range": "bytes=1-2"}),
                    session.get(url, headers={"Range": "bytes=9-"}),
                    session.put(url, data=b"other", headers={"If-None-Match": "*"}),
                    session.delete(url),
                    session.head(url),
                    session.get(f"{server.url}/-/health"),
                    session.get(f"{server.url}/"),
                )
            ]

    assert await server(use) == [200, 304, 200, 206, 416, 412, 204, 404, 200, 200]


@pytest.mark.skipif(which("curl") is None, reason="curl is not installed")
@pytest_twisted.ensureDeferred
async def test_curl(server: Server, tmp_path: Path) -> None:
    """`curl -T` sends a file, a pipe, an unencoded name; `curl -C -` goes on with a download."""
    big = tmp_path / "big"
    big.write_bytes(TEXT)

    def curl(*args: str, **kwargs: Any) -> bytes:
        command = ["curl", "-sS", "--max-time", "20", "--path-as-is", *args]
        return subprocess.run(command, capture_output=True, check=True, **kwargs).stdout

    url = f"{server.url}/objects"
    await server(curl, "-f", "-T", str(big), f"{url}/big")
    await server(curl, "-f", "-T", "-", f"{url}/a//../piped-é", input=TEXT)
    assert await server(curl, "-f", f"{url}/big") == TEXT
    assert await server(curl, "-f", f"{url}/a//../piped-%C3%A9") == TEXT
    part = tmp_path / "part"
    part.write_bytes(TEXT[:1000])
    await server(curl, "-f", "-C", "-", "-o", str(part), f"{url}/big")
    assert part.read_bytes() == TEXT
    refused = await server(curl, "-T", str(big), "-H", "If-None-Match: *", f"{url}/big")
    assert b"<Code>PreconditionFailed</Code>" in refused
