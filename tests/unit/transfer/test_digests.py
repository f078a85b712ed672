"""Digests of a body while it passes."""

from __future__ import annotations

from hashlib import md5, sha256

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred

from godos.transfer.digests import INLINE, Digests


@given(st.lists(st.binary(max_size=9000), max_size=8))
def test_however_it_is_cut(pieces: list[bytes]) -> None:
    """The digests are those of the whole body."""
    digests = Digests(maybeDeferred)
    for piece in pieces:
        digests.update([piece])
    whole = b"".join(pieces)
    assert digests.md5 == md5(whole).digest()
    assert digests.sha256 == sha256(whole).digest()
    assert digests.size == len(whole)


def test_large_pieces_are_hashed_in_a_thread() -> None:
    """The reactor goes on meanwhile; small ones are not worth the way."""
    sent: list[object] = []

    def in_thread(function: object, *args: object) -> Deferred[None]:
        sent.append(args)
        return maybeDeferred(function, *args)

    digests = Digests(in_thread)
    digests.update([b"x" * INLINE])
    assert not sent
    digests.update([b"x" * (INLINE + 1)])
    assert len(sent) == 1
    assert digests.sha256 == sha256(b"x" * (2 * INLINE + 1)).digest()
