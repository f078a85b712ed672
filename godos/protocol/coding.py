"""
Where the bytes of a coded blob are: stripes, columns, and slices of fragments.

A blob is cut into stripes of 1 MiB, the last one shorter.  A stripe of n bytes is K columns
of `ceil(n / K)` bytes (the last padded with zeros), which are its data shards, and M parity
shards of that length.  Fragment i is shard i of all stripes, one after the other.  The code
works byte by byte: the same range of all shards is again a code word, so a small range of
one stripe needs only a part of each shard.  See docs/disk-format.rst.
"""

from __future__ import annotations

from attrs import frozen

from godos.model.fragments import STRIPE
from godos.model.policy import Policy


@frozen
class Cut:
    """
    What must be read of each of K fragments for bytes [start, stop) of one stripe.

    Of every fragment that takes part, the same `offset` and `length` of its payload.  Those
    of the data shards in `shards` hold the bytes that are wanted, `Coding.position` tells
    where; any K of all K + M give them.
    """

    stripe: int
    offset: int  # in the payload of a fragment
    length: int  # bytes of each fragment
    shards: range  # data shards whose bytes are wanted; the others only help to decode


@frozen
class Coding:
    """How a blob of `size` bytes, at least 1, is spread over `data` shards."""

    size: int
    data: int

    @property
    def stripes(self) -> int:
        """How many stripes there are."""
        return -(-self.size // STRIPE)

    def stripe_size(self, stripe: int) -> int:
        """Bytes of the blob that are in a stripe."""
        return min(STRIPE, self.size - stripe * STRIPE)

    def unit(self, stripe: int) -> int:
        """Bytes of each shard of a stripe."""
        return -(-self.stripe_size(stripe) // self.data)

    @property
    def fragment_length(self) -> int:
        """Bytes of the payload of each fragment."""
        last = self.stripes - 1
        return last * self._full_unit + self.unit(last)

    @property
    def _full_unit(self) -> int:
        return -(-STRIPE // self.data)

    def cuts(self, start: int, stop: int) -> list[Cut]:
        """
        What to read for bytes [start, stop), 0 <= start < stop <= size, stripe by stripe.

        A range of several stripes reads the first and the last whole: fragments are read
        in one go, and without gaps.
        """
        first, last = start // STRIPE, (stop - 1) // STRIPE
        if first == last:
            return [self._cut_of_one(first, start - first * STRIPE, stop - first * STRIPE)]
        return [self._whole(stripe) for stripe in range(first, last + 1)]

    def _whole(self, stripe: int) -> Cut:
        offset = stripe * self._full_unit
        return Cut(stripe, offset, self.unit(stripe), range(self.data))

    def _cut_of_one(self, stripe: int, start: int, stop: int) -> Cut:
        """The bytes [start, stop) of a stripe: of one column a part, of several all of it."""
        unit = self.unit(stripe)
        shards = range(start // unit, (stop - 1) // unit + 1)
        if len(shards) > 1:
            return Cut(stripe, stripe * self._full_unit, unit, shards)
        column = shards.start * unit
        offset = stripe * self._full_unit + start - column
        return Cut(stripe, offset, stop - start, shards)

    def position(self, cut: Cut, shard: int) -> int:
        """The position in the blob of the first byte that `cut` reads of a data shard."""
        inside = cut.offset - cut.stripe * self._full_unit
        return cut.stripe * STRIPE + shard * self.unit(cut.stripe) + inside


def fragment_length(policy: Policy, size: int) -> int:
    """Bytes of the payload of each fragment of a blob of `size` bytes, at least 1."""
    return Coding(size, policy.data).fragment_length if policy.coded else size
