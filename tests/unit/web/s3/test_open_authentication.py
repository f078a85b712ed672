"""A server without credentials."""

from __future__ import annotations

import time
from typing import Any

import pytest

from godos.model.errors import AccessDenied, PayloadMismatch
from godos.model.users import OPEN
from godos.web.errors import S3Error
from godos.web.own_machine import OwnMachine
from godos.web.s3.callers import Poster
from godos.web.s3.open_authentication import OpenAuthentication
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.signing import (
    IN_PIECES,
    WAYS,
    Sign,
    body_of,
    header_v4,
    query_v4,
    result_of,
    signed,
)
from tests.unit.web.s3.test_form_authentication import WIDER, policy, timedelta


def caller_of(exchange: FakeExchange, guard: Any = None) -> Any:
    return result_of(OpenAuthentication(time.time, IN_PIECES, guard).authenticate(exchange))


@pytest.mark.parametrize("sign", WAYS.values(), ids=WAYS)
def test_signatures_are_not_looked_at(sign: Sign) -> None:
    """Clients may sign with whatever keys they have; everybody is the same to this server."""
    request = signed(sign, "PUT", body=b"hello")
    request.target = request.target.replace("cat", "dog")
    caller = caller_of(request.exchange())
    assert caller.principal == OPEN and caller.principal.unrestricted and not caller.signed
    assert body_of(caller) == b"hello"


def test_bodies_are_still_what_was_announced() -> None:
    """A digest that was sent with a body is compared with it, whoever sent it."""
    request = signed(header_v4, "PUT", body=b"hello")
    request.body = b"hellO"
    caller = caller_of(request.exchange())
    with pytest.raises(PayloadMismatch):
        body_of(caller)


def test_chunks_are_decoded_without_looking_at_their_signatures() -> None:
    """Bodies in chunks are stored decoded, as clients that sign expect it."""
    signature = b"0" * 64
    wire = b"5;chunk-signature=%s\r\nhello\r\n0;chunk-signature=%s\r\n\r\n" % (signature, signature)
    headers = {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-decoded-content-length": "5",
    }
    assert body_of(caller_of(FakeExchange("PUT", "/b/k", headers, wire))) == b"hello"


def test_presigned_urls_carry_headers() -> None:
    """Headers that a presigned URL carries are to be read here, too."""
    request = signed(query_v4, "PUT", "/b/k?x-amz-acl=private")
    assert list(caller_of(request.exchange()).hoisted) == [(b"x-amz-acl", b"private")]
    twice = FakeExchange("PUT", request.target, {"x-amz-acl": "public-read"})
    with pytest.raises(S3Error):
        caller_of(twice)


def test_web_pages_are_kept_out() -> None:
    """What keeps pages of strangers out comes first."""
    exchange = FakeExchange("PUT", "/b/k", {"host": "localhost", "origin": "http://evil.example"})
    with pytest.raises(AccessDenied):
        caller_of(exchange, OwnMachine())
    server = OpenAuthentication(time.time, IN_PIECES, OwnMachine())
    with pytest.raises(AccessDenied):
        result_of(server.authenticate_form(exchange, {}, "b"))


def test_forms_keep_their_policies() -> None:
    """A form's policy holds even where nobody signs it."""
    server = OpenAuthentication(time.time, IN_PIECES)

    def post(**fields: str) -> Poster:
        exchange = FakeExchange("POST", "/photos")
        answer: Poster = result_of(server.authenticate_form(exchange, fields, "photos"))
        return answer

    assert post(key="k") == Poster(OPEN)
    assert post(key="k", policy=WIDER).principal == OPEN
    with pytest.raises(S3Error):
        post(key="k", policy=policy(timedelta(seconds=-10), [{"key": "k"}, {"bucket": "photos"}]))
    with pytest.raises(S3Error):
        post(key="k", policy="x")
