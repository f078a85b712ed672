"""
Checked values out of JSON that a stranger wrote.

Every function raises Unreadable when the value is missing or not what it should be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_LISTED = 10_000  # nodes, or names, that one message may list
MAX_TEXT = 300  # characters of an id or an address


class Unreadable(ValueError):
    """A message is not what its queue is for; it can only be deleted and counted."""


def json_object(body: str) -> dict[str, Any]:
    """The object that `body` is."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("a message is JSON") from error
    if not isinstance(fields, dict):
        raise Unreadable("a message is a JSON object")
    return fields


def part(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object that stands at `key`."""
    value = fields.get(key)
    if not isinstance(value, dict):
        raise Unreadable(f"{key} is a JSON object")
    return value


def text(fields: Mapping[str, Any], key: str, limit: int = MAX_TEXT) -> str:
    """The text at `key`: 1 to `limit` characters, all of them valid Unicode."""
    value = fields.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise Unreadable(f"{key} is a text of 1 to {limit} characters")
    if not _is_unicode(value):
        raise Unreadable(f"{key} holds half a surrogate pair")
    return value


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The list of texts at `key`; empty when it is missing."""
    values = listed(fields, key)
    if not all(isinstance(value, str) and 0 < len(value) <= MAX_TEXT for value in values):
        raise Unreadable(f"{key} is a list of texts")
    return tuple(values)


def listed(fields: Mapping[str, Any], key: str) -> Sequence[Any]:
    """The list at `key`; empty when it is missing."""
    values = fields.get(key, [])
    if not isinstance(values, list) or len(values) > MAX_LISTED:
        raise Unreadable(f"{key} is a list of at most {MAX_LISTED}")
    return values


def seconds(fields: Mapping[str, Any], key: str, limit: float = 86400.0) -> float:
    """The number at `key`, from 0 to `limit`."""
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{key} is a number of seconds")
    if not 0 <= value <= limit:  # which NaN is not
        raise Unreadable(f"{key} is a number of seconds from 0 to {limit:g}")
    return float(value)


def count(fields: Mapping[str, Any], key: str) -> int:
    """The whole number at `key`, from 0."""
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_LISTED:
        raise Unreadable(f"{key} is a count")
    return value


def indexes(values: Any) -> tuple[int, ...]:
    """The fragment indexes that `values` lists."""
    if not isinstance(values, list) or not 0 < len(values) <= 1000:
        raise Unreadable("indexes is a list")
    if not all(type(value) is int and 0 <= value < 1000 for value in values):
        raise Unreadable("an index is a number from 0 to 999")
    return tuple(values)
