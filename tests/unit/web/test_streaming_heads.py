"""Heads of answers as bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.web.heads import Heads, announced_length, status_line

TOKEN = st.text("abcXYZ-1", min_size=1).map(str.encode)
HEADERS = st.lists(st.tuples(TOKEN, st.binary(max_size=40)), max_size=6)


class HeadsTests(SynchronousTestCase):
    """Status line and headers."""

    def test_whole(self) -> None:
        """All that was given, and what every answer has."""
        head = Heads(Clock()).render(404, [(b"A", b"b")], "ID", 5, True)
        self.assertEqual(
            b"HTTP/1.1 404 Not Found\r\nServer: godos\r\n"
            b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nx-amz-request-id: ID\r\n"
            b"Content-Length: 5\r\nConnection: close\r\nA: b\r\n\r\n",
            head,
        )

    def test_unknown_status(self) -> None:
        """A status without a known phrase is sent as well."""
        self.assertEqual(b"HTTP/1.1 299 Unknown\r\n", status_line(299).split(b"Server")[0])

    def test_announced_length(self) -> None:
        """Content-Length is found in any letter case."""
        self.assertEqual(7, announced_length([(b"A", b"1"), (b"cOnTent-length", b"7")]))
        self.assertIsNone(announced_length([(b"A", b"1")]))


@given(HEADERS, st.none() | st.integers(0, 9), st.booleans())
def test_no_injection(headers: list[tuple[bytes, bytes]], length: int | None, close: bool) -> None:
    """However values look, the head has as many lines as headers, and one end."""
    head = Heads(Clock()).render(200, headers, "ID", length, close)
    lines = head.split(b"\r\n")
    assert len(lines) == 4 + len(headers) + (length is not None) + close + 2
    assert lines[-2:] == [b"", b""]
    assert not any(b"\r" in line or b"\n" in line for line in lines)
