"""Opening the catalog that `--state` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from godos.catalog.catalog import DYNAMODB_SETTLE, Catalog
from godos.catalog.items import IItemStore
from godos.deferreds import WorkerPool, deferred
from godos.model.errors import CannotStart, CatalogUnavailable
from godos.service.identity import orphaned
from godos.service.lifecycle import Step
from godos.service.pools import stop_pool
from godos.service.values import DynamoState, SqliteState, State

SQLITE_THREADS = 4


class OpenCatalog:
    """
    The catalog and what it is kept in, from `start` to `stop`.

    Args:
        known: answers of each storage folder that has one the id of its cluster: then the
            catalog is somewhere, and no new one is made.
    """

    def __init__(
        self,
        reactor: Any,
        state: State,
        known: Callable[[], Mapping[Path, str]] = dict,
    ) -> None:
        self._reactor = reactor
        self._known = known
        self._state = state
        self._pool: WorkerPool | None = None
        self._items: IItemStore | None = None
        self._catalog: Catalog | None = None

    def get(self) -> Catalog:
        """The catalog, once it is open."""
        assert self._catalog is not None
        return self._catalog

    def items(self) -> IItemStore:
        """What it is kept in, once it is open."""
        assert self._items is not None
        return self._items

    @property
    def step(self) -> Step:
        """Open it, and close it."""
        return Step("opening the catalog", self.open, self.close)

    @deferred
    async def open(self) -> None:
        """
        Open it; a SQLite file is made when missing, a table is not.

        Fails:
            CannotStart: one line that says what is missing.
        """
        try:
            if isinstance(self._state, SqliteState):
                self._items = await self._open_sqlite(self._state)
            else:
                self._items = await self._open_dynamodb(self._state)
        except CatalogUnavailable as error:
            await self.close()
            raise CannotStart(f"the catalog {self._state} does not answer: {error}") from error
        except BaseException:
            await self.close()
            raise
        settle = DYNAMODB_SETTLE if isinstance(self._state, DynamoState) else 0.0
        self._catalog = Catalog(self._items, self._reactor, settle)

    @deferred
    async def create(self) -> None:
        """
        Make what `open` does not: the DynamoDB table.  Idempotent.

        Fails:
            CannotStart: no permission, or something else stands there.
        """
        if isinstance(self._state, DynamoState):
            try:
                table, calls = await self._table(self._state)
                await table.create()
                await calls.close()
            finally:
                await self.close()

    @deferred
    async def close(self) -> None:
        """Finish what runs, and let go.  Idempotent."""
        items, self._items = self._items, None
        if items is not None:
            await items.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            await stop_pool(self._reactor, pool)

    def _threads(self, size: int) -> WorkerPool:
        self._pool = WorkerPool(self._reactor, "catalog", size)
        self._pool.start()
        return self._pool

    def _open_sqlite(self, state: SqliteState) -> Deferred[IItemStore]:
        from godos.catalog.sqlite_shared import SharedSQLiteItems

        known = self._known()
        if known and not state.path.exists():
            raise orphaned(str(state), known)
        pool = self._threads(SQLITE_THREADS)
        opening: Deferred[Any] = SharedSQLiteItems.open(str(state.path), self._reactor, pool)
        return opening

    @deferred
    async def _open_dynamodb(self, state: DynamoState) -> IItemStore:
        from godos.catalog.dynamodb import DynamoDBItems

        table, calls = await self._table(state)
        self._items = items = DynamoDBItems(calls, state.table)  # which closes `calls`
        await table.check()
        return items

    async def _table(self, state: DynamoState) -> tuple[Any, Any]:
        # boto3 takes a third of a second to load, which the embedded server saves
        from godos.catalog.dynamodb_calls import Calls
        from godos.catalog.dynamodb_client import CONNECTIONS, connect
        from godos.catalog.dynamodb_table import Table

        pool = self._threads(CONNECTIONS)
        client = await pool(connect, state.region, state.endpoint)
        calls = Calls(client, pool, self._reactor)
        return Table(calls, state.table), calls
