"""Fixtures for all tests, and which of them may run at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standins import aws_environment, dynamodb_local, fauxqs, ministack, moto

__all__ = ["aws_environment", "dynamodb_local", "fauxqs", "ministack", "moto"]

_PROCESSES = Path(__file__).parent / "integration"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Run those that start servers one after the other, beside all others.

    Each starts several processes: two at once would leave none of them a processor.
    """
    for item in items:
        if _PROCESSES in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("processes"))
