"""Fixtures for all tests."""

from __future__ import annotations

from hypothesis import settings

from tests.standins import aws_environment, dynamodb_local, fauxqs, ministack, moto

__all__ = ["aws_environment", "dynamodb_local", "fauxqs", "ministack", "moto"]

# How long an example takes is the machine's affair: no test is about time.
settings.register_profile("godos", deadline=None)
settings.load_profile("godos")
