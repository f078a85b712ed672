"""The catalog on DynamoDB, as its stand-ins understand it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pytest_twisted import async_yield_fixture

from godos.catalog.items import IItemStore
from tests.contract.catalog_all import WholeCatalogContract
from tests.contract.dynamodb import dynamodb_items
from tests.standins import StandIn


class TestDynamoDBLocalCatalog(WholeCatalogContract):
    """Amazon's own."""

    settle = 0.01
    many_parts = 120

    @async_yield_fixture
    async def items(self, dynamodb_local: StandIn) -> AsyncIterator[IItemStore]:
        """An empty table."""
        async with dynamodb_items(dynamodb_local.url) as items:
            yield items


class TestMinistackCatalog(WholeCatalogContract):
    """ministack."""

    settle = 0.01
    many_parts = 120

    @async_yield_fixture
    async def items(self, ministack: StandIn) -> AsyncIterator[IItemStore]:
        """An empty table."""
        async with dynamodb_items(ministack.url) as items:
            yield items


class TestMotoCatalog(WholeCatalogContract):
    """moto, which loses transactions that run at once."""

    settle = 0.01
    many_parts = 120
    serves_many_at_once = False

    @async_yield_fixture
    async def items(self, moto: StandIn) -> AsyncIterator[IItemStore]:
        """An empty table."""
        async with dynamodb_items(moto.url) as items:
            yield items
