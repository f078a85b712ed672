"""What DynamoDB's errors mean to the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError
from twisted.internet.defer import TimeoutError

from godos.catalog.dynamodb_codec import from_attributes
from godos.catalog.items import ConditionFailed, Item, TokenReused
from godos.model.errors import CatalogUnavailable

# Source: DynamoDB Developer Guide, "Error handling", and TransactWriteItems, "Errors".
_TRANSIENT = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "LimitExceededException",
        "ThrottlingException",
        "Throttling",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
    }
)
_TRANSIENT_REASONS = frozenset(
    {"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"}
)
_REFUSED = "ConditionalCheckFailed"
_BUGS = frozenset({"ValidationException", "SerializationException"})
# No connection, or no whole answer in time.  It may have been done: the token tells.
_UNANSWERED = (
    ChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoConnection,
    ResponseParserError,
    TimeoutError,
)


def code(error: BaseException) -> str:
    """DynamoDB's name of the error, empty when it is not DynamoDB's."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def is_transient(error: Exception) -> bool:
    """Whether the identical request may succeed a moment later."""
    if isinstance(error, _UNANSWERED):
        return True
    if not isinstance(error, ClientError):
        return False
    if code(error) == "TransactionCanceledException":
        reasons = {reason.get("Code") for reason in _reasons(error)}
        return _REFUSED not in reasons and bool(reasons & _TRANSIENT_REASONS)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code(error) in _TRANSIENT or status >= 500


def translate(error: Exception) -> Exception:
    """What callers of an item store may see of an error that will not pass."""
    if isinstance(error, ClientError):
        refused = _standing(_reasons(error))
        if refused:
            return ConditionFailed(refused)
        if code(error) == "IdempotentParameterMismatchException":
            return TokenReused(str(error))
        if code(error) in _BUGS or code(error) == "TransactionCanceledException":
            return error  # we asked for nonsense; to be logged as the bug it is
    if isinstance(error, ClientError | BotoCoreError):
        return CatalogUnavailable(f"DynamoDB: {error}")
    return error


def _reasons(error: ClientError) -> Sequence[dict[str, Any]]:
    response: dict[str, Any] = {**error.response}
    return response.get("CancellationReasons") or ()


def _standing(reasons: Sequence[dict[str, Any]]) -> dict[int, Item | None]:
    return {
        index: from_attributes(reason["Item"]) if reason.get("Item") else None
        for index, reason in enumerate(reasons)
        if reason.get("Code") == _REFUSED
    }
