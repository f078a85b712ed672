"""
Which versions of a bucket its lifecycle rules want gone.

Source: Amazon S3 User Guide, "Lifecycle configuration elements" and "Removing expired
object delete markers".
"""

from __future__ import annotations

from enum import Enum

from attrs import define, field, frozen

from godos.model.versions import ObjectVersion
from godos.protocol.lifecycle import Calendar, Rule


class Fate(Enum):
    """`EXPIRE`: delete as a client would, without a version; `REMOVE` that version for good."""

    EXPIRE = "expire"
    REMOVE = "remove"


@frozen
class Due:
    """A version that a rule wants gone, in that way."""

    fate: Fate
    version: ObjectVersion


@define
class Review:
    """
    Tells which versions are due at `now` (seconds since the epoch).

    It is told all versions of a bucket in the order of a listing (keys ascending, newest
    first), each by `next`, and then `end`; what it answers may be about the one before.
    """

    rules: tuple[Rule, ...]
    calendar: Calendar
    now: float
    _before: ObjectVersion | None = field(default=None, init=False)
    _marker: ObjectVersion | None = field(default=None, init=False)
    _older: int = field(default=0, init=False)  # noncurrent objects of this key so far

    def next(self, version: ObjectVersion) -> list[Due]:
        """The next version; answers what is due now that it is known."""
        before, self._before = self._before, version
        if before is None or before.key != version.key:
            due = self.end()
            self._older = 0
            return due + self._latest(version)
        self._marker = None  # it hides something
        return self._noncurrent(version, before.modified)

    def end(self) -> list[Due]:
        """There is no further version of this key."""
        marker, self._marker = self._marker, None
        if marker is not None and any(self._ends(rule, marker) for rule in self.rules):
            return [Due(Fate.REMOVE, marker)]
        return []

    def _ends(self, rule: Rule, marker: ObjectVersion) -> bool:
        """Whether a marker goes that hides nothing."""
        if not rule.filter.covers(marker):
            return False
        end = rule.expires(marker, self.calendar)
        return rule.lone_markers or (end is not None and end <= self.now)

    def _latest(self, version: ObjectVersion) -> list[Due]:
        if version.is_delete_marker:
            self._marker = version
            return []
        ends = (rule.expires(version, self.calendar) for rule in self.rules)
        if any(end is not None and end <= self.now for end in ends):
            return [Due(Fate.EXPIRE, version)]
        return []

    def _noncurrent(self, version: ObjectVersion, displaced: float) -> list[Due]:
        newer = self._older
        if not version.is_delete_marker:
            self._older += 1
        for rule in self.rules:
            if (
                rule.noncurrent_days is not None
                and newer >= rule.newer_noncurrent
                and rule.filter.covers(version)
                and self.calendar.after(displaced, rule.noncurrent_days) <= self.now
            ):
                return [Due(Fate.REMOVE, version)]
        return []
