"""Which fragments are a blob's own."""

from __future__ import annotations

from godos.model.blobs import GENERATION, Blob, FragmentHeader
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.protocol.coding import Coding


def of_generation(index: int, generation: int) -> bool:
    """Whether a fragment's index is one of a generation, which is given by its first index."""
    return index // GENERATION * GENERATION == generation


def is_fragment_of(blob: Blob, name: FragmentName, header: FragmentHeader) -> bool:
    """Whether a header is that of this fragment of this very blob, coded as its row says."""
    said = (header.name, header.blob_size, header.blob_sha256, header.codec, header.policy)
    length = fragment_length(blob.policy, blob.size)
    wanted = (name, blob.size, blob.sha256, blob.codec, str(blob.policy), length)
    return (*said, header.length) == wanted


def fragment_length(policy: Policy, size: int) -> int:
    """Bytes of the payload of each fragment of a blob of `size` bytes."""
    return Coding(size, policy.data).fragment_length if policy.coded else size
