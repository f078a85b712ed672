"""
A process that uploads to one key of a shared catalog until it is killed; see its tests.

The catalog is `sqlite PATH` or `dynamodb URL TABLE`.  Each upload goes to a bucket that keeps
versions and to one that does not; the etag of the first goes to stdout once both are
acknowledged.
"""

from __future__ import annotations

import sys
from itertools import count

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from godos.catalog.catalog import Catalog
from godos.catalog.dynamodb import DynamoDBItems
from godos.catalog.dynamodb_calls import Calls
from godos.catalog.dynamodb_client import connect
from godos.catalog.items import IItemStore
from godos.catalog.sqlite_shared import SharedSQLiteItems
from godos.deferreds import WorkerPool
from tests.contract.catalog import upload

HANDS = 2  # uploads of one process that run at once
KEPT, REPLACED = "kept", "replaced"  # the buckets


async def hand(catalog: Catalog, name: str) -> None:
    """Upload for ever."""
    kept, replaced = await catalog.bucket(KEPT), await catalog.bucket(REPLACED)
    for number in count():
        etag = f"{name}-{number}"
        await catalog.commit(kept, "hot", upload(etag))
        await catalog.commit(replaced, "hot", upload(etag))
        sys.stdout.write(f"{etag}\n")
        sys.stdout.flush()


async def main(_reactor: object, name: str, engine: str, *where: str) -> None:
    """Work until killed."""
    pool = WorkerPool(reactor, "catalog", 3)
    pool.start()
    items: IItemStore
    if engine == "sqlite":
        items = await SharedSQLiteItems.open(where[0], reactor, pool)
    else:
        url, table = where
        items = DynamoDBItems(Calls(connect(None, url), pool, reactor), table)
    catalog = Catalog(items, reactor)
    hands = [Deferred.fromCoroutine(hand(catalog, f"{name}.{n}")) for n in range(HANDS)]
    await gatherResults(hands, consumeErrors=True)


if __name__ == "__main__":
    react(lambda *args: Deferred.fromCoroutine(main(*args)), sys.argv[1:])
