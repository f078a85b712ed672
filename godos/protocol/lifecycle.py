"""
When the rules of a bucket's lifecycle apply to a version, and to an upload in parts.

Source: Amazon S3 User Guide, "Lifecycle configuration elements", "How S3 Lifecycle
interacts with other bucket configurations", "Expiring objects".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from math import ceil
from typing import Any
from urllib.parse import quote

from attrs import frozen

from godos.model.versions import ObjectVersion

DAY = 86_400.0  # seconds
_NO_DATE = 253_402_300_800.0  # the year 10000, which no date of HTTP can name


@frozen
class Calendar:
    """
    How long a rule's days are, in seconds.

    Real days end at midnight UTC, as S3's do; shorter ones, for trying rules out, do not.
    """

    day: float = DAY

    def after(self, start: float, days: int) -> float:
        """The time (seconds since the epoch) when `days` after `start` are over."""
        end = start + days * self.day
        return ceil(end / DAY) * DAY if self.day == DAY else end


REAL_DAYS = Calendar()


@frozen
class Filter:
    """Which versions a rule is for: those for which all that it says holds."""

    prefixes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    larger_than: int | None = None  # bytes
    smaller_than: int | None = None  # bytes

    def covers_key(self, key: str) -> bool:
        """Whether it can be for versions of this key."""
        return all(key.startswith(prefix) for prefix in self.prefixes)

    @property
    def of_keys_alone(self) -> bool:
        """Whether it asks for nothing but prefixes, which is all that markers have."""
        return not self.tags and self.larger_than is None and self.smaller_than is None

    def covers(self, version: ObjectVersion) -> bool:
        """Whether it is for this version.  A delete marker has neither tags nor a size."""
        if not self.covers_key(version.key):
            return False
        if version.is_delete_marker:
            return self.of_keys_alone
        return (
            (self.larger_than is None or version.size > self.larger_than)
            and (self.smaller_than is None or version.size < self.smaller_than)
            and all(version.attributes.tags.get(name) == value for name, value in self.tags)
        )


@frozen
class Rule:
    """
    One rule that is in force; what it has no word on is None.

    Args:
        days, date: when the latest version expires: after days, or at a time.
        lone_markers: whether delete markers go that hide nothing any more.
        noncurrent_days: when an older version goes, after it was displaced.
        newer_noncurrent: how many older versions of a key are kept all the same.
        abort_days: when an upload in parts is given up, after it was begun.
    """

    id: str
    filter: Filter = Filter()
    days: int | None = None
    date: float | None = None
    lone_markers: bool = False
    noncurrent_days: int | None = None
    newer_noncurrent: int = 0
    abort_days: int | None = None

    def expires(self, version: ObjectVersion, calendar: Calendar) -> float | None:
        """When the latest version `version` expires by this rule; None: never."""
        if self.days is None and self.date is None:
            return None
        if not self.filter.covers(version):
            return None
        return self.date if self.days is None else calendar.after(version.modified, self.days)


# -- from the document -------------------------------------------------------------------
def rules_of(document: Mapping[str, Any] | None) -> tuple[Rule, ...]:
    """The rules in force of a lifecycle configuration, in S3's member names."""
    rules = (document or {}).get("Rules", ())
    return tuple(_rule(rule) for rule in rules if rule.get("Status") == "Enabled")


def _rule(rule: Mapping[str, Any]) -> Rule:
    expiration = rule.get("Expiration") or {}
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    abort = rule.get("AbortIncompleteMultipartUpload") or {}
    return Rule(
        id=rule.get("ID", ""),
        filter=_filter(rule),
        days=expiration.get("Days"),
        date=expiration.get("Date"),
        lone_markers=bool(expiration.get("ExpiredObjectDeleteMarker")),
        noncurrent_days=noncurrent.get("NoncurrentDays"),
        newer_noncurrent=noncurrent.get("NewerNoncurrentVersions") or 0,
        abort_days=abort.get("DaysAfterInitiation"),
    )


def _filter(rule: Mapping[str, Any]) -> Filter:
    """What stands beside each other must hold together, as what stands in `And`."""
    outer = rule.get("Filter") or {}
    inner = outer.get("And") or {}
    parts = (rule, outer, inner)
    tags = [*([outer["Tag"]] if "Tag" in outer else ()), *inner.get("Tags", ())]
    larger = [part["ObjectSizeGreaterThan"] for part in parts if "ObjectSizeGreaterThan" in part]
    smaller = [part["ObjectSizeLessThan"] for part in parts if "ObjectSizeLessThan" in part]
    return Filter(
        prefixes=tuple(part["Prefix"] for part in parts if part.get("Prefix")),
        tags=tuple((tag["Key"], tag["Value"]) for tag in tags),
        larger_than=max(larger, default=None),
        smaller_than=min(smaller, default=None),
    )


# -- what clients are told ---------------------------------------------------------------
def expiration_of(rules: Iterable[Rule], version: ObjectVersion) -> str | None:
    """The value of `x-amz-expiration` for a latest version; None when it never expires."""
    if version.is_delete_marker or not version.is_latest:
        return None
    ends = ((rule.expires(version, REAL_DAYS), rule.id) for rule in rules)
    told = ((end, rule_id) for end, rule_id in ends if end is not None and end < _NO_DATE)
    due = min(told, default=None)
    if due is None:
        return None
    return f'expiry-date="{formatdate(due[0], usegmt=True)}", rule-id="{quote(due[1], safe="")}"'


def abort_of(rules: Iterable[Rule], key: str, initiated: float) -> tuple[float, str] | None:
    """When an upload in parts is given up, and by which rule; None: never."""
    return min(_aborts(rules, key, initiated, REAL_DAYS), default=None)


def _aborts(
    rules: Iterable[Rule], key: str, initiated: float, calendar: Calendar
) -> Iterator[tuple[float, str]]:
    for rule in rules:
        if rule.abort_days is not None and rule.filter.covers_key(key):
            yield calendar.after(initiated, rule.abort_days), rule.id


def is_abandoned(
    rules: Iterable[Rule], key: str, initiated: float, calendar: Calendar, now: float
) -> bool:
    """Whether an upload in parts is to be given up now."""
    return any(end <= now for end, _ in _aborts(rules, key, initiated, calendar))
