"""Opening item stores on stand-ins for DynamoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.catalog.dynamodb import DynamoDBItems
from godos.catalog.dynamodb_calls import Calls
from godos.catalog.dynamodb_client import CONNECTIONS, connect
from godos.catalog.dynamodb_table import Table
from godos.deferreds import WorkerPool


@asynccontextmanager
async def dynamodb_items(url: str) -> AsyncIterator[DynamoDBItems]:
    """A store on a new table of the DynamoDB at `url`."""
    pool = WorkerPool(reactor, "dynamodb", CONNECTIONS)
    pool.start()
    client = await deferToThread(connect, None, url)
    calls, name = Calls(client, pool, reactor), f"godos-{uuid4().hex}"
    await Table(calls, name).create()
    items = DynamoDBItems(calls, name)
    yield items
    await items.close()
    await deferToThread(pool.stop)
