"""A server on loopback that answers the commands with what a test gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from attrs import define, field

# (method, target) -> status and document
Respond = Callable[[str, str], tuple[int, Any]]


@define
class Asked:
    """What the commands sent."""

    endpoint: str
    requests: list[tuple[str, str]] = field(factory=list)  # method, target
    headers: list[dict[str, str]] = field(factory=list)  # names in lower case


@contextmanager
def answering(respond: Respond) -> Iterator[Asked]:
    """Answer on a free port while the body runs."""

    class Answers(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked.requests.append((self.command, self.path))
            asked.headers.append({name.lower(): text for name, text in self.headers.items()})
            status, document = respond(self.command, self.path)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Answers)
    asked = Asked(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
