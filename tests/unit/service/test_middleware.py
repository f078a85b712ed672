"""What the ancestor's questions are answered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from godos.model.errors import NoSuchKey, Unavailable
from godos.model.members import ApiServer
from godos.service.middleware import find_object
from tests.unit.objects.stores import now

API = ApiServer("a" * 32, "127.0.0.1:8030")


class OneObject:
    """A catalog with the object `there`."""

    def bucket(self, name: str) -> Deferred[Any]:
        return succeed(name)

    def head(self, bucket: Any, key: str) -> Deferred[Any]:
        return succeed(key) if (bucket, key) == ("objects", "there") else fail(NoSuchKey(key))


class Apis:
    """Members of which only the API servers are asked for."""

    def __init__(self, *alive: ApiServer) -> None:
        self._alive = alive

    def apis(self) -> Sequence[ApiServer]:
        return self._alive


def found(name: str, *alive: ApiServer) -> Any:
    catalog: Any = OneObject()
    members: Any = Apis(*alive)
    return now(find_object(catalog, members, name))


def test_an_object_is_at_an_api_server() -> None:
    """Any that is alive serves it."""
    assert found("there", API) == API.address


def test_an_object_that_does_not_exist() -> None:
    """There is nothing to tell, whoever is alive."""
    assert found("not there", API) is None
    assert found("not there") is None


def test_nobody_to_name() -> None:
    """An object that exists is not taken for missing because no API server is known yet."""
    with pytest.raises(Unavailable):
        found("there")
