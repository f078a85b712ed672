"""Forged requests against a real server: refused on the wire, and nothing is stored."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.integration.daemons import PATIENCE, Daemon
from tests.unit.web.s3.signing import KEY, SECRET, Signed
from tests.unit.web.s3.test_signed_body import ChunkSigner

CREDENTIALS = f"""
[[user]]
id = "alice"
access_key = "{KEY}"
secret_key = "{SECRET}"
"""


class Server:
    """A server that knows one user."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc

    def sign(
        self,
        method: str,
        target: str,
        payload: str,
        headers: Mapping[str, str] = {},
    ) -> Signed:
        """A request that Alice signs."""

        class Auth(S3SigV4Auth):
            def payload(self, request: AWSRequest) -> str:
                return payload

        request = AWSRequest(method, f"http://{self.host}{target}", dict(headers))
        Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
        return Signed(method, target, {k: str(v) for k, v in request.headers.items()})

    def send(self, request: Signed, body: bytes = b"", chunked: bool = False) -> tuple[int, str]:
        """Status and body of the answer."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        connection.putrequest(request.method, request.target, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if chunked:
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        elif body:
            connection.send(body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def stored(self, key: str) -> bytes | None:
        """An object as it is now."""
        status, text = self.send(self.sign("GET", f"/forged/{key}", "UNSIGNED-PAYLOAD"))
        return text.encode() if status == 200 else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("forged")
    credentials = folder / "credentials.toml"
    credentials.write_text(CREDENTIALS)
    credentials.chmod(0o600)
    with Daemon(folder, "godos", "--port", "0", "--credentials", str(credentials)) as daemon:
        server = Server(daemon.url)
        assert server.send(server.sign("PUT", "/forged", "UNSIGNED-PAYLOAD"))[0] == 200
        yield server


SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


def chunks(server: Server, key: str, pieces: list[bytes]) -> tuple[Signed, list[bytes]]:
    """An upload in signed chunks."""
    length = {"x-amz-decoded-content-length": str(sum(map(len, pieces)))}
    request = server.sign("PUT", f"/forged/{key}", SIGNED_CHUNKS, length)
    signer = ChunkSigner(request)
    return request, [*(signer.chunk(piece) for piece in (*pieces, b"")), b"\r\n"]


PIECES = [b"a" * 70_000, b"b" * 70_000, b"c" * 5]


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in HTTP chunks"])
def test_signed_chunks_are_stored(server: Server, chunked: bool) -> None:
    """What is signed chunk by chunk is stored as it was before it was cut."""
    request, body = chunks(server, "chunks", PIECES)
    assert server.send(request, b"".join(body), chunked)[0] == 200
    assert server.stored("chunks") == b"".join(PIECES)


@pytest.mark.parametrize("piece", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_forged_chunk_stores_nothing(server: Server, piece: int) -> None:
    """One wrong byte in one chunk, and there is no object."""
    request, body = chunks(server, "wrong", PIECES)
    body[piece] = body[piece][:-3] + b"x\r\n"
    status, text = server.send(request, b"".join(body))
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code>" in text
    assert SECRET not in text
    assert server.stored("wrong") is None


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_another_body_stores_nothing(server: Server, size: int) -> None:
    """A body that is not the one whose digest was signed leaves the old object."""
    good, key = b"g" * size, f"body-{size}"
    request = server.sign("PUT", f"/forged/{key}", sha256(good).hexdigest())
    assert server.send(request, good)[0] == 200
    status, text = server.send(request, b"b" * size)
    assert status == 400 and "<Code>XAmzContentSHA256Mismatch</Code>" in text
    assert server.stored(key) == good


def test_an_unsigned_copy_source_copies_nothing(server: Server) -> None:
    """A signed upload cannot be made a copy of something that the attacker cannot read."""
    assert server.send(server.sign("PUT", "/forged/secret", "UNSIGNED-PAYLOAD"), b"s")[0] == 200
    request = server.sign("PUT", "/forged/loot", "UNSIGNED-PAYLOAD")
    forged = request.with_header("x-amz-copy-source", "/forged/secret")
    status, text = server.send(forged)
    assert status == 403 and "<HeadersNotSigned>x-amz-copy-source</HeadersNotSigned>" in text
    assert server.stored("loot") is None


def test_another_method_deletes_nothing(server: Server) -> None:
    """A signed read is no permission to delete."""
    assert server.send(server.sign("PUT", "/forged/kept", "UNSIGNED-PAYLOAD"), b"k")[0] == 200
    request = server.sign("GET", "/forged/kept", "UNSIGNED-PAYLOAD")
    request.method = "DELETE"
    status, text = server.send(request)
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code>" in text
    assert server.stored("kept") == b"k"


def test_a_trailer_that_was_not_announced_stores_nothing(server: Server) -> None:
    """What comes after a body is what its request announced."""
    headers = {
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    request = server.sign("PUT", "/forged/t", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers)
    good = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    for body in (good.replace(b"crc32:", b"sha1:"), good.replace(b"NhCmhg==", b"AAAAAA==")):
        assert server.send(request, body)[0] == 400
        assert server.stored("t") is None
    assert server.send(request, good)[0] == 200
    assert server.stored("t") == b"hello"
