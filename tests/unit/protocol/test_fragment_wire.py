"""Verified blocks on the wire."""

from __future__ import annotations

from random import Random

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged
from godos.model.fragments import BLOCK, CHUNK
from godos.model.names import FragmentName
from godos.protocol.fragment_header import to_frame
from godos.protocol.fragment_wire import BlockFramer, Unframer, framed_size, whole_blocks

NAME = FragmentName("0123456789abcdef" * 2, 3)
SIZE = 3 * BLOCK + 1000
PAYLOAD = Random(1).randbytes(SIZE)
HEADER = FragmentHeader(NAME, SIZE, SIZE, "ab" * 32, "copies=2", origin=b"{}")


def sent(start: int, stop: int | None, piece: int = CHUNK) -> bytes:
    """What a node sends for a range, reading its disk in pieces of some size."""
    first, end = whole_blocks(start, stop)
    framer = BlockFramer(NAME, first)
    part = PAYLOAD[first:end]
    frames = [to_frame(HEADER)]
    for place in range(0, len(part), piece):
        frames += framer.frames(part[place : place + piece])
    return b"".join([*frames, *framer.last()])


def received(unframer: Unframer, body: bytes, piece: int) -> bytes:
    """Feed a body in pieces of some size, and take what comes out."""
    taken = []
    for place in range(0, len(body), piece):
        unframer.feed(body[place : place + piece])
        while unframer.ready:
            taken.append(unframer.take(CHUNK))
            assert 0 < len(taken[-1]) <= CHUNK
    return b"".join(taken)


offsets = st.one_of(
    st.integers(0, SIZE),
    st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, SIZE - 1, SIZE]),
)
pieces = st.sampled_from([997, 4096, 65536, BLOCK, BLOCK + 8, 1 << 20])


class WireTests(SynchronousTestCase):
    @settings(max_examples=60, deadline=None)
    @given(offsets, offsets, pieces, pieces)
    def test_every_range_arrives(self, one: int, other: int, read: int, recv: int) -> None:
        """Whatever is asked for, and however disk and network cut it, that is what comes."""
        start, stop = min(one, other), max(one, other)
        body = sent(start, stop, read)
        unframer = Unframer(NAME, start, stop)
        self.assertEqual(PAYLOAD[start:stop], received(unframer, body, recv))
        self.assertEqual((True, HEADER, 0), (unframer.ended, unframer.header, unframer.held))

    def test_an_open_end_is_the_payloads(self) -> None:
        """Without a stop everything from the start on comes."""
        unframer = Unframer(NAME, 5, None)
        self.assertEqual(PAYLOAD[5:], received(unframer, sent(5, None), 65536))
        self.assertTrue(unframer.ended)

    def test_the_length_is_known_before(self) -> None:
        """A sender can say Content-Length before it reads the disk."""
        for start, stop in ((0, None), (BLOCK, 2 * BLOCK), (5, 5), (SIZE - 1, SIZE)):
            first, end = whole_blocks(start, stop)
            size = len(PAYLOAD[first:end])
            self.assertEqual(len(to_frame(HEADER)) + framed_size(size), len(sent(start, stop)))

    def test_only_whole_blocks_are_asked_of_the_disk(self) -> None:
        """A range of one byte is one block; an empty one is none."""
        self.assertEqual((BLOCK, 2 * BLOCK), whole_blocks(BLOCK + 5, BLOCK + 6))
        self.assertEqual((0, 0), whole_blocks(7, 7))
        self.assertEqual((BLOCK, None), whole_blocks(BLOCK, None))

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0), st.integers(0, 7))
    def test_a_flipped_bit_never_gets_through(self, place: int, bit: int) -> None:
        """What was given before the damage is good, and nothing is given after it."""
        body = bytearray(sent(0, None))
        body[place % len(body)] ^= 1 << bit
        unframer = Unframer(NAME, 0, None)
        with self.assertRaises(FragmentDamaged):
            received(unframer, bytes(body), len(body))
        good = b"".join(unframer.ready)
        self.assertEqual(PAYLOAD[: len(good)], good)
        self.assertLess(len(good), SIZE)

    def test_a_good_block_of_another_place_is_damage(self) -> None:
        """A block that the disk or the network put in the place of another is noticed."""
        frame = to_frame(HEADER)
        one, other = sent(0, BLOCK)[len(frame) :], sent(BLOCK, 2 * BLOCK)[len(frame) :]
        self.assertEqual(len(one), len(other))
        with self.assertRaises(FragmentDamaged):
            Unframer(NAME, 0, BLOCK).feed(frame + other)

    def test_a_good_block_of_another_fragment_is_damage(self) -> None:
        """Neither another blob's block, nor another index's, passes for this one."""
        for name in (FragmentName(NAME.incarnation, 4), FragmentName("f" * 32, 3)):
            header = evolve(HEADER, name=name)
            frames = [to_frame(HEADER), *BlockFramer(name, 0).frames(PAYLOAD[:BLOCK])]
            with self.assertRaises(FragmentDamaged):
                Unframer(NAME, 0, BLOCK).feed(b"".join(frames))
            with self.assertRaises(FragmentDamaged):
                Unframer(NAME, 0, BLOCK).feed(to_frame(header))

    def test_a_short_answer_has_not_ended(self) -> None:
        """Whatever is missing at the end, the receiver knows that it is."""
        body = sent(0, None)
        for missing in (1, 1000, 1008, 1009, len(body) - 20, len(body)):
            unframer = Unframer(NAME, 0, None)
            unframer.feed(body[: len(body) - missing])
            self.assertFalse(unframer.ended)

    def test_too_much_is_damage(self) -> None:
        """An answer that goes on after its end is not trusted to be what was meant."""
        with self.assertRaises(FragmentDamaged):
            Unframer(NAME, 0, None).feed(sent(0, None) + b"x")

    def test_small_pieces_are_taken_together(self) -> None:
        """A reader gets up to a chunk at once, and never more."""
        unframer = Unframer(NAME, 0, None)
        unframer.feed(sent(0, None))
        self.assertEqual(PAYLOAD[: 2 * BLOCK], unframer.take(2 * BLOCK + 5))
        self.assertEqual(SIZE - 2 * BLOCK, unframer.held)
        self.assertEqual(PAYLOAD[2 * BLOCK :], unframer.take(CHUNK))
        self.assertEqual(b"", unframer.take(CHUNK))
