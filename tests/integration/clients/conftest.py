"""One server for all clients, and a bucket for each test."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.integration.clients.store import Store, running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """It enforces signatures, and knows buckets by host names as well."""
    folder = tmp_path_factory.mktemp("store")
    with running(folder, "--domain", "localhost") as started:
        yield started


@pytest.fixture
def bucket(store: Store, request: pytest.FixtureRequest) -> str:
    """An empty bucket of Alice's, named after the test."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    store.client().create_bucket(Bucket=name)
    return name
