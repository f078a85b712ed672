"""The races of the catalog on DynamoDB's stand-ins that serve many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from pytest_twisted import async_yield_fixture
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.catalog.dynamodb import DynamoDBItems
from godos.catalog.dynamodb_calls import Calls
from godos.catalog.dynamodb_client import connect
from godos.catalog.dynamodb_table import Table
from godos.catalog.items import IItemStore
from godos.deferreds import WorkerPool
from tests.integration.catalog_races import CatalogRaces
from tests.standins import StandIn

SERVERS = 3


@asynccontextmanager
async def a_server(url: str, name: str) -> AsyncIterator[tuple[Calls, DynamoDBItems]]:
    """A client with threads of its own, as each server has one."""
    pool = WorkerPool(reactor, name, 4)
    pool.start()
    calls = Calls(await deferToThread(connect, None, url), pool, reactor)
    items = DynamoDBItems(calls, name)
    yield calls, items
    await items.close()
    await deferToThread(pool.stop)


@asynccontextmanager
async def servers(url: str) -> AsyncIterator[Sequence[IItemStore]]:
    """Several over one new table."""
    name = f"godos-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(a_server(url, name)) for _ in range(SERVERS)]
        await Table(made[0][0], name).create()
        yield [items for _, items in made]


class TestRacesOnDynamoDBLocal(CatalogRaces):
    """Amazon's own."""

    @async_yield_fixture
    async def stores(self, dynamodb_local: StandIn) -> AsyncIterator[Sequence[IItemStore]]:
        """Three servers."""
        async with servers(dynamodb_local.url) as stores:
            yield stores


class TestRacesOnMinistack(CatalogRaces):
    """ministack."""

    @async_yield_fixture
    async def stores(self, ministack: StandIn) -> AsyncIterator[Sequence[IItemStore]]:
        """Three servers."""
        async with servers(ministack.url) as stores:
            yield stores
