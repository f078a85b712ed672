"""`twistd -n godos` as a stranger meets it: one process, curl, requests and bare sockets."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.integration.cluster import PATIENCE, Server, embedded, need_curl, until
from tests.integration.contents import MIB, content, file_of
from tests.integration.daemons import Daemon

BIG = 64 * MIB


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it running."""
    with embedded(tmp_path_factory.mktemp("embedded")) as server:
        yield server.start().await_ready()


def storage(server: Server) -> Path:
    """Its storage directory."""
    return server.folder / "godos-data"


def curl(*words: str) -> subprocess.CompletedProcess[str]:
    """Run curl; its standard output is text."""
    need_curl()
    return subprocess.run(
        ["curl", "--silent", "--show-error", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def connection(server: Server) -> socket.socket:
    """A bare connection to it."""
    host, _, port = server.daemon.address().rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def everything(connection: socket.socket) -> bytes:
    """What comes until the connection ends or breaks."""
    received = bytearray()
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


def ask(server: Server, raw: bytes) -> bytes:
    """Send these very bytes, and read the answer until the server ends the connection."""
    with connection(server) as connected:
        connected.sendall(raw)
        return everything(connected)


# -- the first thing a stranger does -------------------------------------------------------
def test_the_first_five_minutes(tmp_path: Path) -> None:
    """Put a file with `curl -T`, kill -9 the server, start it again, get the same bytes."""
    file, back = file_of(tmp_path / "file", BIG), tmp_path / "back"
    with embedded(tmp_path) as server:
        server.start().await_announced()
        put = curl("-T", str(file), "-w", "%{http_code}", server.at("file"))
        assert put.stdout == "200", put
        server.kill()

        server.start().await_announced()
        got = curl("-o", str(back), "-w", "%{http_code} %{size_download}", server.at("file"))
        assert got.stdout == f"200 {BIG}", got
        subprocess.run(["cmp", str(file), str(back)], check=True)
        assert server.names() == ["file"]
        assert server.end() == 0


def test_a_second_server_leaves_the_first_alone(store: Server) -> None:
    """It is refused, and the first one goes on storing and serving."""
    assert store.put("kept", b"kept").status_code == 200
    with Daemon(store.folder, "godos", "--port", "0") as second:
        assert second.wait() == 1
    assert store.put("more", b"more").status_code == 200
    assert store.get("kept").content == b"kept"


# -- clients -------------------------------------------------------------------------------
def test_the_first_python_client(store: Server, tmp_path: Path) -> None:
    """`requests.put(url, data=file)` and `requests.get(url)` are all that it takes."""
    for size in (0, 1, 70_000, MIB, 5 * MIB + 3):
        file = file_of(tmp_path / f"python-{size}", size)
        url = store.at(file.name)
        with file.open("rb") as opened:
            assert requests.put(url, data=opened, timeout=PATIENCE).status_code == 200
        got = requests.get(url, timeout=PATIENCE)
        assert (got.status_code, got.content) == (200, file.read_bytes())


def test_a_body_in_chunks(store: Server, tmp_path: Path) -> None:
    """A body whose length nobody knows yet is stored whole, small or large."""
    need_curl()
    for size in (0, 10, 3 * MIB):
        bytes_ = content("chunks", size=size)
        pieces = [bytes_[start : start + 100_000] for start in range(0, size, 100_000)]
        assert store.put("chunks", iter(pieces)).status_code == 200
        assert store.get("chunks").content == bytes_
    file = file_of(tmp_path / "piped", 2 * MIB)
    with file.open("rb") as opened:
        command = ["curl", "-sS", "-w", "%{http_code}", "-T", "-", store.at("piped")]
        done = subprocess.run(command, stdin=opened, capture_output=True, timeout=PATIENCE)
    assert done.stdout == b"200"
    assert store.get("piped").content == file.read_bytes()


def test_refusals_come_before_the_body(store: Server, tmp_path: Path) -> None:
    """With `Expect: 100-continue` what can be refused is refused before any byte is sent."""
    file = file_of(tmp_path / "unsent", 8 * MIB)
    assert store.put("there", b"x").status_code == 200
    for url, wanted, header in (
        (store.at("there"), "412", "If-None-Match: *"),
        (store.at("x", bucket="no-such-bucket"), "404", "X-Nothing: 1"),
    ):
        words = ["-H", header, "-H", "Expect: 100-continue", "--expect100-timeout", "60"]
        done = curl(*words, "-T", str(file), "-w", "\n%{http_code} %{size_upload}", url)
        assert done.stdout.endswith(f"\n{wanted} 0"), done
    taken = ask(
        store,
        b"PUT /objects/taken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\n\r\n1234",
    )
    assert taken.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


# -- names ---------------------------------------------------------------------------------
NAMES = [
    "a//b",
    "//",
    "../x",
    "a/../b",
    ".",
    "%2F",
    "100%",
    "folder/",
    "a\nb",
    "tab\there\x00\x7f",
    "é\u0308",
    "\u00e9",
    "+ &=?#;",
    "-",
    "n" * 1024,
    "ü" * 512,
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
def test_every_name_is_its_own(store: Server, name: str) -> None:
    """A name is stored as it was sent, byte for byte, and is no other's."""
    target, body = quote(name, safe=""), name.encode() + b" is here"
    raw = b"PUT /objects/%s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    put = ask(store, raw % (target.encode(), len(body)) + body)
    assert put.startswith(b"HTTP/1.1 200 "), put
    got = curl("--path-as-is", store.at(target))
    assert got.stdout.encode("utf-8") == body
    assert name in store.names(name[:300])


def test_names_of_no_object(store: Server) -> None:
    """What is no name is refused, and what was never put is not there."""
    raw = "PUT /objects/{} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    for target, answer in (("n" * 1025, b"400"), ("%ff", b"400"), ("%2", b"400")):
        assert ask(store, raw.format(target).encode()).split()[1] == answer
    for name in ("a/b", "x", "b", "%2f%2f%2f", "folder", "folder//", "a"):
        assert curl("-w", "%{http_code}", "-o", "/dev/null", store.at(name)).stdout == "404"


def test_what_requests_makes_of_names(store: Server) -> None:
    """The same through a client library that thinks about names itself."""
    for name in ("a//c", "c/../d", "%2F", "folder2/", "a\nc", "100%", "+ &=?#;"):
        url = store.at(quote(name, safe="/.").replace("..", "%2E%2E"))
        assert requests.put(url, data=name.encode(), timeout=PATIENCE).status_code == 200
        assert requests.get(url, timeout=PATIENCE).content == name.encode()
        assert name in store.names(name)


# -- clients that leave --------------------------------------------------------------------
def test_a_client_that_hangs_up(store: Server) -> None:
    """Nothing of a broken upload is visible, and nothing of it stays on the disk."""
    staging = storage(store) / "staging"
    before = sorted(staging.iterdir())
    for framing in (b"Content-Length: 20000000", b"Transfer-Encoding: chunked"):
        with connection(store) as client:
            client.sendall(b"PUT /objects/cut HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % framing)
            piece = b"z" * MIB
            for _ in range(5):
                chunked = b"chunked" in framing
                client.sendall(b"100000\r\n%s\r\n" % piece if chunked else piece)
            until(lambda: len(list(staging.iterdir())) > len(before), "nothing was staged")
    until(lambda: sorted(staging.iterdir()) == before, "the staged bytes stay")
    assert store.get("cut").status_code == 404
    assert "cut" not in store.names()


# -- being told to stop --------------------------------------------------------------------
def test_told_to_stop_in_mid_transfer(tmp_path: Path) -> None:
    """Running requests are finished, those that take too long are broken off; exit code 0."""
    file, back = file_of(tmp_path / "file", 24 * MIB), tmp_path / "back"
    with embedded(tmp_path, "--stop-timeout", "3") as server:
        server.start().await_announced()
        assert curl("-T", str(file), server.at("file")).returncode == 0
        quick = [
            _slow_curl("-T", str(file), server.at("quick")),
            _slow_curl("-o", str(back), server.at("file")),
        ]
        with connection(server) as upload, connection(server) as download:
            upload.sendall(
                b"PUT /objects/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
            )
            upload.sendall(b"z" * 5 * MIB)
            download.sendall(b"GET /objects/file HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert download.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
            until(lambda: _running(server) + sum(one.poll() is not None for one in quick) == 4)
            began = time.monotonic()
            assert server.end() == 0
            assert time.monotonic() - began < 3 + 3 + 5  # patience, grace, and a busy machine
            assert b"200 OK" not in everything(upload)
            assert len(everything(download)) < len(file.read_bytes())
        assert [one.wait(PATIENCE) for one in quick] == [0, 0]

        server.start().await_announced()
        assert server.names() == ["file", "quick"]
        assert server.get("quick").content == file.read_bytes() == back.read_bytes()
        assert list((storage(server) / "staging").iterdir()) == []


def _slow_curl(*words: str) -> subprocess.Popen[bytes]:
    """A transfer of a second or so."""
    need_curl()
    command = ["curl", "-sS", "--fail", "--limit-rate", "20M", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _running(server: Server) -> int:
    """Requests that run, this one not counted."""
    lines = requests.get(f"{server.url}/-/metrics", timeout=PATIENCE).text.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("godos_http_running "))


# -- web pages that a browser on this machine shows ---------------------------------------------
def test_a_rebound_name(store: Server) -> None:
    """A page whose name leads to loopback can neither store nor read nor delete."""
    url = store.at("mine")
    assert requests.put(url, data=b"mine", timeout=PATIENCE).status_code == 200
    stranger = {"Host": "evil.example:8030"}
    for method in ("GET", "PUT", "DELETE"):
        refused = requests.request(method, url, headers=stranger, data=b"x", timeout=PATIENCE)
        assert refused.status_code == 403
        assert "--allow-anonymous" in refused.text
    assert requests.get(url, timeout=PATIENCE).content == b"mine"


def test_a_page_of_another_site(store: Server) -> None:
    """Its forms and scripts change nothing, and its browser is not told to show it answers."""
    url, origin = store.at("theirs"), {"Origin": "http://evil.example"}
    for method in ("PUT", "POST", "DELETE"):
        answer = requests.request(method, url, headers=origin, data=b"a=b", timeout=PATIENCE)
        assert 400 <= answer.status_code < 500
    asked = {**origin, "Access-Control-Request-Method": "PUT"}
    for answer in (
        requests.options(url, headers=asked, timeout=PATIENCE),
        requests.get(url, headers=origin, timeout=PATIENCE),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert requests.get(url, timeout=PATIENCE).status_code == 404


def test_what_only_servers_of_a_cluster_have(store: Server) -> None:
    """One process alone takes no hand-overs: that resource is not there."""
    url = store.at("x").replace("/objects/x", "/-/located")
    answer = requests.post(url, json={}, timeout=PATIENCE)
    assert (answer.status_code, "NoSuchResource" in answer.text) == (404, True)
