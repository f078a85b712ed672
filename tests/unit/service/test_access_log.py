"""What the log keeps of requests."""

from __future__ import annotations

import pytest
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from godos.service.access_log import access_log, shown
from godos.web.counters import Access


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (b"/photos/cat", "/photos/cat"),
        (b"/photos?list-type=2&prefix=signature=1", "/photos?list-type=2&prefix=signature=1"),
        (b"/a?X-Amz-Date=1&X-Amz-Signature=0af&x=y", "/a?X-Amz-Date=1&X-Amz-Signature=...&x=y"),
        (b"/a?AWSAccessKeyId=me&Signature=0af%3D", "/a?AWSAccessKeyId=...&Signature=..."),
        (b"/a?X-Amz-Security-Token=secret", "/a?X-Amz-Security-Token=..."),
        (b"/a?X-Amz-Credential=me%2F20261122", "/a?X-Amz-Credential=..."),
        (b"/a?x-amz-s%69gnature=0af", "/a?x-amz-s%69gnature=..."),
        (
            b"/a?X-Amz-Server-Side-Encryption-Customer-Key=MTI%3D&x=y",
            "/a?X-Amz-Server-Side-Encryption-Customer-Key=...&x=y",
        ),
        (
            b"/a?x-amz-copy-source-server-side-encryption-customer-key=MTI",
            "/a?x-amz-copy-source-server-side-encryption-customer-key=...",
        ),
        (b"/a\xff?", "/a\\xff?"),
    ],
)
def test_signatures_are_left_out(target: bytes, text: str) -> None:
    """Whoever reads the log cannot use a presigned link that was refused or failed."""
    assert shown(target) == text


def logged(level: object, access: Access) -> list[str | None]:
    """The lines of the log after this request."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        access_log(level)(access)
    finally:
        globalLogPublisher.removeObserver(events.append)
    return [formatEvent(event) for event in events]


@pytest.mark.parametrize(
    ("level", "status", "lines"),
    [(LogLevel.info, 200, 0), (LogLevel.info, 404, 1), (LogLevel.debug, 200, 1)],
)
def test_what_is_logged(level: object, status: int, lines: int) -> None:
    """Refusals are logged, and what went well only by who asks for all."""
    access = Access("7", "::1", b"GET", b"/a?Signature=0af", status, 3, 0.001)
    wanted = f"::1 GET /a?Signature=... {status} 3 bytes 1.0 ms request=7 user=-"
    assert logged(level, access) == [wanted] * lines


def test_who_asked() -> None:
    """The line ends with the name of the user who signed."""
    access = Access("7", "::1", b"GET", b"/a", 403, 3, 0.001, "Alice A.")
    (line,) = logged(LogLevel.info, access)
    assert line is not None
    assert line.endswith(" request=7 user=Alice A.")
