"""
A blob's bytes to the payloads of its fragments, while they pass.

Of `copies=N` each fragment gets all bytes; of `ec=K+M` each gets its shard of every stripe,
as docs/disk-format.rst says.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed

from godos.deferreds import InThread
from godos.model.fragments import STRIPE, Pieces
from godos.model.policy import Policy
from godos.transfer.erasure import code_of


class Sharding:
    """
    Makes the fragments of one blob.

    What it answers has an entry for each shard, 0 … width - 1: the next pieces of that
    fragment's payload, perhaps none.  Beside what it was just given it holds less than a
    stripe.

    Args:
        in_thread: where stripes are coded.
    """

    def __init__(self, policy: Policy, in_thread: InThread) -> None:
        self._policy = policy
        self._in_thread = in_thread
        self._held: list[memoryview] = []  # less than a stripe
        self._size = 0  # of what is held, in bytes

    def update(self, pieces: Pieces) -> Deferred[Sequence[Pieces]]:
        """
        Take the next bytes; the next call comes after this one's Deferred fired.

        The pieces are kept, and must not change afterwards.
        """
        if not self._policy.coded:
            return succeed([pieces] * self._policy.width)
        return self._coded(self._whole_stripes(pieces))

    def finish(self) -> Deferred[Sequence[Pieces]]:
        """The rest, after the last bytes."""
        rest, self._held, self._size = self._held, [], 0
        return self._coded([rest] if rest else [])

    def _whole_stripes(self, pieces: Pieces) -> list[list[memoryview]]:
        """The stripes that `pieces` complete; what is over is held."""
        stripes = []
        for piece in pieces:
            rest = memoryview(piece)
            while len(rest):
                taken, rest = rest[: STRIPE - self._size], rest[STRIPE - self._size :]
                self._held.append(taken)
                self._size += len(taken)
                if self._size == STRIPE:
                    stripes.append(self._held)
                    self._held, self._size = [], 0
        return stripes

    def _coded(self, stripes: list[list[memoryview]]) -> Deferred[Sequence[Pieces]]:
        if not stripes:
            return succeed([()] * self._policy.width)
        return self._in_thread(shards_of, self._policy, stripes)


def shards_of(policy: Policy, stripes: Sequence[Sequence[memoryview]]) -> Sequence[Pieces]:
    """The shards of some stripes, for each fragment in order.  It blocks."""
    code = code_of(policy.data, policy.parity)
    coded = [code.encode(b"".join(stripe)) for stripe in stripes]
    return [list(shards) for shards in zip(*coded, strict=True)]
