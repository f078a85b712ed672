"""The process that owns a catalog file: its lock, its store, and the socket for the others."""

from __future__ import annotations

from typing import Any

from godos.catalog.sqlite import SQLiteItems
from godos.catalog.sqlite_ownership import Lock
from godos.catalog.sqlite_server import ItemsServer
from godos.deferreds import InThread, deferred


class Owner:
    """Made by `take`."""

    def __init__(self, lock: Lock, items: SQLiteItems, server: ItemsServer) -> None:
        self._lock, self._server = lock, server
        self.items = items

    @classmethod
    @deferred
    async def take(cls, path: str, reactor: Any, in_thread: InThread) -> Owner | None:
        """
        Own the file at `path`; None when another process does.

        Fails:
            CannotStart: the lock, the file or the socket cannot be used.
        """
        lock = Lock(lock_path(path))
        if not await in_thread(lock.acquire):
            return None
        try:
            items = await SQLiteItems.open(path, in_thread, reactor)
            try:
                server = ItemsServer(reactor, items, socket_path(path))
                server.start()
            except BaseException:
                await items.close()
                raise
        except BaseException:
            lock.release()
            raise
        return cls(lock, items, server)

    @deferred
    async def close(self) -> None:
        """Finish what was asked, and leave the file to others: in this order."""
        try:
            await self._server.stop()
            await self.items.close()
        finally:
            self._lock.release()


def lock_path(path: str) -> str:
    """The file whose lock says who owns the catalog at `path`."""
    return f"{path}.lock"


def socket_path(path: str) -> str:
    """Where the owner of the catalog at `path` listens."""
    return f"{path}.sock"
