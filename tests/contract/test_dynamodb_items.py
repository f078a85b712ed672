"""The item store on DynamoDB, as its stand-ins understand it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pytest_twisted import async_yield_fixture

from godos.catalog.items import IItemStore
from tests.contract.dynamodb import dynamodb_items
from tests.contract.items import CautiousContract, ItemStoreContract
from tests.standins import StandIn


class TestDynamoDBLocal(ItemStoreContract):
    """Amazon's own."""

    @async_yield_fixture
    async def items(self, dynamodb_local: StandIn) -> AsyncIterator[IItemStore]:
        """An empty table."""
        async with dynamodb_items(dynamodb_local.url) as items:
            yield items


class TestMinistack(ItemStoreContract):
    """ministack."""

    @async_yield_fixture
    async def items(self, ministack: StandIn) -> AsyncIterator[IItemStore]:
        """An empty table."""
        async with dynamodb_items(ministack.url) as items:
            yield items


class TestMoto(CautiousContract):
    """moto, which knows nothing of tokens and loses transactions that run at once."""

    @async_yield_fixture
    async def items(self, moto: StandIn) -> AsyncIterator[IItemStore]:
        """An empty table."""
        async with dynamodb_items(moto.url) as items:
            yield items
