"""How far repair is, and how fast it goes."""

from __future__ import annotations

from collections import deque

from attrs import define, field

WINDOW = 300.0  # seconds that rates are of


@define
class Progress:
    """
    Of one server since its start; `waiting` is of the whole cluster.

    `failed` counts tries that left a blob below target; the blob is tried again.  `bytes` are
    of the fragments that were written.  `current` are the blobs at work.
    """

    waiting: int = 0
    mended: int = 0
    failed: int = 0
    fragments: int = 0
    bytes: int = 0
    current: tuple[str, ...] = ()
    trouble: str = ""  # why a blob could not be mended, the last time
    _recent: deque[tuple[float, int, bool]] = field(factory=deque)  # when, bytes, mended
    _since: float = 0.0  # when the work began that is under way, or was last

    def began(self, now: float) -> None:
        """There is work, after there was none."""
        self._since = now

    def tried(self, now: float, fragments: int, size: int, mended: bool) -> None:
        """A blob was worked on."""
        self.mended += mended
        self.fragments += fragments
        self.bytes += size
        self._recent.append((now, size, mended))
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()

    def rate(self, now: float) -> float:
        """Bytes of new fragments per second, over the last minutes."""
        self._forget(now)
        return sum(size for _, size, _ in self._recent) / self._span(now)

    def eta(self, now: float) -> float | None:
        """Seconds until nothing waits, as it goes now; None: not known, or it does not go."""
        self._forget(now)
        done = sum(mended for _, _, mended in self._recent)
        if not self.waiting:
            return 0.0
        return self.waiting * self._span(now) / done if done else None

    def _span(self, now: float) -> float:
        return max(1.0, min(WINDOW, now - self._since))
