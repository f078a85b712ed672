"""Verified bytes on their way out of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed

from godos.model.errors import FragmentDamaged, Unavailable
from godos.model.fragments import BLOCK, CHUNK
from godos.model.names import FragmentName
from godos.storage.checks import checks_of
from godos.storage.counters import Counters
from godos.storage.files import CREATE
from godos.storage.footer import Trailer
from godos.storage.reader import BlockFile, FileReader, HeldReader, or_release
from tests.contract.fragment_store import content, header_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import now

NAME = FragmentName("ab" * 16, 1)
SIZE = 2 * CHUNK + BLOCK + 17
PAYLOAD = content(SIZE)
HEADER = header_of(PAYLOAD, NAME)


class Opened:
    """A large fragment, open on a disk; `bad` is the offset of a flipped byte."""

    def __init__(self, bad: int | None = None, size: int = SIZE) -> None:
        self.disk = SimulatedDisk()
        self.counters = Counters()
        raw = bytearray(PAYLOAD[:size])
        if bad is not None:
            raw[bad] ^= 1
        fd = self.disk.open("/file", CREATE)
        self.disk.write(fd, [raw], 0)
        trailer = Trailer(HEADER, tuple(checks_of(NAME, [PAYLOAD])))
        self.file = BlockFile(self.disk, fd, trailer, self.counters)

    def reader(self, start: int = 0, stop: int = SIZE) -> FileReader:
        return FileReader(self.file, start, stop, maybeDeferred)


def pieces(reader: FileReader) -> list[bytes]:
    found = []
    while piece := now(reader.read()):
        found.append(piece)
    return found


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, SIZE),
        (0, 1),
        (SIZE - 1, SIZE),
        (BLOCK - 1, BLOCK + 1),
        (CHUNK, 2 * CHUNK),
        (CHUNK - 5, 2 * CHUNK + 5),
        (BLOCK, BLOCK),
    ],
)
def test_any_range(start: int, stop: int) -> None:
    """Whatever range is asked for comes in pieces of at most a chunk."""
    opened = Opened()
    found = pieces(opened.reader(start, stop))
    assert b"".join(found) == PAYLOAD[start:stop]
    assert all(len(piece) <= CHUNK for piece in found)


def test_damage_in_the_first_chunk() -> None:
    """It is told before any byte is promised."""
    with pytest.raises(FragmentDamaged, match="block 1"):
        Opened(bad=BLOCK).reader()


def test_damage_later_on() -> None:
    """What comes before it is good and is given; the rest is an error."""
    opened = Opened(bad=CHUNK + 3)
    reader = opened.reader()
    assert now(reader.read()) == PAYLOAD[:CHUNK]
    with pytest.raises(FragmentDamaged, match=f"block {CHUNK // BLOCK}"):
        now(reader.read())
    assert opened.counters.damaged == 1


def test_damage_outside_the_range() -> None:
    """Only blocks that are touched are verified."""
    assert pieces(Opened(bad=0).reader(BLOCK, SIZE))[0] == PAYLOAD[BLOCK:CHUNK]


@pytest.mark.parametrize("size", [0, 10, CHUNK, SIZE - 17])
def test_file_cut_short(size: int) -> None:
    """Missing bytes are damage, also when whole blocks are missing."""
    with pytest.raises(FragmentDamaged):
        Opened(size=size).file.check(0, SIZE)


def test_closed_while_in_use() -> None:
    """A reader may be closed at any time, and the file is let go of once."""
    opened = Opened()
    reader = opened.reader()
    for _ in range(2):
        now(reader.close())
    assert opened.disk.open_files == []
    with pytest.raises(Unavailable):
        now(reader.read())


def test_held_bytes() -> None:
    """A small fragment's bytes are given once, and are let go of when closed."""
    reader = HeldReader(HEADER, b"all of it")
    assert [now(reader.read()), now(reader.read())] == [b"all of it", b""]
    reader = HeldReader(HEADER, b"all of it")
    now(reader.close())
    assert now(reader.read()) == b""


# -- opening in a thread ----------------------------------------------------------------
def released(opening: Deferred[Any], act: Callable[[Deferred[Any]], None]) -> list[Any]:
    """What was released after `act`; the outcome is dropped."""
    found: list[Any] = []
    outer = or_release(opening, found.append)
    act(outer)
    outer.addErrback(lambda failure: failure.trap(CancelledError, ValueError))
    return found


def test_result_is_handed_on() -> None:
    """Who waits gets it, and nothing is released."""
    assert released(succeed("file"), lambda outer: None) == []
    assert now(or_release(succeed("file"), lambda _: None)) == "file"
    with pytest.raises(ValueError, match="why"):
        now(or_release(fail(ValueError("why")), lambda _: None))


def test_caller_that_leaves() -> None:
    """What was opened for a caller that cancelled is closed when it comes."""
    opening: Deferred[str] = Deferred()
    found = released(opening, lambda outer: outer.cancel())
    assert found == []
    opening.callback("file")
    assert found == ["file"]


def test_caller_that_leaves_before_an_error() -> None:
    """There is nothing to release then."""
    opening: Deferred[str] = Deferred()
    found = released(opening, lambda outer: outer.cancel())
    opening.errback(ValueError("too late"))
    assert found == []
