"""Failures on purpose: see `bench/chaos/__main__.py`."""
