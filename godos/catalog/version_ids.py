"""
Version ids: 22 characters of base64url that say where their row is.

They hold 16 bytes: the seq (8, big-endian) and the first 8 of the commit's 16 random ones.
So an id finds its row without an index, cannot be guessed from its neighbour's, and is made
again from the row (it is not stored).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

LENGTH = 22


def version_id(seq: int, reference: str) -> str:
    """The id of the version that the commit `reference` (32 hex digits) made as number `seq`."""
    packed = seq.to_bytes(8, "big") + bytes.fromhex(reference[:16])
    return urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def seq_of(text: str) -> int | None:
    """The seq inside an id, or None when `text` is no id of ours."""
    if len(text) != LENGTH or not text.isascii():
        return None
    try:
        packed = urlsafe_b64decode(text + "==")
    except ValueError:
        return None
    if urlsafe_b64encode(packed).decode("ascii").rstrip("=") != text:
        return None  # base64 reads past foreign characters, and the last one has spare bits
    return int.from_bytes(packed[:8], "big")
