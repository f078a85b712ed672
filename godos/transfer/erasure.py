"""
The code itself: stripes to shards and back, by ISA-L.

Shards are stored without the headers that liberasurecode puts before each: those depend on
the stripe's length alone, and are made again for decoding.

An allocator that gives memory back to the kernel after each stripe makes coding 20 times
slower: see `service.memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pyeclib.ec_iface import ECDriver, ECDriverError

from godos.model.errors import FragmentDamaged

HEADER = 80  # bytes.  Source: liberasurecode, fragment_header_t
KIND = "isa_l_rs_cauchy"  # every K of K + M are enough; of `isa_l_rs_vand` not for all K, M
_KEPT_LENGTHS = 64  # lengths of stripes whose headers are remembered

Piece = bytes | bytearray | memoryview


class Code:
    """
    K data and M parity shards.  Needs no state: may be used from any thread.

    It holds the interpreter's lock for some 0.1 ms per MiB.
    """

    def __init__(self, data: int, parity: int) -> None:
        self.data = data
        self.width = data + parity
        self._driver = ECDriver(k=data, m=parity, ec_type=KIND)
        self._headers = lru_cache(_KEPT_LENGTHS)(self._headers_of)

    def encode(self, stripe: Piece) -> list[memoryview]:
        """The K + M shards, each of `ceil(len(stripe) / K)` bytes, of at least one byte."""
        fragments = self._driver.encode(bytes(stripe))
        return [memoryview(fragment)[HEADER:] for fragment in fragments]

    def decode(self, shards: Mapping[int, Piece], length: int) -> bytes:
        """
        A stripe of `length` bytes out of at least K of its shards, all of one length.

        The shards are not checked: that was done when they were read.

        Raises:
            FragmentDamaged: they are too few, or of a wrong length.
        """
        unit = -(-length // self.data)
        if any(len(shard) != unit for shard in shards.values()):
            raise FragmentDamaged("the shards of a stripe are not of its length")
        columns = [shards.get(index) for index in range(self.data)]
        if all(column is not None for column in columns):
            return b"".join(column for column in columns if column is not None)[:length]
        headers = self._headers(length)
        fragments = [b"".join((headers[index], shard)) for index, shard in shards.items()]
        try:
            whole: bytes = self._driver.decode(fragments[: self.data])
        except ECDriverError as error:
            raise FragmentDamaged(f"the stripe cannot be decoded: {error}") from error
        return whole

    def _headers_of(self, length: int) -> list[bytes]:
        return [fragment[:HEADER] for fragment in self._driver.encode(bytes(length))]


@lru_cache
def code_of(data: int, parity: int) -> Code:
    """The code of a policy; making one costs more than using it."""
    return Code(data, parity)
