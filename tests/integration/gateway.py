"""What stands between servers and the stand-ins for AWS: it notes operations, and can be out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from tests.standins import StandIn


class Gateway(ThreadingHTTPServer):
    """
    Passes requests on to a stand-in, and notes the operations in `asked`.

    While it is `out`, connections are closed without an answer.
    """

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind).netloc
        self.asked: set[str] = set()
        self.out = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one segment
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.add(self.headers["X-Amz-Target"].rpartition(".")[2])
        if self.server.out:
            self.close_connection = True
            return
        behind = HTTPConnection(self.server.behind, timeout=60)
        behind.request("POST", self.path, body, dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """The stand-ins' operations are no news."""


@contextmanager
def gateway(stand_in: StandIn) -> Iterator[Gateway]:
    """A gateway before a stand-in."""
    server = Gateway(stand_in.url)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
