"""Making and checking the table on stand-ins, and answers that are lost on the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ReadTimeoutError
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from godos.catalog.dynamodb import DynamoDBItems
from godos.catalog.dynamodb_calls import Calls
from godos.catalog.dynamodb_client import connect
from godos.catalog.dynamodb_table import Table
from godos.catalog.items import ConditionFailed, Item, Put, RevIs
from godos.deferreds import WorkerPool
from godos.model.errors import CannotStart
from tests.contract.items import everything
from tests.standins import StandIn


class LosesAnswers:
    """A client whose every other transaction happens, but whose answer never arrives."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.lost = self.asked = 0

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self.client, operation)
        return call

    def transact_write_items(self, **request: Any) -> Any:
        """Done, and perhaps told."""
        answer = self.client.transact_write_items(**request)
        self.asked += 1
        if self.asked % 2:
            self.lost += 1
            raise ReadTimeoutError(endpoint_url="http://x")
        return answer


@async_yield_fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """Threads for the calls."""
    pool = WorkerPool(reactor, "dynamodb", 8)
    pool.start()
    yield pool
    await deferToThread(pool.stop)


@async_yield_fixture(params=["dynamodb_local", "ministack"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A client of each stand-in that tells the truth about transactions."""
    stand_in: StandIn = request.getfixturevalue(request.param)
    client = await deferToThread(connect, None, stand_in.url)
    yield client
    await deferToThread(client.close)


@ensureDeferred
async def test_a_table_is_missing_until_it_is_made(client: Any, pool: WorkerPool) -> None:
    """The check says that there is none; after `create`, done twice, it is content."""
    table = Table(Calls(client, pool, reactor), f"godos-{uuid4().hex}")
    with pytest.raises(CannotStart, match="godos state init"):
        await table.check()
    await table.create()
    await table.create()
    await table.check()


@ensureDeferred
async def test_the_check_writes_nothing(client: Any, pool: WorkerPool) -> None:
    """A checked table is as empty as before."""
    calls, name = Calls(client, pool, reactor), f"godos-{uuid4().hex}"
    await Table(calls, name).create()
    await Table(calls, name).check()
    assert await everything(DynamoDBItems(calls, name)) == []


@ensureDeferred
async def test_another_programs_table_is_refused(client: Any, pool: WorkerPool) -> None:
    """A table with other keys is neither used nor changed."""
    name = f"songs-{uuid4().hex}"
    await deferToThread(
        client.create_table,
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "title", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "title", "AttributeType": "S"}],
    )
    table = Table(Calls(client, pool, reactor), name)
    for attempt in (table.check, table.create):
        with pytest.raises(CannotStart, match="title"):
            await attempt()


@ensureDeferred
async def test_lost_answers_double_nothing(client: Any, pool: WorkerPool) -> None:
    """Increments whose answers are lost after they happened are counted once each."""
    losing = LosesAnswers(client)
    calls, name = Calls(losing, pool, reactor), f"godos-{uuid4().hex}"  # type: ignore[arg-type]
    await Table(calls, name).create()
    items = DynamoDBItems(calls, name)
    await items.transact([Put(Item("counter", b"n", {"n": 0}, rev="0"))], "0" * 32)

    async def count() -> None:
        while True:
            found = await items.get("counter", b"n")
            rev = uuid4().hex
            new = Item("counter", b"n", {"n": found.data["n"] + 1}, rev=rev)
            try:
                await items.transact([Put(new, RevIs(found.rev))], rev)
            except ConditionFailed:
                continue
            return

    for _ in range(5):
        await gatherResults([Deferred.fromCoroutine(count()) for _ in range(2)])
    assert (await items.get("counter", b"n")).data == {"n": 10}
    assert losing.lost >= 5
