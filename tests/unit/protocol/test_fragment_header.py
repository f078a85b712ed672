"""Headers of fragments as they travel."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, InvalidRequest
from godos.model.names import FragmentName
from godos.protocol.fragment_header import (
    FRAME_HEAD,
    frame_size,
    from_fields,
    from_frame,
    to_fields,
    to_frame,
    to_line,
)

HEADER = FragmentHeader(
    FragmentName("0123456789abcdef" * 2, 7), 5, 9, "ab" * 32, "copies=3", "raw", b'{"key":"\xff"}'
)


class HeaderTests(SynchronousTestCase):
    def test_nothing_is_lost_on_the_way(self) -> None:
        """What arrives is what was sent, with and without an origin."""
        for header in (HEADER, evolve(HEADER, origin=b"")):
            self.assertEqual(header, from_frame(to_frame(header)))
            self.assertEqual(header, from_fields(to_fields(header)))

    def test_the_frame_tells_its_length(self) -> None:
        """So that the receiver knows where the payload begins."""
        frame = to_frame(HEADER)
        self.assertEqual(len(frame), frame_size(frame[:FRAME_HEAD]))

    def test_the_line_fits_a_http_header(self) -> None:
        """However long the origin is, what HEAD answers stays short."""
        self.assertLess(len(to_line(evolve(HEADER, origin=b"x" * 100_000))), 1000)

    @settings(deadline=None)
    @given(st.integers(0), st.integers(0, 7))
    def test_a_flipped_bit_is_noticed(self, place: int, bit: int) -> None:
        """Whichever bit of the frame changes on the way."""
        frame = bytearray(to_frame(HEADER))
        frame[place % len(frame)] ^= 1 << bit
        with self.assertRaises(FragmentDamaged):
            from_frame(bytes(frame))

    def test_half_a_frame_is_noticed(self) -> None:
        """A frame that was cut is not read."""
        frame = to_frame(HEADER)
        for length in (0, FRAME_HEAD - 1, FRAME_HEAD, len(frame) - 1):
            with self.assertRaises(FragmentDamaged):
                from_frame(frame[:length])

    def test_senseless_headers_are_refused(self) -> None:
        """Each field must be there, and be what it should be."""
        wrong: list[tuple[str, Any]] = [
            ("name", "../etc/passwd"),
            ("name", None),
            ("length", -1),
            ("length", "5"),
            ("length", True),
            ("blob_size", 1.5),
            ("blob_sha256", "AB" * 32),
            ("blob_sha256", "ab"),
            ("policy", 3),
            ("codec", None),
            ("origin", "not base64!"),
            ("origin", 5),
        ]
        for key, value in wrong:
            with self.assertRaises(InvalidRequest, msg=key):
                from_fields({**to_fields(HEADER), key: value})
        for senseless in (None, [], "x", {}):
            with self.assertRaises(InvalidRequest):
                from_fields(senseless)
