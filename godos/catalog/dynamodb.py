"""
The item store in one DynamoDB table: `p` string hash key, `s` binary range key, `j` the data
as one JSON string, and beside it what conditions compare.

Reads are strongly consistent where the interface says so.  All writes are transactions
with a client token: a plain PutItem would cost half, but cannot be sent again after a
time-out without the danger of undoing what another writer did in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from twisted.internet.defer import Deferred
from zope.interface import implementer

from godos.catalog.dynamodb_calls import Calls
from godos.catalog.dynamodb_codec import (
    RANGE,
    from_attributes,
    to_key,
    to_query,
    to_transaction,
)
from godos.catalog.dynamodb_errors import translate
from godos.catalog.items import Action, IItemStore, Item, Page, ScanPage
from godos.catalog.rows import (
    Range,
    check_limit,
    check_place,
    check_places,
    from_cursor,
    to_cursor,
    to_steps,
)
from godos.deferreds import deferred

if TYPE_CHECKING:
    pass

T = TypeVar("T")
Place = tuple[str, bytes]


@implementer(IItemStore)
class DynamoDBItems:
    """See the module.  `calls` may be shared with a `Table`; closing this closes it."""

    def __init__(self, calls: Calls, table: str) -> None:
        self._calls, self._table = calls, table

    @deferred
    async def get(self, p: str, s: bytes) -> Item | None:
        check_place(p, s)
        request = {"TableName": self._table, "Key": to_key(p, s), "ConsistentRead": True}
        return await self._ask("get_item", request, _one)

    @deferred
    async def get_many(self, places: Sequence[Place]) -> Sequence[Item | None]:
        check_places(places)
        if len(places) == 1:
            return [await self.get(*places[0])]
        found: dict[Place, Item] = {}
        left = [to_key(*place) for place in dict.fromkeys(places)]
        deadline, attempt = self._calls.deadline(), 0
        while left:
            items, unprocessed = await self._ask("batch_get_item", self._batch(left), self._several)
            found |= {(item.p, item.s): item for item in items}
            if len(unprocessed) == len(left):
                await self._calls.pause(attempt, deadline)
                attempt += 1
            left = unprocessed
        return [found.get(place) for place in places]

    @deferred
    async def query(
        self,
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,
    ) -> Page:
        check_limit(limit)
        check_place(p, b".")
        request = to_query(self._table, Range(p, start, stop, limit, reverse), strong)
        if request is None:
            return Page((), None)
        return await self._ask("query", request, lambda answer: _page(answer, reverse))

    @deferred
    async def transact(self, actions: Sequence[Action], token: str) -> None:
        request = to_transaction(self._table, to_steps(actions, token), token)
        await self._ask("transact_write_items", request, _nothing)

    @deferred
    async def scan(self, cursor: str | None = None, limit: int = 1000) -> ScanPage:
        check_limit(limit)
        request = {"TableName": self._table, "Limit": limit, "ConsistentRead": True}
        if cursor is not None:
            request["ExclusiveStartKey"] = to_key(*from_cursor(cursor))
        return await self._ask("scan", request, _scan_page)

    def close(self) -> Deferred[None]:
        return self._calls.close()

    async def _ask(self, operation: str, request: dict[str, Any], decode: Callable[[Any], T]) -> T:
        try:
            return await self._calls(operation, request, decode)
        except (ClientError, BotoCoreError) as error:
            raise translate(error) from error

    def _batch(self, keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {"RequestItems": {self._table: {"Keys": keys, "ConsistentRead": True}}}

    def _several(self, answer: Any) -> tuple[list[Item], list[dict[str, Any]]]:
        """What came, and the keys that DynamoDB had no time or room for."""
        items = [from_attributes(found) for found in answer["Responses"].get(self._table, ())]
        unprocessed = answer.get("UnprocessedKeys", {}).get(self._table, {})
        return items, list(unprocessed.get("Keys", ()))


def _one(answer: Any) -> Item | None:
    return from_attributes(answer["Item"]) if "Item" in answer else None


def _page(answer: Any, reverse: bool) -> Page:
    items = tuple(map(from_attributes, answer["Items"]))
    last = answer.get("LastEvaluatedKey")
    if not last:
        return Page(items, None)
    s = bytes(last[RANGE]["B"])
    return Page(items, s if reverse else s + b"\0")


def _scan_page(answer: Any) -> ScanPage:
    last = answer.get("LastEvaluatedKey")
    cursor = to_cursor(last["p"]["S"], bytes(last[RANGE]["B"])) if last else None
    return ScanPage(tuple(map(from_attributes, answer["Items"])), cursor)


def _nothing(_answer: Any) -> None:
    return None
