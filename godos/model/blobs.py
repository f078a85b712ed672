"""Blobs and where their fragments are."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from godos.model.names import FragmentName
from godos.model.policy import Policy

RAW = "raw"  # the codec that changes nothing


class BlobState(StrEnum):
    """`condemned` blobs are being removed and may gain no reference."""

    LIVE = "live"
    CONDEMNED = "condemned"


@frozen
class Placed:
    """Fragment `index` was acknowledged as durable by `node`."""

    index: int
    node: str


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
