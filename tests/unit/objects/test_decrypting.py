"""Encrypted bytes of which somebody above finds that they make no sense."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.errors import BytesNotFound, FragmentDamaged
from godos.objects.decrypting import DecryptedRead
from godos.transfer.encryption import BlockRange, Opener, Sealer
from tests.unit.objects.stores import now
from tests.unit.objects.test_decompressing import Nodes

SECRET, INCARNATION, SIZE = b"s" * 32, "ab" * 16, 300_000
PLAIN = random.Random(1).randbytes(SIZE)
SEALER = Sealer(SECRET, INCARNATION)
SEALED = b"".join([*SEALER.update([PLAIN]), *SEALER.finish()])


def test_bytes_that_end_early() -> None:
    """A reader is told, and is not kept waiting for ever."""
    nodes = Nodes([SEALED[:70_000]], 30_000)
    opener = Opener(SECRET, INCARNATION, SIZE)
    read = DecryptedRead(nodes.open(0, len(SEALED)), opener, SIZE, 0, SIZE, maybeDeferred)
    first = now(Deferred.fromCoroutine(read.read()))
    assert PLAIN.startswith(first)
    with pytest.raises(BytesNotFound):
        now(Deferred.fromCoroutine(read.read()))


@settings(deadline=None)
@given(
    st.integers(0, SIZE - 1),
    st.integers(1, SIZE),
    st.floats(0, 1),
    st.integers(0, 3),
    st.integers(1000, 200_000),
)
def test_read_again(start: int, length: int, back: float, reads: int, piece: int) -> None:
    """From any place that was read, the bytes are given again, and come from elsewhere."""
    stop = min(SIZE, start + length)
    blocks = BlockRange.around(start, stop, SIZE)
    nodes = Nodes([SEALED, SEALED], piece)
    sealed = nodes.open(blocks.start, blocks.stop)
    opener = Opener(SECRET, INCARNATION, SIZE)
    read = DecryptedRead(sealed, opener, SIZE, start, stop, maybeDeferred)

    async def again() -> None:
        got = b""
        for _ in range(reads):
            got += await read.read()
        assert got == PLAIN[start : start + len(got)]
        place = min(start + int(back * len(got)), stop - 1)
        await read.refuse(place, FragmentDamaged("it makes no sense"))
        assert sealed.node == 1
        rest = b""
        while more := await read.read():
            rest += more
        assert rest == PLAIN[place:stop]
        await read.close()

    now(Deferred.fromCoroutine(again()))
