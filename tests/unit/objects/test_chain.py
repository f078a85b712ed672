"""What happens to a body's bytes before they become the blob that nodes keep."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed

from godos.deferreds import deferred
from godos.model.fragments import Pieces
from godos.objects.chain import Chain
from godos.transfer.digests import Digests
from tests.unit.objects.stores import now


class Tagging:
    """A stage that writes its tag before each piece, and again at the end."""

    def __init__(self, tag: bytes, codec: str = "", late: bool = False) -> None:
        self.codec = codec or tag.decode()
        self._tag = tag
        self._late = late
        self._sha256 = sha256()
        self.size = 0

    def size_of(self, plain: int) -> int | None:
        return None if self._late else plain + 1

    def update(self, pieces: Pieces) -> Deferred[list[bytes]]:
        return succeed([self._counted(self._tag + bytes(piece)) for piece in pieces])

    def finish(self) -> Deferred[list[bytes]] | list[bytes]:
        last = [self._counted(b"." + self._tag)]
        return succeed(last) if self._late else last

    def _counted(self, piece: bytes) -> bytes:
        self.size += len(piece)
        self._sha256.update(piece)
        return piece

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest()


def passed(stages: list[Any], pieces: list[bytes]) -> tuple[Chain, bytes]:
    """The chain after a body, and what came out of it."""
    digests = Digests(maybeDeferred, ("sha256",))
    chain = Chain(digests, stages)

    @deferred
    async def run() -> bytes:
        out: list[Any] = []
        for piece in pieces:
            await digests.update([piece])
            out += await chain.update([piece])
        return b"".join([*out, *await chain.finish()])

    result: bytes = now(run())
    return chain, result


def test_without_stages_the_blob_is_the_body() -> None:
    """Its size and digest are the body's own, and the codec says that nothing was done."""
    chain, out = passed([], [b"one", b"two"])
    assert out == b"onetwo"
    assert (chain.codec, chain.size, chain.sha256) == ("raw", 6, sha256(out).digest())
    assert chain.size_of(6) == 6


@pytest.mark.parametrize("late", [False, True])
def test_stages_follow_each_other(late: bool) -> None:
    """The second gets what comes out of the first, also what comes at its end."""
    chain, out = passed([Tagging(b"a", late=late), Tagging(b"b")], [b"1", b"2"])
    assert out == b"ba1ba2b.a.b"
    assert (chain.codec, chain.size, chain.sha256) == ("a+b", len(out), sha256(out).digest())


def test_a_stage_that_did_nothing_is_not_named() -> None:
    """Compression that did not win leaves what encryption alone would."""
    chain, _ = passed([Tagging(b"a", codec="raw"), Tagging(b"b")], [b"1"])
    assert chain.codec == "b"
    chain, _ = passed([Tagging(b"a", codec="raw")], [b"1"])
    assert chain.codec == "raw"


def test_sizes_that_can_be_known_before() -> None:
    """Only where every stage knows what comes out of it."""
    digests = Digests(maybeDeferred)
    assert Chain(digests, [Tagging(b"a"), Tagging(b"b")]).size_of(5) == 7
    assert Chain(digests, [Tagging(b"a", late=True), Tagging(b"b")]).size_of(5) is None
