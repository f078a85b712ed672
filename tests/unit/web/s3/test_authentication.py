"""Who requests come from."""

from __future__ import annotations

import time

import pytest
from twisted.internet.defer import Deferred, fail

from godos.model.errors import CatalogUnavailable
from godos.model.users import ANONYMOUS, AccessKey, User
from godos.objects.credentials import FileCredentials
from godos.web.errors import InvalidArgument, MissingContentLength, S3Error, UnsupportedFeature
from godos.web.s3.authentication import Authentication
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.signing import (
    HOST,
    IN_PIECES,
    KEY,
    SECRET,
    WAYS,
    Sign,
    authentication,
    body_of,
    caller_of,
    header_v2,
    header_v4,
    query_v2,
    query_v4,
    result_of,
    signed,
)

TARGETS = [
    "/",
    "/photos",
    "/photos?acl",
    "/photos?list-type=2&prefix=a%2Fb&delimiter=%2F&max-keys=10",
    "/photos/cat.jpg?versionId=abc&response-content-type=text%2Fplain",
    "/photos/a%20b%2Bc%25/%C3%A9~*",
    "/photos//a//../b/",
]


@pytest.mark.parametrize("sign", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("target", TARGETS)
def test_signed_requests_are_let_in(sign: Sign, target: str) -> None:
    """Whatever is asked for, and however it is signed, the server knows who asks."""
    caller = caller_of(signed(sign, target=target).exchange())
    assert caller.principal.id == "alice" and caller.principal.name == "Alice"
    assert caller.principal.access_key == KEY
    assert not caller.principal.anonymous and not caller.principal.unrestricted
    assert caller.signed and caller.by_query is (sign in (query_v4, query_v2))
    version = "AWS4-HMAC-SHA256" if sign in (header_v4, query_v4) else "AWS"
    assert caller.signature_version == version


@pytest.mark.parametrize("sign", WAYS.values(), ids=WAYS)
def test_signed_bodies_arrive(sign: Sign) -> None:
    """The body of a signed upload is what was sent."""
    caller = caller_of(signed(sign, "PUT", body=b"hello").exchange())
    assert caller.body.length == 5
    assert body_of(caller) == b"hello"


def test_requests_without_signature_are_anonymous() -> None:
    """Who signs nothing is nobody; what they may do is decided elsewhere."""
    caller = caller_of(FakeExchange("GET", "/photos/cat.jpg", {"Host": HOST}))
    assert caller.principal == ANONYMOUS
    assert not caller.signed and caller.trailers == {}


def test_a_root_user_may_do_everything() -> None:
    """Root users are asked no further questions."""
    users = FileCredentials([User("op", "op", keys=(AccessKey(KEY, "wrong"),), root=True)])
    server = Authentication(users, time.time, IN_PIECES)
    with pytest.raises(S3Error, match="signature"):
        result_of(server.authenticate(signed(header_v4).exchange()))
    users = FileCredentials([User("op", "op", keys=(AccessKey(KEY, SECRET),), root=True)])
    server = Authentication(users, time.time, IN_PIECES)
    caller = result_of(server.authenticate(signed(header_v4).exchange()))
    assert caller.principal.unrestricted


def test_a_server_elsewhere_tells_its_region() -> None:
    """A signature for another region is refused, and the client is told the right one."""
    exchange = signed(lambda request: header_v4(request, "eu-west-1")).exchange()
    with pytest.raises(S3Error) as refused:
        result_of(authentication(region="ap-south-1").authenticate(exchange))
    assert refused.value.code == "AuthorizationHeaderMalformed"
    assert refused.value.fields["Region"] == "ap-south-1"


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "auto", ""])
def test_clients_that_know_no_region_are_let_in(region: str) -> None:
    """Clients that were told no region sign for us-east-1, auto or nothing at all."""
    exchange = signed(lambda request: header_v4(request, region)).exchange()
    caller = result_of(authentication(region="eu-west-1").authenticate(exchange))
    assert caller.principal.id == "alice"


def test_the_bucket_may_be_in_the_host_name() -> None:
    """Version 2 signs the bucket even when only the host name has it."""

    def sign(request: object) -> None:
        request.auth_path = "/photos/cat.jpg"  # type: ignore[attr-defined]
        header_v2(request)  # type: ignore[arg-type]

    exchange = signed(sign, target="/cat.jpg").exchange()
    assert caller_of(exchange, bucket="photos").principal.id == "alice"
    with pytest.raises(S3Error):
        caller_of(exchange, bucket="secrets")


def test_headers_that_a_url_carries() -> None:
    """What a presigned URL says instead of headers can be read as headers."""
    request = signed(query_v4, "PUT", "/photos/cat.jpg?x-amz-acl=public-read&X-Amz-Meta-A=b%20c")
    hoisted = [(b"x-amz-acl", b"public-read"), (b"x-amz-meta-a", b"b c")]
    assert list(caller_of(request.exchange()).hoisted) == hoisted
    request = signed(query_v2, "PUT", headers={"x-amz-acl": "public-read"})
    assert "x-amz-acl" not in request.headers
    assert list(caller_of(request.exchange()).hoisted) == [(b"x-amz-acl", b"public-read")]
    again = request.with_header("x-amz-acl", "public-read")
    assert list(caller_of(again.exchange()).hoisted) == []  # it is a header, too


def test_a_client_may_spell_the_key_in_another_way() -> None:
    """Clients that sign the strict spelling of a key and send another one are let in."""
    request = signed(header_v4, target="/photos/a%20%28b%29%2B")
    request.target = "/photos/a%20(b)%2b"
    assert caller_of(request.exchange()).principal.id == "alice"


@pytest.mark.parametrize("sign", [header_v4, header_v2])
def test_clocks_may_differ_by_a_quarter_of_an_hour(sign: Sign) -> None:
    """A clock that is wrong by less than 15 minutes is right enough."""
    request = signed(sign)
    for ahead in (-890, 890):
        assert caller_of(request.exchange(), ahead).principal.id == "alice"
    for ahead in (-910, 910):
        with pytest.raises(S3Error) as refused:
            caller_of(request.exchange(), ahead)
        assert refused.value.code == "RequestTimeTooSkewed"
        assert refused.value.fields["MaxAllowedSkewMilliseconds"] == 900_000


def test_the_date_header_will_do() -> None:
    """Version 4 takes the time of the Date header when there is no x-amz-date."""

    def sign(request: object) -> None:
        request.headers["Date"] = "x"  # type: ignore[attr-defined]
        header_v4(request)  # type: ignore[arg-type]

    request = signed(sign)
    assert "Date" in request.headers and "X-Amz-Date" not in request.headers
    assert caller_of(request.exchange()).principal.id == "alice"


def test_a_body_is_needed_in_no_unknown_form() -> None:
    """What is said of the body must be something that the server understands."""
    for value, error in (
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", UnsupportedFeature),
        ("nonsense", InvalidArgument),
        ("", InvalidArgument),
    ):
        exchange = FakeExchange("PUT", "/b/k", {"x-amz-content-sha256": value}, b"x")
        with pytest.raises(error):
            caller_of(exchange)


def test_an_aws_chunked_body_says_how_long_it_is() -> None:
    """Without a decoded length such a body is taken only where no length is known at all."""
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    body = b"5\r\nhello\r\n0\r\n\r\n"
    with pytest.raises(MissingContentLength):
        caller_of(FakeExchange("PUT", "/b/k", headers, body))
    caller = caller_of(FakeExchange("PUT", "/b/k", headers, body, chunked=True))
    assert caller.body.length is None and body_of(caller) == b"hello"
    headers["x-amz-decoded-content-length"] = "5"
    for chunked in (False, True):
        caller = caller_of(FakeExchange("PUT", "/b/k", headers, body, chunked))
        assert caller.body.length == 5 and body_of(caller) == b"hello"


@pytest.mark.parametrize("name", ["x-amz-decoded-content-length", "x-amz-trailer"])
def test_headers_of_aws_chunked_that_make_no_sense(name: str) -> None:
    """Lengths are numbers, and trailers are names, each once."""
    for value in ("-1", "a,a", "a b", "\xe9"):
        headers = {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": "5",
            name: value,
        }
        if name == "x-amz-trailer" and value == "-1":
            continue  # a name like any other
        with pytest.raises(InvalidArgument):
            caller_of(FakeExchange("PUT", "/b/k", headers, b"5\r\nhello\r\n0\r\n\r\n"))


def test_chunks_are_announced_by_clients_that_sign_none() -> None:
    """Clients that do not sign by version 4 announce chunks by Content-Encoding and length."""
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    caller = caller_of(signed(header_v2, "PUT", headers=headers, body=body).exchange())
    assert caller.trailer_names == (b"x-amz-checksum-crc32",)
    assert body_of(caller) == b"hello"
    assert caller.trailers == {b"x-amz-checksum-crc32": b"NhCmhg=="}
    plain = caller_of(FakeExchange("PUT", "/b/k", {"content-encoding": "aws-chunked"}, b"hello"))
    assert body_of(plain) == b"hello"  # it is but the object's encoding


def test_users_that_cannot_be_looked_up() -> None:
    """While the catalog does not answer, nobody is let in, and nobody is called unknown."""

    class Broken(FileCredentials):
        def by_access_key(self, access_key: str) -> Deferred[tuple[User, AccessKey] | None]:
            return fail(CatalogUnavailable("no answer"))

    server = Authentication(Broken([]), time.time, IN_PIECES)
    with pytest.raises(CatalogUnavailable):
        result_of(server.authenticate(signed(header_v4).exchange()))
