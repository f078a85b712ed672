"""How the catalog's DynamoDB client is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError

from godos.model.errors import CannotStart

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONNECTIONS = 16  # as many threads are worth having: the interpreter's lock is the limit
_CONNECT, _READ = 2.0, 3.0  # seconds
_ANY_REGION = "us-east-1"  # for an endpoint of one's own: it only goes into signatures


def connect(region: str | None = None, endpoint: str | None = None) -> DynamoDBClient:
    """
    A client for the catalog alone.  Blocks; safe in many threads.

    The region and credentials come from where boto3 looks for them when they are not given.
    One attempt a call: repeating is the business of `Calls`, which does not hold a thread
    while it waits and knows when to give up.

    Raises:
        CannotStart: no region, or a configuration that boto3 does not understand.
    """
    config = Config(
        connect_timeout=_CONNECT,
        read_timeout=_READ,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    try:
        session = boto3.session.Session(region_name=region)
        where = session.region_name or (_ANY_REGION if endpoint else None)
        return session.client("dynamodb", region_name=where, endpoint_url=endpoint, config=config)
    except NoRegionError as error:
        raise CannotStart(
            "no AWS region for DynamoDB: write dynamodb:TABLE?region=…, or set AWS_DEFAULT_REGION"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise CannotStart(f"cannot reach DynamoDB: {error}") from error
