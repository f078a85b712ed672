"""
The item store in one SQLite file that several processes of a machine use together.

Whichever process has the lock owns the file and serves the others at `PATH.sock`; when it
goes, the next that needs the catalog takes over.  What was on its way is sent again with its
token, so that it is done once, whether the former owner had done it or not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from godos.catalog.closing import Once, Running
from godos.catalog.items import Action, IItemStore, Item, Page, ScanPage
from godos.catalog.sqlite import SQLiteItems
from godos.catalog.sqlite_owner import Owner, socket_path
from godos.catalog.sqlite_remote import PATIENCE, OwnerGone, RemoteItems
from godos.deferreds import InThread, deferred
from godos.model.errors import CannotStart, CatalogUnavailable

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between two looks for an owner

T = TypeVar("T")


@implementer(IItemStore)
class SharedSQLiteItems:
    """See the module; made by `open`."""

    log = Logger()

    def __init__(
        self, path: str, reactor: Any, in_thread: InThread, patience: float = PATIENCE
    ) -> None:
        self._path = os.path.abspath(path)
        self._reactor, self._in_thread, self._patience = reactor, in_thread, patience
        self._route: IItemStore | None = None
        self._leave: Callable[[], Deferred[None]] = lambda: succeed(None)
        self._waiting: list[Deferred[IItemStore]] = []
        self._seeking = False
        self._why = "no process was found that owns it"
        self._running = Running()
        self.close = Once(self._close)

    @classmethod
    @deferred
    async def open(
        cls, path: str, reactor: Any, in_thread: InThread, patience: float = PATIENCE
    ) -> SharedSQLiteItems:
        """
        Own the file at `path`, or find who does.

        `in_thread` needs three threads to be at its best.  A request may take `patience`
        seconds to find an owner, and as much to be answered.

        Fails:
            CannotStart: the file, its lock or its socket cannot be used; one line says why.
            CatalogUnavailable: another process owns the file, and does not answer.
        """
        items = cls(path, reactor, in_thread, patience)
        try:
            await items._found(reactor.seconds() + patience)
        except BaseException:
            await items.close()
            raise
        return items

    def get(self, p: str, s: bytes) -> Deferred[Item | None]:
        return self._ask(lambda items: items.get(p, s))

    def get_many(self, places: Sequence[tuple[str, bytes]]) -> Deferred[Sequence[Item | None]]:
        return self._ask(lambda items: items.get_many(places))

    def query(
        self,
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,
    ) -> Deferred[Page]:
        return self._ask(lambda items: items.query(p, start, stop, limit, reverse, strong))

    def transact(self, actions: Sequence[Action], token: str) -> Deferred[None]:
        return self._ask(lambda items: items.transact(actions, token))

    def scan(self, cursor: str | None = None, limit: int = 1000) -> Deferred[ScanPage]:
        return self._ask(lambda items: items.scan(cursor, limit))

    def _ask(self, question: Callable[[IItemStore], Deferred[T]]) -> Deferred[T]:
        """Put a question to whoever owns the file: straight, when that is this process."""
        if isinstance(self._route, SQLiteItems) and not self.close.started:
            return question(self._route)
        return self._insist(question)

    @deferred
    async def _insist(self, question: Callable[[IItemStore], Deferred[T]]) -> T:
        """Ask again after each change of ownership."""
        if self.close.started:
            raise CatalogUnavailable("the catalog is closed")
        deadline = self._reactor.seconds() + self._patience
        with self._running:
            while True:
                items = await self._owned(deadline)
                try:
                    return await question(items)
                except OwnerGone:
                    if self._route is items:
                        self._route = None

    async def _owned(self, deadline: float) -> IItemStore:
        try:
            return await self._found(deadline)
        except CannotStart as error:
            # The daemon runs already: its callers see an outage, its log the reason.
            self.log.error("cannot take over the catalog: {why}", why=error)
            raise CatalogUnavailable(str(error)) from error

    async def _found(self, deadline: float) -> IItemStore:
        """The way to the items; soon, when it has to be found."""
        if self._route is not None:
            return self._route
        found: Deferred[IItemStore] = Deferred(self._waiting.remove)
        self._waiting.append(found)
        if not self._seeking:
            self._seek()
        left = max(deadline - self._reactor.seconds(), _FIRST_PAUSE)
        try:
            return await found.addTimeout(left, self._reactor)
        except TimeoutError as error:
            raise CatalogUnavailable(f"the catalog {self._path}: {self._why}") from error

    @deferred
    async def _seek(self) -> None:
        """Look until there is an owner, for as long as somebody waits.  Never fails."""
        self._seeking = True
        pause = _FIRST_PAUSE
        with self._running:
            while self._waiting:
                try:
                    route = self._route = await self._look()
                except OwnerGone as error:  # the lock is taken, and nobody serves yet
                    self._why = str(error)
                except Exception as error:
                    self._tell(error)
                else:
                    self._tell(route)
                if self._waiting:
                    await deferLater(self._reactor, pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
            self._seeking = False

    async def _look(self) -> IItemStore:
        owner = await Owner.take(self._path, self._reactor, self._in_thread)
        if owner is not None:
            self.log.info("this process owns the catalog {path}", path=self._path)
            self._leave = owner.close
            return owner.items
        items = await RemoteItems.connect(socket_path(self._path), self._reactor, self._patience)
        self._leave = items.close
        return items

    def _tell(self, found: IItemStore | Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if isinstance(found, Exception):
                one.errback(found)
            else:
                one.callback(found)

    @deferred
    async def _close(self) -> None:
        await self._running.idle()
        await self._leave()
