"""What DynamoDB's errors mean."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from twisted.internet.defer import TimeoutError

from godos.catalog.dynamodb_errors import is_transient, translate
from godos.catalog.items import ConditionFailed, Item, TokenReused
from godos.model.errors import CatalogUnavailable


def said(code: str, status: int = 400, **more: Any) -> ClientError:
    """An error as botocore raises it."""
    response: Any = {
        "Error": {"Code": code, "Message": f"about {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "TransactWriteItems")


def cancelled(*reasons: str | None, **standing: Any) -> ClientError:
    """A transaction that was cancelled for these reasons, in the order of its actions."""
    told = [{"Code": reason or "None", **standing} for reason in reasons]
    return said("TransactionCanceledException", CancellationReasons=told)


@pytest.mark.parametrize(
    "error",
    [
        said("InternalServerError", 500),
        said("anything", 503),
        said("ProvisionedThroughputExceededException"),
        said("RequestLimitExceeded"),
        said("ThrottlingException"),
        said("TransactionInProgressException"),
        said("TransactionConflictException"),
        cancelled("TransactionConflict", None),
        cancelled(None, "ThrottlingError"),
        cancelled("ProvisionedThroughputExceeded"),
        ReadTimeoutError(endpoint_url="http://x"),
        ConnectTimeoutError(endpoint_url="http://x"),
        EndpointConnectionError(endpoint_url="http://x"),
        TimeoutError(),
    ],
    ids=repr,
)
def test_what_passes(error: Exception) -> None:
    """Conflicts, throttling, errors of the service and lost answers are worth another try."""
    assert is_transient(error)


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (cancelled("ConditionalCheckFailed", "TransactionConflict"), ConditionFailed),
        (said("IdempotentParameterMismatchException"), TokenReused),
        (said("ResourceNotFoundException"), CatalogUnavailable),
        (said("AccessDeniedException"), CatalogUnavailable),
        (said("ExpiredTokenException"), CatalogUnavailable),
        (NoCredentialsError(), CatalogUnavailable),
        (said("ValidationException"), ClientError),
        (cancelled("ValidationError"), ClientError),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
    ids=repr,
)
def test_what_does_not_pass(error: Exception, means: type[Exception]) -> None:
    """Refusals, outages that need a person, and bugs are told apart; none is tried again."""
    assert not is_transient(error)
    assert type(translate(error)) is means


def test_the_items_in_the_way_are_told() -> None:
    """A refusal names each action in the way with the item that stands there."""
    refused: Any = cancelled("ConditionalCheckFailed", None, "ConditionalCheckFailed")
    item = {"p": {"S": "p"}, "s": {"B": b"s"}, "j": {"S": '{"n":1}'}, "rev": {"S": "r"}}
    refused.response["CancellationReasons"][2]["Item"] = item
    error = translate(refused)
    assert isinstance(error, ConditionFailed)
    assert error.standing == {0: None, 2: Item("p", b"s", {"n": 1}, "r")}
