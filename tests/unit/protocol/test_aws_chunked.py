"""The framing of aws-chunked bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError, IncompleteBody, InvalidRequest
from godos.protocol.aws_chunked import ChunkEnd, Decoder, MalformedTrailer, Part, TrailerEnd

CRC = b"x-amz-checksum-crc32"
SIGNATURE = b"a" * 64


def decode(decoder: Decoder, body: bytes, step: int = 1 << 20) -> tuple[bytes, list[Part]]:
    """The bytes of a body, and all other parts."""
    parts: list[Part] = []
    for start in range(0, len(body), step):
        parts += decoder.feed(body[start : start + step])
    decoder.end()
    data = b"".join(part for part in parts if isinstance(part, bytes))
    return data, [part for part in parts if not isinstance(part, bytes)]


BODIES = {
    "unsigned, as botocore": (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", False),
    "unsigned, as minio-go": (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\n", False),
    "signed, as aws": (
        b"5;chunk-signature=%(s)s\r\nhello\r\n0;chunk-signature=%(s)s\r\n"
        b"x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:%(s)s\r\n\r\n"
        % {b"s": SIGNATURE},
        True,
    ),
    "signed, as minio-go": (
        b"5;chunk-signature=%(s)s\r\nhello\r\n0;chunk-signature=%(s)s\r\n"
        b"x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:%(s)s\r\n\r\n"
        % {b"s": SIGNATURE},
        True,
    ),
    "upper case, spaces": (
        b"0005 \r\nhello\r\n00\r\nX-Amz-Checksum-Crc32 :  AAAAAA== \r\n\r\n",
        False,
    ),
}


@pytest.mark.parametrize(("body", "signed"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_bodies_of_real_clients(body: bytes, signed: bool, step: int) -> None:
    """What clients write is read, in whatever pieces it arrives."""
    decoder = Decoder(signed, [CRC], 5)
    data, parts = decode(decoder, body, step)
    signature = SIGNATURE if signed else b""
    assert data == b"hello"
    assert decoder.trailers == {CRC: b"AAAAAA=="}
    lines = b"x-amz-checksum-crc32:AAAAAA==\n"
    end = ChunkEnd(signature)
    assert parts == [end, end, TrailerEnd(lines, signature)]


def test_a_body_without_trailer() -> None:
    """Signed chunks end with an empty one; the line break after it may be missing."""
    body = b"2;chunk-signature=%(s)s\r\nhi\r\n0;chunk-signature=%(s)s\r\n\r\n" % {b"s": SIGNATURE}
    for whole in (body, body[:-2]):
        assert decode(Decoder(True), whole)[0] == b"hi"


def test_an_empty_body() -> None:
    """No bytes at all are one empty chunk."""
    assert decode(Decoder(False, (), 0), b"0\r\n\r\n") == (b"", [ChunkEnd(b"")])


WRONG = {
    "no chunks": (b"hello", InvalidRequest),
    "no size": (b"\r\nhello\r\n0\r\n\r\n", InvalidRequest),
    "a negative size": (b"-5\r\nhello\r\n0\r\n\r\n", InvalidRequest),
    "a size of 17 digits": (b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n", InvalidRequest),
    "an endless first line": (b"5;" + b"x" * 2000, InvalidRequest),
    "a longer chunk": (b"5\r\nhello!\r\n0\r\n\r\n", InvalidRequest),
    "a shorter chunk": (b"5\r\nhell\r\n0\r\n\r\n", InvalidRequest),
    "nothing": (b"", IncompleteBody),
    "cut in a chunk": (b"5\r\nhel", IncompleteBody),
    "cut after a chunk": (b"5\r\nhello\r\n", IncompleteBody),
    "cut in the last line": (b"5\r\nhello\r\n0", IncompleteBody),
    "fewer bytes than announced": (b"4\r\nhell\r\n0\r\n\r\n", IncompleteBody),
    "more bytes than announced": (b"6\r\nhello!\r\n0\r\n\r\n", IncompleteBody),
    "more after the end": (b"5\r\nhello\r\n0\r\n\r\nhello", InvalidRequest),
    "endless line breaks": (b"5\r\nhello\r\n0\r\n\r\n" + b"\r\n" * 3, InvalidRequest),
    "a trailer that was not announced": (b"5\r\nhello\r\n0\r\na:b\r\n\r\n", MalformedTrailer),
}


@pytest.mark.parametrize(("body", "error"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("step", [1, 1000])
def test_bodies_that_are_refused(body: bytes, error: type[GodosError], step: int) -> None:
    """A body that is not framed as it says is never taken for a whole one."""
    with pytest.raises(error):
        decode(Decoder(False, (), 5), body, step)


TRAILERS = {
    "missing": b"0\r\n\r\n",
    "cut": b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n",
    "another": b"0\r\nx-amz-checksum-sha1:AAAAAA==\r\n\r\n",
    "twice": b"0\r\nx-amz-checksum-crc32:A\r\nx-amz-checksum-crc32:A\r\n\r\n",
    "no name": b"0\r\n:A\r\n\r\n",
    "no colon": b"0\r\nx-amz-checksum-crc32\r\n\r\n",
    "endless": b"0\r\nx-amz-checksum-crc32:" + b"A" * 9000,
    "after its signature": b"0\r\nx-amz-trailer-signature:a\r\nx-amz-checksum-crc32:A\r\n\r\n",
}


@pytest.mark.parametrize("body", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("step", [1, 10000])
def test_trailers_that_are_refused(body: bytes, step: int) -> None:
    """A trailer that is not the announced one fails the body."""
    with pytest.raises((MalformedTrailer, IncompleteBody)):
        decode(Decoder(False, [CRC], 0), body, step)


def test_a_signed_body_needs_a_signature_for_each_chunk() -> None:
    """A chunk without signature is refused in a body that is signed."""
    with pytest.raises(InvalidRequest, match="chunk-signature"):
        decode(Decoder(True), b"5\r\nhello\r\n0\r\n\r\n")


def test_a_signed_trailer_needs_a_signature() -> None:
    """A trailer whose signature is missing never ends the body."""
    body = b"0;chunk-signature=%s\r\nx-amz-checksum-crc32:A\r\n\r\n\r\n" % SIGNATURE
    with pytest.raises(IncompleteBody):
        decode(Decoder(True, [CRC]), body)


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 40))
def test_what_was_chunked_comes_out(chunks: list[bytes], step: int) -> None:
    """However a body was cut into chunks and pieces, its bytes are the same."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert decode(Decoder(False), body, step)[0] == b"".join(chunks)


FRAGMENTS = [
    b"5\r\nhello\r\n",
    b"0\r\n",
    b"\r\n",
    b"\n",
    b"x-amz-checksum-crc32:A\r\n",
    b"x-amz-trailer-signature:",
    b"5;chunk-signature=" + SIGNATURE + b"\r\n",
    b"ffffffffffffffff\r\n",
    b"hello",
]


@given(
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=8), max_size=12).map(b"".join),
    st.booleans(),
    st.sampled_from([(), (CRC,)]),
    st.none() | st.integers(0, 10),
    st.integers(1, 30),
)
def test_nothing_but_errors_of_ours(
    body: bytes, signed: bool, announced: tuple[bytes, ...], length: int | None, step: int
) -> None:
    """Whatever arrives is read or refused; and pieces do not matter."""
    outcomes = []
    for size in (step, 1 << 20):
        try:
            outcomes.append(decode(Decoder(signed, announced, length), body, size)[0])
        except GodosError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]
