"""Bodies that are documents: bounded, compared with their digests, and read."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import md5, sha256
from typing import Any
from zlib import crc32

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.errors import BadDigest, EntityTooLarge, InvalidDigest, InvalidRequest
from godos.model.users import Principal
from godos.web.errors import S3Error
from godos.web.s3.callers import V4, unsigned
from godos.web.s3.description import operations
from godos.web.s3.documents import INLINE, Documents
from tests.unit.web.fakes import FakeExchange

ANN = Principal("ann", "Ann")
SIGNED_NOTHING = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}


def delete(keys: int = 1) -> bytes:
    """The document of DeleteObjects."""
    objects = "".join(f"<Object><Key>key-{number:04}</Key></Object>" for number in range(keys))
    return f"<Delete>{objects}</Delete>".encode()


def digest(algorithm: Callable[[bytes], Any], body: bytes) -> str:
    return b64encode(algorithm(body).digest()).decode()


def crc(body: bytes) -> str:
    return b64encode(crc32(body).to_bytes(4)).decode()


class Reader:
    """Reads documents; `threads` counts what went into another thread."""

    def __init__(self) -> None:
        self.threads = 0

    def in_thread(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.threads += 1
        return maybeDeferred(function, *args)

    def read(
        self,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        name: str = "DeleteObjects",
        signed: bool = True,
    ) -> Any:
        exchange = FakeExchange("POST", "/photos?delete", headers or {}, body)
        joined = {name: exchange.header(name) or b"" for name, _ in exchange.headers()}
        caller = unsigned(exchange, joined, ANN, maybeDeferred)
        caller = evolve(caller, signature_version=V4 if signed else "")
        results: list[Any] = []
        reading = Documents(self.in_thread).read(operations()[name], exchange, caller)
        Deferred.fromCoroutine(reading).addBoth(results.append)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]


def keys(request: Any) -> list[str]:
    return [each["Key"] for each in request["Delete"]["Objects"]]


BODY = delete()
VOUCHERS = {
    "md5": {"content-md5": digest(md5, BODY)},
    "sha256": {"x-amz-checksum-sha256": digest(sha256, BODY)},
    "crc32": {"x-amz-checksum-crc32": crc(BODY)},
    "both": {"content-md5": digest(md5, BODY), "x-amz-checksum-crc32": crc(BODY)},
    "signature": {"x-amz-content-sha256": sha256(BODY).hexdigest()},
}


@pytest.mark.parametrize("headers", VOUCHERS.values(), ids=VOUCHERS.keys())
def test_documents(headers: Mapping[str, str]) -> None:
    """A document that something vouches for is read."""
    assert keys(Reader().read(BODY, headers)) == ["key-0000"]


@pytest.mark.parametrize("headers", [{}, SIGNED_NOTHING], ids=["none", "unsigned"])
def test_what_nothing_vouches_for(headers: Mapping[str, str]) -> None:
    """Who signs says what the body of a deletion is; people who type are spared."""
    with pytest.raises(InvalidRequest, match="Content-MD5"):
        Reader().read(BODY, headers)
    assert keys(Reader().read(BODY, headers, signed=False)) == ["key-0000"]


@pytest.mark.parametrize("kind", ["md5", "sha256", "crc32", "both"])
def test_other_documents_than_announced(kind: str) -> None:
    """A body that is not what was announced is refused, signed or not."""
    for signed in (True, False):
        with pytest.raises(BadDigest):
            Reader().read(delete(2), VOUCHERS[kind], signed=signed)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"content-md5": "nonsense"}, InvalidDigest),
        ({"content-md5": digest(sha256, BODY)}, InvalidDigest),
        ({"x-amz-checksum-crc32": "nonsense"}, BadDigest),
        ({"x-amz-checksum-sha256": crc(BODY)}, BadDigest),
    ],
)
def test_digests_that_are_none(headers: Mapping[str, str], error: type[Exception]) -> None:
    """What is no digest vouches for nothing."""
    with pytest.raises(error):
        Reader().read(BODY, headers)


def in_chunks(trailer: str) -> tuple[bytes, dict[str, str]]:
    """The document in the framing of aws-chunked, with a checksum after it."""
    body = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(BODY), BODY, trailer.encode())
    return body, {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(BODY)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }


def test_checksums_after_the_document() -> None:
    """A checksum in the trailer vouches for the document, and is compared, too."""
    assert keys(Reader().read(*in_chunks(crc(BODY)))) == ["key-0000"]
    with pytest.raises(BadDigest):
        Reader().read(*in_chunks(crc(b"other")))


def test_checksums_of_the_object() -> None:
    """The checksum at the end of an upload in parts is not that of the document."""
    body = b"<CompleteMultipartUpload/>"
    headers = {"x-amz-checksum-crc32": crc(b"the object")}
    request = Reader().read(body, headers, "CompleteMultipartUpload")
    assert "MultipartUpload" in request or request == {}


def test_long_documents() -> None:
    """Long documents are hashed and read in another thread, short ones at once."""
    reader, long = Reader(), delete(1000)
    assert len(long) > INLINE
    assert len(keys(reader.read(long, {"content-md5": digest(md5, long)}))) == 1000
    assert reader.threads == 1
    with pytest.raises(BadDigest):
        reader.read(long, VOUCHERS["md5"])
    assert reader.threads == 2
    reader.read(BODY, VOUCHERS["md5"])
    assert reader.threads == 2


def test_too_long_documents() -> None:
    """What is longer than any such document is not read to its end."""
    with pytest.raises(EntityTooLarge):
        Reader().read(b"<" + b"x" * operations()["DeleteObjects"].body_limit)


@pytest.mark.parametrize("body", [b"<Delete>", b"nonsense", b"<!DOCTYPE x><Delete/>", b"<Other/>"])
def test_no_documents(body: bytes) -> None:
    """What is no such document is refused as malformed."""
    with pytest.raises(S3Error) as error:
        Reader().read(body, signed=False)
    assert error.value.code == "MalformedXML"


def test_no_body() -> None:
    """A document that must be there, and is not, is asked for."""
    with pytest.raises(S3Error) as error:
        Reader().read(b"", signed=False)
    assert error.value.code == "MissingRequestBodyError"
