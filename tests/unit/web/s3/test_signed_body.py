"""Bodies that are what their requests say, and those that are not."""

from __future__ import annotations

import hashlib
import hmac
from hashlib import sha256
from typing import Any

import pytest
from attrs import evolve
from botocore.auth import S3SigV4Auth
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, GodosError, IncompleteBody, PayloadMismatch
from godos.web.errors import S3Error
from godos.web.request_body import RequestBody
from godos.web.s3.authentication import Caller
from godos.web.s3.body_passage import BACKLOG
from godos.web.s3.body_readings import HashedReading
from godos.web.s3.signed_body import CheckedBody
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.signing import (
    CREDENTIALS,
    SECRET,
    Signed,
    Sink,
    body_of,
    caller_of,
    code_of,
    deliver,
    header_v4,
    query_v4,
    result_of,
    signed,
)

CRC = "x-amz-checksum-crc32"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class ChunkSigner:
    """Signs chunks as AWS's documentation says; written apart from the server's code."""

    def __init__(self, request: Signed) -> None:
        credential, _, self.previous = (
            part.split("=", 1)[1] for part in request.headers["Authorization"].split(", ")
        )
        _, day, region, service, end = credential.split("/")
        key = ("AWS4" + SECRET).encode()
        for part in (day, region, service, end):
            key = _hmac(key, part)
        self.key = key
        self.when = f"{request.headers['X-Amz-Date']}\n{day}/{region}/{service}/{end}"

    def _sign(self, text: str) -> str:
        self.previous = _hmac(self.key, text).hex()
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        signature = self._sign(
            f"AWS4-HMAC-SHA256-PAYLOAD\n{self.when}\n{self.previous}\n"
            f"{sha256(b'').hexdigest()}\n{sha256(data).hexdigest()}"
        )
        head = f"{len(data):x};chunk-signature={signature}\r\n".encode()
        return head + (data + b"\r\n" if data else b"")

    def trailer(self, lines: bytes) -> bytes:
        signature = self._sign(
            f"AWS4-HMAC-SHA256-TRAILER\n{self.when}\n{self.previous}\n{sha256(lines).hexdigest()}"
        )
        return lines.replace(b"\n", b"\r\n") + f"x-amz-trailer-signature:{signature}\r\n".encode()


class StreamingAuth(S3SigV4Auth):
    """botocore's signer, which signs what the test says of the body."""

    def __init__(self, payload: str) -> None:
        super().__init__(CREDENTIALS, "s3", "us-east-1")
        self._said = payload

    def payload(self, request: Any) -> str:
        return self._said


def streaming(payload: str, length: int, trailer: str = "") -> Signed:
    """The head of an upload in chunks, signed."""
    headers = {
        "x-amz-decoded-content-length": str(length),
        "content-encoding": "aws-chunked",
        **({"x-amz-trailer": trailer} if trailer else {}),
    }
    return signed(StreamingAuth(payload).add_auth, "PUT", headers=headers)


def upload(
    payload: str, chunks: list[bytes], trailer: bytes = b"", announced: str = ""
) -> tuple[Signed, list[bytes]]:
    """An upload in chunks, whose body is a list of its chunks."""
    request = streaming(payload, sum(map(len, chunks)), announced)
    if payload == UNSIGNED_TRAILER:
        body = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks] + [b"0\r\n"]
        return request, [*body, trailer.replace(b"\n", b"\r\n") + b"\r\n"]
    signer = ChunkSigner(request)
    body = [signer.chunk(chunk) for chunk in (*chunks, b"")]
    return request, [*body, (signer.trailer(trailer) if trailer else b"") + b"\r\n"]


def caller(request: Signed, body: list[bytes]) -> Caller:
    return caller_of(evolve(request, body=body).exchange())


TRAILER = b"x-amz-checksum-crc32:NhCmhg==\n"
MODES = {
    "signed": (SIGNED, b"", ""),
    "signed, trailer": (SIGNED_TRAILER, TRAILER, CRC),
    "unsigned, trailer": (UNSIGNED_TRAILER, TRAILER, CRC),
    "unsigned, no trailer": (UNSIGNED_TRAILER, b"", ""),
}


@pytest.mark.parametrize(("payload", "trailer", "announced"), MODES.values(), ids=MODES)
@pytest.mark.parametrize("size", [0, 5, 20_000, 200_000])
def test_bodies_in_chunks(payload: str, trailer: bytes, announced: str, size: int) -> None:
    """A body in chunks arrives decoded, and its trailer after it."""
    chunks = [b"a" * size, b"b"] if size else []
    who = caller(*upload(payload, chunks, trailer, announced))
    assert who.body.length == sum(map(len, chunks))
    assert who.sha256 is None and who.unverified_body is who.body
    assert who.payload == payload
    assert who.trailer_names == ((CRC.encode(),) if announced else ())
    assert body_of(who) == b"".join(chunks)
    assert who.trailers == ({CRC.encode(): b"NhCmhg=="} if announced else {})


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=5),
    st.sampled_from(sorted(MODES)),
    st.integers(1, 200),
)
def test_bodies_in_any_pieces(chunks: list[bytes], mode: str, step: int) -> None:
    """However chunks and network packets fall, the decoded body is the same."""
    payload, trailer, announced = MODES[mode]
    request, body = upload(payload, chunks, trailer, announced)
    wire = b"".join(body)
    who = caller(request, [wire[at : at + step] for at in range(0, len(wire), step)])
    assert body_of(who) == b"".join(chunks)


def swap(body: list[bytes]) -> list[bytes]:
    return [body[1], body[0], *body[2:]]


CHANGES: dict[str, Any] = {
    "another byte": lambda body: [body[0].replace(b"aa", b"ab", 1), *body[1:]],
    "chunks swapped": swap,
    "a chunk left out": lambda body: [body[0], *body[2:]],
    "a chunk twice": lambda body: [body[0], *body],
    "the end left out": lambda body: body[:2],
    "another signature": lambda body: [body[0].replace(b"ture=", b"ture=x", 1), *body[1:]],
    "no signature": lambda body: [body[0].replace(b";chunk-signature=", b";x=", 1), *body[1:]],
    "a chunk of its own": lambda body: [b"2;chunk-signature=%s\r\nxx\r\n" % (b"0" * 64), *body],
    "two chunks made one": lambda body: [
        body[0].replace(b"3;", b"6;", 1)[:-2] + b"bbb\r\n",
        *body[2:],
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("mode", ["signed", "signed, trailer"])
@pytest.mark.parametrize("size", [3, 30_000])
def test_forged_chunks(change: Any, mode: str, size: int) -> None:
    """A body whose chunks are not those that were signed never comes to its end."""
    payload, trailer, announced = MODES[mode]
    request, body = upload(payload, [b"a" * size, b"b" * size], trailer, announced)
    changed = change(body)
    assert changed != body
    sink, done = deliver(caller(request, changed).body)
    with pytest.raises(GodosError) as refused:
        result_of(done)
    assert code_of(refused.value) in ("SignatureDoesNotMatch", "InvalidRequest", "IncompleteBody")
    assert not sink.ended


TRAILER_CHANGES: dict[str, Any] = {
    "another value": lambda end: end.replace(b"NhCmhg==", b"AAAAAA=="),
    "another field": lambda end: end.replace(b"crc32:", b"sha1:"),
    "a field more": lambda end: b"x-amz-checksum-sha1:A\r\n" + end,
    "left out": lambda end: b"\r\n",
    "no signature": lambda end: end.split(b"x-amz-trailer-signature")[0] + b"\r\n",
    "another signature": lambda end: end.replace(b"signature:", b"signature:0"),
    "an empty signature": lambda end: end.split(b"signature:")[0] + b"signature:\r\n\r\n",
}


@pytest.mark.parametrize("change", TRAILER_CHANGES.values(), ids=TRAILER_CHANGES)
def test_forged_trailers(change: Any) -> None:
    """A trailer that is not the one that was signed fails the body."""
    request, body = upload(SIGNED_TRAILER, [b"hello"], TRAILER, CRC)
    sink, done = deliver(caller(request, [*body[:-1], change(body[-1])]).body)
    with pytest.raises(GodosError):
        result_of(done)
    assert not sink.ended


def test_chunks_of_another_request() -> None:
    """The chunks of one upload are not good for another."""
    first, body = upload(SIGNED, [b"hello"])
    other = streaming(SIGNED, 5, CRC)
    with pytest.raises(S3Error) as refused:
        body_of(caller(other, body))
    assert refused.value.code == "SignatureDoesNotMatch"
    assert body_of(caller(first, body)) == b"hello"


def test_a_form_of_body_that_was_not_signed() -> None:
    """What was signed as chunks with signatures cannot be sent as chunks without."""
    request, _ = upload(SIGNED, [b"hello"])
    for payload in (UNSIGNED_TRAILER, "UNSIGNED-PAYLOAD"):
        with pytest.raises(S3Error) as refused:
            caller(request.with_header("X-Amz-Content-SHA256", payload), [HELLO])
        assert refused.value.code == "SignatureDoesNotMatch"


def test_an_announced_length_that_is_not_kept() -> None:
    """The decoded body has the length that was announced, or it fails."""
    for length in (4, 6):
        request = streaming(UNSIGNED_TRAILER, length)
        with pytest.raises(IncompleteBody):
            body_of(caller(request, [HELLO]))


def test_a_body_with_a_digest_comes_in_two_ways() -> None:
    """An upload hashes for itself and compares; who does not gets the body verified."""
    request = signed(header_v4, "PUT", body=b"hello")
    who = caller_of(request.exchange())
    assert who.sha256 == sha256(b"hello").digest()
    assert b"".join(result_of(who.unverified_body.collect(10))) == b"hello"
    forged = caller_of(evolve(request, body=b"hellO").exchange())
    assert b"".join(result_of(forged.unverified_body.collect(10))) == b"hellO"
    assert forged.sha256 != sha256(b"hellO").digest()


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_body_with_another_digest_does_not_end(size: int) -> None:
    """Its bytes may go to staging, but it is never whole."""
    request = signed(header_v4, "PUT", body=b"a" * size)
    sink, done = deliver(caller_of(evolve(request, body=b"b" * size).exchange()).body)
    with pytest.raises(PayloadMismatch):
        result_of(done)
    assert sink.data == b"b" * size and not sink.ended


def test_presigned_uploads_may_be_of_anything() -> None:
    """A presigned URL says nothing of the body, unless it names a digest."""
    assert body_of(caller_of(signed(query_v4, "PUT", body=b"x").exchange())) == b"x"
    digest = sha256(b"hello").hexdigest()
    request = signed(query_v4, "PUT", f"/photos/cat.jpg?X-Amz-Content-Sha256={digest}", body=b"x")
    with pytest.raises(S3Error):  # botocore signed UNSIGNED-PAYLOAD
        caller_of(request.exchange())


@pytest.mark.parametrize(("size", "fits"), [(10, True), (11, False)])
@pytest.mark.parametrize("known", [True, False])
def test_small_bodies_are_collected_and_large_ones_refused(
    size: int, fits: bool, known: bool
) -> None:
    """`collect` keeps its limit for decoded bytes, whether or not the length is known."""
    headers = {"x-amz-content-sha256": UNSIGNED_TRAILER}
    if known:
        headers["x-amz-decoded-content-length"] = str(size)
    wire = [b"%x\r\n%s\r\n" % (size, b"a" * size), b"0\r\n\r\n"]
    body = caller_of(FakeExchange("PUT", "/b/k", headers, wire, chunked=True)).body
    if fits:
        assert b"".join(result_of(body.collect(10))) == b"a" * 10
        return
    with pytest.raises(EntityTooLarge):
        result_of(body.collect(10))


# -- pace ------------------------------------------------------------------------------------
class Cranked:
    """An `in_thread` that works when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

    def __call__(self, function: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append((done, function, args))
        return done

    def turn(self) -> None:
        done, function, args = self.jobs.pop(0)
        maybeDeferred(function, *args).chainDeferred(done)


class Connection:
    """Whether a client is allowed to send."""

    def __init__(self) -> None:
        self.reading = False

    def read_body(self) -> None:
        self.reading = True

    def rest_body(self) -> None:
        self.reading = False


def arriving(expected: bytes) -> tuple[Connection, RequestBody, Cranked, CheckedBody]:
    connection, threads = Connection(), Cranked()
    body = RequestBody(connection, None)
    return connection, body, threads, CheckedBody(body, None, HashedReading(expected), threads)


def test_a_slow_verification_makes_the_sender_wait() -> None:
    """What waits to be verified is bounded, and nothing is told before all of it is."""
    piece = b"x" * (BACKLOG // 2)
    connection, body, threads, checked = arriving(sha256(piece * 4).digest())
    sink, done = deliver(checked)
    assert connection.reading
    for _ in range(4):
        body.data_arrived(piece)
    assert not connection.reading  # one is being hashed, three wait
    threads.turn()
    assert connection.reading  # all that waited was taken at once
    body.all_arrived()
    assert sink.data == piece * 4 and not sink.ended and not done.called
    threads.turn()
    assert sink.ended and result_of(done) is None


def test_the_consumer_can_make_the_sender_wait() -> None:
    """Pauses of the consumer reach the client."""
    connection, body, _, checked = arriving(sha256(b"ab").digest())
    sink, done = deliver(checked)
    sink.producer.pauseProducing()
    assert not connection.reading
    body.data_arrived(b"a")
    assert sink.data == b""
    sink.producer.resumeProducing()
    assert connection.reading and sink.data == b"a"
    body.data_arrived(b"b")
    body.all_arrived()
    assert result_of(done) is None and sink.ended


def test_a_consumer_that_gives_up() -> None:
    """A consumer that stops its producer ends the delivery, as if it were cancelled."""
    connection, body, _, checked = arriving(b"")
    sink, done = deliver(checked)
    body.data_arrived(b"a")
    sink.producer.stopProducing()
    with pytest.raises(CancelledError):
        result_of(done)
    assert not connection.reading


def test_a_delivery_that_is_cancelled_while_it_is_verified() -> None:
    """Cancelling works at any time, also after the last byte."""
    _, body, threads, checked = arriving(b"")
    sink, done = deliver(checked)
    body.data_arrived(b"x" * 100_000)
    body.all_arrived()
    done.cancel()
    with pytest.raises(CancelledError):
        result_of(done)
    threads.turn()  # the thread ends its work, and nobody is told
    assert not sink.ended


def test_a_client_that_goes_away() -> None:
    """A body that breaks off fails with what the connection says."""
    _, body, _, checked = arriving(b"")
    sink, done = deliver(checked)
    body.data_arrived(b"a")
    body.lose(IncompleteBody("the client went away"))
    body.tell()
    with pytest.raises(IncompleteBody):
        result_of(done)
    assert not sink.ended


def test_a_wrong_chunk_stops_the_sender() -> None:
    """Once a chunk is found wrong the client is not listened to any further."""
    request, wire = upload(SIGNED, [b"a" * 30_000, b"b" * 30_000])
    exchange = request.exchange()
    connection = Connection()
    body = RequestBody(connection, None)
    exchange.body = body  # type: ignore[assignment]
    sink, done = deliver(caller_of(exchange).body)
    assert connection.reading
    body.data_arrived(wire[0].replace(b"aa", b"ab", 1))
    assert not connection.reading
    with pytest.raises(S3Error):
        result_of(done)
    assert not sink.ended


@implementer(IBody)
class _Quick:
    """A body that is there at once."""

    length = 3

    def deliver_to(self, consumer: IConsumer) -> Deferred[None]:
        sink = Sink()
        consumer.registerProducer(sink, True)
        consumer.write(b"abc")
        consumer.unregisterProducer()
        return succeed(None)

    def collect(self, limit: int) -> Deferred[list[bytes]]:
        return succeed([b"abc"])


def test_a_body_that_is_there_at_once() -> None:
    """Nothing has to arrive later for a body to end."""
    checked = CheckedBody(_Quick(), 3, HashedReading(sha256(b"abc").digest()), maybeDeferred)
    assert result_of(checked.collect(3)) == [b"abc"]
