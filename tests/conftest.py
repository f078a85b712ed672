"""Fixtures for all tests."""

from __future__ import annotations

from tests.standins import aws_environment, dynamodb_local, fauxqs, ministack, moto

__all__ = ["aws_environment", "dynamodb_local", "fauxqs", "ministack", "moto"]
