"""Blobs and where their fragments are."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from godos.model.names import FragmentName
from godos.model.policy import Policy

RAW = "raw"  # the codec that changes nothing

# Indexes that one generation of a blob's fragments has: `<incarnation>.<index>` is shard
# `index % GENERATION` of generation `index // GENERATION`.  A blob that is converted to
# another policy gets a new generation, so that the names of old and new never meet.
GENERATION = 100


class BlobState(StrEnum):
    """`condemned` blobs are being removed and may gain no reference."""

    LIVE = "live"
    CONDEMNED = "condemned"


@frozen
class Placed:
    """Fragment `index` was acknowledged as durable by `node`."""

    index: int
    node: str

    @property
    def shard(self) -> int:
        """Which of the code's fragments it is, or the how manyth copy: 0 … width - 1."""
        return self.index % GENERATION


@frozen
class Blob:
    """
    The stored bytes of one upload.

    `size` and `sha256` (hex) are of the stored bytes; with codec `raw` these are the
    object's own.  `layout` lists only nodes that acknowledged; `rev` is the id of the
    operation that wrote the row and what a change of the layout compares.
    """

    incarnation: str
    size: int
    sha256: str
    policy: Policy
    layout: tuple[Placed, ...]
    codec: str = RAW
    state: BlobState = BlobState.LIVE
    rev: str = ""

    @property
    def below_target(self) -> bool:
        """Whether fewer fragments are known durable than the policy asks for."""
        return len({placed.index for placed in self.layout}) < self.policy.width

    @property
    def generation(self) -> int:
        """The first index of its fragments' generation; all of a layout are of one."""
        return self.layout[0].index // GENERATION * GENERATION if self.layout else 0

    def name(self, shard: int) -> FragmentName:
        """The name of fragment `shard` of its generation."""
        return FragmentName(self.incarnation, self.generation + shard)


# Bytes of a blob from which on it is worth a row in the content index, and a look at it.
SHARED_FROM = 16 << 10


def shareable(blob: Blob) -> bool:
    """Whether equal content may be stored once: not where it is encrypted, nor where it is tiny."""
    return blob.size >= SHARED_FROM and "aes" not in blob.codec


@frozen
class Held:
    """
    A fragment that is on a disk.

    `verified` is the time, in seconds since the epoch, since when it is known to be good:
    it was read back whole, or written, then or later.  0.0: not known.
    """

    name: FragmentName
    verified: float


@frozen
class FragmentHeader:
    """
    What a fragment says of itself, in its footer or record and on the wire.

    `length` is the payload's in bytes; `blob_size` and `blob_sha256` (hex) are the whole
    blob's.  `origin` is the JSON from which a lost catalog can be rebuilt, or empty.
    """

    name: FragmentName
    length: int
    blob_size: int
    blob_sha256: str
    policy: str
    codec: str = RAW
    origin: bytes = b""
