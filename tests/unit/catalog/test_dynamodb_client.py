"""Making the client of the catalog."""

from __future__ import annotations

import os

import pytest

from godos.catalog.dynamodb_client import connect
from godos.model.errors import CannotStart

pytestmark = pytest.mark.usefixtures("aws_environment")


def test_no_region_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region and an endpoint nobody knows which DynamoDB is meant."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(CannotStart, match=r"\?region=.*AWS_DEFAULT_REGION"):
        connect()


def test_an_endpoint_needs_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in at an address of its own does not ask for one."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    client = connect(None, "http://127.0.0.1:1")
    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    client.close()


def test_a_region_of_ones_own() -> None:
    """The region that is given wins over the environment's."""
    client = connect("eu-central-1")
    assert client.meta.region_name == "eu-central-1" != os.environ["AWS_DEFAULT_REGION"]
    client.close()


def test_time_limits() -> None:
    """Calls end after seconds, and are repeated by us and not behind our back."""
    client = connect("eu-central-1")
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.0, 3.0)
    assert config.retries["total_max_attempts"] == 1
    client.close()


def test_nonsense_is_told() -> None:
    """An endpoint that is no address ends in one line."""
    with pytest.raises(CannotStart):
        connect("eu-central-1", "nonsense")
