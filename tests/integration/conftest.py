"""What the report of a failed test shows besides: the logs of the servers that it used."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.integration.cluster import STARTED

_SHOWN = 6000  # characters of each log


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        for server in STARTED:
            report.sections.append((f"log of {server.name}", server.log[-_SHOWN:]))
    if report.when == "teardown":  # what runs on belongs to a fixture of the whole module
        STARTED[:] = [server for server in STARTED if server.runs]
    return report
