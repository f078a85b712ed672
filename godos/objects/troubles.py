"""Why a read did not get what it asked for."""

from __future__ import annotations

from collections import deque

from godos.model.errors import BytesNotFound

_MOST = 64  # reasons that are remembered


class Troubles:
    """The last reasons, for whoever is told that the bytes cannot be had."""

    def __init__(self) -> None:
        self._reasons: deque[str] = deque(maxlen=_MOST)

    def add(self, reason: str) -> None:
        """One more; the oldest is forgotten when there are many."""
        self._reasons.append(reason)

    def not_found(self) -> BytesNotFound:
        """The error that tells them, each once."""
        reasons = "; ".join(dict.fromkeys(self._reasons))
        return BytesNotFound(f"no node gives the object's bytes now: {reasons}")
