"""The DynamoDB table itself: made once, and checked at every start."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from twisted.internet.task import deferLater

from godos.catalog.dynamodb_calls import Calls
from godos.catalog.dynamodb_codec import HASH, RANGE, to_key, to_transaction
from godos.catalog.dynamodb_errors import code, translate
from godos.catalog.items import Check, ConditionFailed, Delete, Item, Present, Put
from godos.catalog.rows import to_steps
from godos.deferreds import deferred
from godos.model.errors import CannotStart
from godos.model.names import new_id

TTL = "expires"  # the attribute by which DynamoDB tidies rows away
_KEYS = {HASH: ("HASH", "S"), RANGE: ("RANGE", "B")}
_PATIENCE = 120.0  # seconds for a new table to become active
_INTERVAL = 0.5  # seconds between two looks
_NOWHERE = "CHECK"  # a partition in which nothing ever stands


class Table:
    """The table `name`, seen through `calls`."""

    def __init__(self, calls: Calls, name: str) -> None:
        self._calls, self._name = calls, name

    @deferred
    async def create(self) -> None:
        """
        Make the table unless there is one, and wait until it serves.

        On-demand billing, and protected against deletion: without the catalog the bytes on
        all disks are nameless.

        Fails:
            CannotStart: no permission, or a table of that name has other keys.
            CatalogUnavailable: DynamoDB does not answer.
        """
        try:
            await self._calls("create_table", _definition(self._name), _whole)
        except (ClientError, BotoCoreError) as error:
            if code(error) != "ResourceInUseException":
                raise self._refusal(error) from error
        await self._active()
        await self._tidied()

    @deferred
    async def check(self) -> None:
        """
        Make sure that the table is there, has our keys, and lets us do what the catalog does.

        Writes nothing: the transaction it tries carries conditions that cannot hold, which
        DynamoDB looks at after the permissions.

        Fails:
            CannotStart: one line that says what is missing.
            CatalogUnavailable: DynamoDB does not answer.
        """
        await self._active()
        place = to_key(_NOWHERE, b".")
        several = {"Keys": [place, to_key(_NOWHERE, b",")], "ConsistentRead": True}
        partition = {
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": HASH},
            "ExpressionAttributeValues": {":p": {"S": _NOWHERE}},
            "Limit": 1,
        }
        await self._may("get_item", {"TableName": self._name, "Key": place})
        await self._may("batch_get_item", {"RequestItems": {self._name: several}})
        await self._may("query", {"TableName": self._name} | partition)
        await self._may("scan", {"TableName": self._name, "Limit": 1})
        token = new_id()  # of its own: one that somebody used may not be used for another
        steps = to_steps(
            [
                Put(Item(_NOWHERE, b"put", {}), Present()),
                Delete(_NOWHERE, b"delete", Present()),
                Check(_NOWHERE, b"check", Present()),
            ],
            token,
        )
        await self._may("transact_write_items", to_transaction(self._name, steps, token))

    async def _may(self, operation: str, request: dict[str, Any]) -> None:
        try:
            await self._calls(operation, request, _whole)
        except (ClientError, BotoCoreError) as error:
            if not isinstance(translate(error), ConditionFailed):
                raise self._refusal(error) from error

    async def _active(self) -> None:
        """Wait while the table is being made, and look at its keys."""
        deadline = self._calls.clock.seconds() + _PATIENCE
        while True:
            table = await self._described("describe_table", "Table")
            self._check_keys(table)
            status = table["TableStatus"]
            if status in {"ACTIVE", "UPDATING"}:
                return
            if status != "CREATING" or self._calls.clock.seconds() > deadline:
                raise CannotStart(f"the DynamoDB table {self._name!r} is {status}")
            await deferLater(self._calls.clock, _INTERVAL)

    async def _tidied(self) -> None:
        """Let DynamoDB remove what has expired."""
        ttl = await self._described("describe_time_to_live", "TimeToLiveDescription")
        if ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}:
            return
        wanted = {"Enabled": True, "AttributeName": TTL}
        request = {"TableName": self._name, "TimeToLiveSpecification": wanted}
        try:
            await self._calls("update_time_to_live", request, _whole)
        except (ClientError, BotoCoreError) as error:
            raise self._refusal(error) from error

    async def _described(self, operation: str, what: str) -> dict[str, Any]:
        try:
            answer = await self._calls(operation, {"TableName": self._name}, _whole)
        except (ClientError, BotoCoreError) as error:
            raise self._refusal(error) from error
        found: dict[str, Any] = answer[what]
        return found

    def _check_keys(self, table: dict[str, Any]) -> None:
        types = {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]}
        keys = {
            key["AttributeName"]: (key["KeyType"], types[key["AttributeName"]])
            for key in table["KeySchema"]
        }
        if keys != _KEYS:
            raise CannotStart(
                f"the DynamoDB table {self._name!r} is not godos's: its key must be"
                f" {HASH!r} (HASH, type S) with {RANGE!r} (RANGE, type B), and is {keys}"
            )

    def _refusal(self, error: Exception) -> CannotStart:
        if code(error) == "ResourceNotFoundException":
            return CannotStart(
                f"there is no DynamoDB table {self._name!r} in this account and region:"
                f" make it with `godos state init`"
            )
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return CannotStart(
                f"no AWS credentials for DynamoDB ({error}): set AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY, or give this machine a role"
            )
        reason = error.response["Error"].get("Message") if isinstance(error, ClientError) else error
        return CannotStart(f"the DynamoDB table {self._name!r} cannot be used: {reason or error}")


def _definition(name: str) -> dict[str, Any]:
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, (kind, _) in _KEYS.items()],
        "AttributeDefinitions": [
            {"AttributeName": key, "AttributeType": type_} for key, (_, type_) in _KEYS.items()
        ],
    }


def _whole(answer: Any) -> Any:
    return answer
