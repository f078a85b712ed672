"""Headers that presigned URLs carry."""

from __future__ import annotations

import pytest

from godos.web.s3.hoisting import unhoisted
from godos.web.target import parse_target
from tests.unit.web.s3.signing import Sign, caller_of, header_v4, query_v2, query_v4, signed

META = {"x-amz-acl": "private", "x-amz-meta-a": "b c"}
HOISTED = "/photos/cat.jpg?partNumber=1&x-amz-acl=private&X-Amz-Meta-A=b%20c"


@pytest.mark.parametrize("sign", [query_v4, query_v2])
def test_they_are_headers_like_any_other(sign: Sign) -> None:
    """What a presigned URL says of the object counts as if it had come in headers."""
    if sign is query_v2:  # botocore puts headers there by itself
        exchange = signed(sign, "PUT", "/photos/cat.jpg?partNumber=1", META).exchange()
    else:
        exchange = signed(sign, "PUT", HOISTED).exchange()
    seen, target = unhoisted(exchange, parse_target(exchange.target), caller_of(exchange))
    assert seen.header(b"x-amz-acl") == b"private"
    assert dict(seen.headers())[b"x-amz-meta-a"] == b"b c"
    assert seen.header(b"host") == exchange.header(b"host")
    assert seen.header(b"x-amz-tagging") is None
    assert seen.method == b"PUT" and seen.body is exchange.body
    assert target.key == "cat.jpg" and target.query.one("partNumber") == "1"
    assert not {"x-amz-acl", "x-amz-meta-a"} & {name.lower() for name in target.query.names()}


def test_requests_without_stay_as_they_are() -> None:
    """Most requests are not touched."""
    exchange = signed(header_v4).exchange()
    target = parse_target(exchange.target)
    assert unhoisted(exchange, target, caller_of(exchange)) == (exchange, target)


def test_headers_may_come_in_both_ways() -> None:
    """A client may send a header that its URL carries as well; it counts once."""
    given = signed(query_v2, "PUT", headers={**META, "Content-Type": "image/jpeg"})
    assert "content-type=image" in given.target
    exchange = given.with_header("x-amz-acl", "private").exchange()
    seen, target = unhoisted(exchange, parse_target(exchange.target), caller_of(exchange))
    assert seen.header(b"x-amz-acl") == b"private"
    assert seen.header(b"content-type") == b"image/jpeg"
    assert sorted(target.query.names()) == ["AWSAccessKeyId", "Expires", "Signature"]


def test_a_copy_source_in_a_url_is_seen_by_all() -> None:
    """A presigned copy is a copy, also for the policy that forbids it."""
    target = "/photos/cat.jpg?x-amz-copy-source=%2Fsecrets%2Fk"
    exchange = signed(query_v4, "PUT", target).exchange()
    seen, _ = unhoisted(exchange, parse_target(exchange.target), caller_of(exchange))
    assert seen.header(b"x-amz-copy-source") == b"/secrets/k"
