"""Tell a person once, and not a thousand times, that something does not work."""

from __future__ import annotations

from twisted.logger import Logger


class Outage:
    """Logs the beginning and the end of a time in which `what` does not work."""

    _log = Logger()

    def __init__(self, what: str) -> None:
        self.what = what
        self.lasts = False

    def failed(self, reason: object) -> None:
        """It did not work."""
        if not self.lasts:
            self._log.warn("cannot {what}: {reason}", what=self.what, reason=reason)
        self.lasts = True

    def worked(self) -> None:
        """It worked."""
        if self.lasts:
            self._log.info("can {what} again", what=self.what)
        self.lasts = False
