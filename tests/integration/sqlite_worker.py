"""
A process that counts up in a shared catalog until it is told to stop; see test_sqlite_owner.

Each step adds one to a counter and writes a row under the step's own name, in one
transaction.  A name goes to stdout once its transaction was acknowledged.
"""

from __future__ import annotations

import random
import sys
from itertools import count
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from godos.catalog.items import Absent, ConditionFailed, Item, Put, RevIs
from godos.catalog.sqlite_shared import SharedSQLiteItems
from godos.deferreds import WorkerPool

COUNTERS = 4
HANDS = 3  # steps of one process that run at once


async def step(items: SharedSQLiteItems, name: str) -> None:
    """Count one step, however many try the same counter."""
    where = b"%d" % random.randrange(COUNTERS)
    while True:
        old = await items.get("counter", where)
        rev = uuid4().hex
        number = 1 + (old.data["n"] if old else 0)
        counter = Put(
            Item("counter", where, {"n": number, "by": name}, rev=rev),
            RevIs(old.rev) if old else Absent(),
        )
        try:
            await items.transact([counter, Put(Item("step", name.encode(), {"n": number}))], rev)
        except ConditionFailed:
            continue
        return


async def hand(items: SharedSQLiteItems, name: str) -> None:
    """Take steps for ever."""
    for number in count():
        await step(items, f"{name}-{number}")
        sys.stdout.write(f"{name}-{number}\n")
        sys.stdout.flush()


async def main(_reactor: object, path: str, name: str) -> None:
    """Work until killed, or until the parent closes our stdin."""
    pool = WorkerPool(reactor, "catalog", 3)
    pool.start()
    items = await SharedSQLiteItems.open(path, reactor, pool)
    hands = [Deferred.fromCoroutine(hand(items, f"{name}.{n}")) for n in range(HANDS)]
    await gatherResults(hands, consumeErrors=True)


if __name__ == "__main__":
    react(lambda *args: Deferred.fromCoroutine(main(*args)), sys.argv[1:])
