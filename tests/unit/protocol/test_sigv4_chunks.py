"""Signatures of chunks and trailers, compared with the examples that AWS publishes."""

from __future__ import annotations

import pytest

from godos.protocol import sigv4
from godos.protocol.signatures import SignatureRefused
from godos.protocol.sigv4_chunks import ChunkSignatures

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = sigv4.signing_key(SECRET, b"20130524", b"us-east-1")

# Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header:
# Transferring Payload in Multiple Chunks" and "… Including Trailing Headers".
SEED = b"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNKS = (
    (65536, b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
TRAILER_SEED = b"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_CHUNKS = (
    (65536, b"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, b"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, b"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
)
TRAILER = b"x-amz-checksum-crc32c:sOO8/Q==\n"
TRAILER_SIGNATURE = b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def chain(seed: bytes) -> ChunkSignatures:
    date = b"20130524T000000Z"
    claim = sigv4.Claim(
        "AKIAIOSFODNN7EXAMPLE", date[:8], b"us-east-1", b"s3", b"host", seed, date, 0, b""
    )
    return ChunkSignatures(KEY, claim)


def take(signatures: ChunkSignatures, chunks: tuple[tuple[int, bytes], ...]) -> None:
    for size, signature in chunks:
        signatures.update(b"a" * (size // 2))
        signatures.update(b"a" * (size - size // 2))
        signatures.end_chunk(signature)


def test_the_published_chunks_are_let_in() -> None:
    """The upload that AWS's documentation signs chunk by chunk is signed correctly."""
    take(chain(SEED), CHUNKS)


def test_the_published_trailer_is_let_in() -> None:
    """The trailer that AWS's documentation signs is signed correctly."""
    signatures = chain(TRAILER_SEED)
    take(signatures, TRAILER_CHUNKS)
    signatures.end_trailer(TRAILER, TRAILER_SIGNATURE)


@pytest.mark.parametrize(
    "chunks",
    [
        (CHUNKS[1], CHUNKS[0], CHUNKS[2]),
        (CHUNKS[0], CHUNKS[2]),
        (CHUNKS[0], CHUNKS[0]),
        ((65535, CHUNKS[0][1]),),
        ((65536, b""),),
    ],
    ids=["in another order", "one left out", "one twice", "another content", "no signature"],
)
def test_other_chunks_are_refused(chunks: tuple[tuple[int, bytes], ...]) -> None:
    """A chunk is good in its place and with its content only."""
    with pytest.raises(SignatureRefused) as refused:
        take(chain(SEED), chunks)
    assert refused.value.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("lines", "signature"),
    [
        (b"x-amz-checksum-crc32c:AAAAAA==\n", TRAILER_SIGNATURE),
        (TRAILER, b""),
        (TRAILER, TRAILER_CHUNKS[2][1]),
    ],
)
def test_other_trailers_are_refused(lines: bytes, signature: bytes) -> None:
    """A trailer that changed, or that nobody signed, is refused."""
    signatures = chain(TRAILER_SEED)
    take(signatures, TRAILER_CHUNKS)
    with pytest.raises(SignatureRefused) as refused:
        signatures.end_trailer(lines, signature)
    assert refused.value.code == "SignatureDoesNotMatch"
