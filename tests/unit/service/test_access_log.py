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
        (b"/a?AWSAccessKeyId=me&Signature=0af%3D", "/a?AWSAccessKeyId=me&Signature=..."),
        (b"/a?X-Amz-Security-Token=secret", "/a?X-Amz-Security-Token=..."),
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


@pytest.mark.parametrize(
    ("level", "status", "lines"),
    [(LogLevel.info, 200, 0), (LogLevel.info, 404, 1), (LogLevel.debug, 200, 1)],
)
def test_what_is_logged(level: object, status: int, lines: int) -> None:
    """Refusals are logged, and what went well only by who asks for all."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        access_log(level)(Access("7", "::1", b"GET", b"/a?Signature=0af", status, 3, 0.001))
    finally:
        globalLogPublisher.removeObserver(events.append)
    wanted = f"::1 GET /a?Signature=... {status} 3 bytes 1.0 ms request=7"
    assert [formatEvent(event) for event in events] == [wanted] * lines
