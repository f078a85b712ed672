"""Servers to measure, started on loopback with their data in a folder of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve, frozen

NGINX = """
worker_processes 2;
daemon off;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    client_max_body_size 0;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root {place}/www;
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
    }}
}}
"""


@frozen
class Server:
    """A running server: where objects go, and which processes it is."""

    name: str
    base: str  # URL that object names are appended to
    pids: tuple[int, ...]


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_http(url: str, process: subprocess.Popen[bytes], patience: float = 30.0) -> None:
    """Wait until something answers there; fails when the process ends before."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with exit code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing answers at {url}")


@contextmanager
def started(command: list[str], url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process for the time of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
        try:
            await_http(url, process)
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def embedded(place: Path, *options: str) -> Iterator[Server]:
    """The embedded server with these options, on SQLite, with its default durability."""
    place.mkdir(parents=True)
    port = free_port()
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [twistd, "-n", "godos", "--port", str(port), "--storage", str(place / "data")]
    command += ["--log-level", "warn", *options]
    url = f"http://127.0.0.1:{port}"
    with started(command, f"{url}/-/ready", place / "log") as process:
        yield Server("godos", f"{url}/", (process.pid,))


@contextmanager
def godos(place: Path) -> Iterator[Server]:
    """The embedded server as it is when nothing is configured."""
    with embedded(place) as server:
        yield evolve(server, base=f"{server.base}objects/")


@contextmanager
def nginx(place: Path) -> Iterator[Server]:
    """nginx with its dav module: no digest, no fsync, a file per object."""
    (place / "www").mkdir(parents=True)
    place.chmod(0o777)
    (place / "www").chmod(0o777)
    port = free_port()
    (place / "nginx.conf").write_text(NGINX.format(place=place, port=port))
    command = ["nginx", "-c", str(place / "nginx.conf"), "-p", str(place)]
    url = f"http://127.0.0.1:{port}/"
    with started(command, url, place / "log") as process:
        yield Server("nginx dav", url, (process.pid,))
