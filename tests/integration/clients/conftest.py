"""One server for all clients, and a bucket for each test."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.integration.clients.store import Store, running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """It enforces signatures; beside that nothing is configured."""
    with running(tmp_path_factory.mktemp("store")) as started:
        yield started


@pytest.fixture
def bucket(store: Store, request: pytest.FixtureRequest) -> str:
    """An empty bucket of Alice's, named after the test and its module."""
    words = f"{request.node.path.stem} {request.node.name}".lower().replace("test_", "")
    name = re.sub("[^a-z0-9]+", "-", words).strip("-")
    store.client().create_bucket(Bucket=name)
    return name
