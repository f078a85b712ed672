"""A way to a server that is fast at first and then slow: what passes can be met half-way."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

READ = 64 << 10  # bytes at a time
REST = 0.25  # seconds before each read, once it is slow


class Narrow:
    """
    Passes TCP connections on to the server of `url`; slowly once `fast` bytes went there.

    `release` makes it fast again.
    """

    def __init__(self, url: str, fast: int) -> None:
        parts = urlsplit(url)
        self._server = parts.hostname or "", parts.port or 80
        self._left = fast
        self._slow = True
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        self._socket.close()

    def release(self) -> None:
        """From now on pass everything on at once."""
        self._slow = False

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(self._server, 30)
            for one, other, counted in ((client, server, True), (server, client, False)):
                one.settimeout(120)
                threading.Thread(
                    target=self._pass_on, args=(one, other, counted), daemon=True
                ).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        try:
            while data := one.recv(READ):
                if counted:
                    self._wait(len(data))
                other.sendall(data)
        except OSError:
            pass  # one of them left, and so do we
        finally:
            for each in (one, other):
                each.close()

    def _wait(self, size: int) -> None:
        with self._lock:
            self._left -= size
        if self._left < 0 and self._slow:
            time.sleep(REST)
