"""How long a value has not changed, by this process's own clock."""

from __future__ import annotations

from collections.abc import Callable

_MOST = 10_000  # values watched at a time


class Watch:
    """
    Clocks of machines differ, and step; so no time that another wrote is compared.

    A heartbeat or lease is a value that changes: it is dead when it did not, for as long
    as its reader has looked at it and its reader's monotonic clock says.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, tuple[str, float]] = {}

    def unchanged(self, what: str, value: str) -> float:
        """Seconds since `what` was first seen with `value` here."""
        now = self._monotonic()
        seen, since = self._seen.get(what, (None, now))
        if seen != value:
            since = now
            if len(self._seen) >= _MOST:
                self._seen.clear()  # whoever is forgotten is only watched for longer
            self._seen[what] = value, now
        return now - since

    def forget(self, what: str) -> None:
        self._seen.pop(what, None)
