"""One line of the log for a request that is over."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger, LogLevel

from godos.web.counters import Access, AccessLog

_log = Logger("godos.access")
_LINE = "{peer} {method} {target} {status} {sent} bytes {milliseconds:.1f} ms request={request_id}"


def access_log(level: Any) -> AccessLog:
    """
    Log requests that were refused or failed; all of them when `level` is debug.

    A line costs a third of a small request, so the others are only counted.
    """

    def log(access: Access) -> None:
        refused = access.status >= 400
        if refused or level is LogLevel.debug:
            _log.emit(
                LogLevel.info if refused else LogLevel.debug,
                _LINE,
                peer=access.peer,
                method=access.method.decode("ascii", "replace"),
                target=access.target.decode("ascii", "backslashreplace"),
                status=access.status,
                sent=access.sent,
                milliseconds=access.duration * 1000,
                request_id=access.request_id,
            )

    return log
