"""Pages of other origins: what browsers are told before and with the answers."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from godos.model.errors import CatalogUnavailable
from godos.model.users import ANONYMOUS
from godos.web.s3.cors import Cors
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.client import Client, result

RULES: list[dict[str, Any]] = [
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["*suffix", "start*end"]},
    {
        "AllowedMethods": ["PUT", "POST"],
        "AllowedOrigins": ["https://app"],
        "AllowedHeaders": ["Content-Type", "x-amz-*"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
        "MaxAgeSeconds": 600,
    },
]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.bucket("photos", ACL="public-read")
    client.bucket("plain")
    client.put_bucket_cors(Bucket="photos", CORSConfiguration={"CORSRules": RULES})
    return client


def ask(client: Client, target: str, **headers: str) -> FakeExchange:
    """A preflight request."""
    names = {
        "origin": "Origin",
        "method": "Access-Control-Request-Method",
        "headers": "Access-Control-Request-Headers",
    }
    return client.send("OPTIONS", target, {names[name]: headers[name] for name in headers})


def allowance(exchange: FakeExchange) -> tuple[str | None, str | None]:
    """The origin and the methods that an answer allows."""
    answer = exchange.answer
    return (
        answer.get("access-control-allow-origin"),
        answer.get("access-control-allow-methods"),
    )


# -- the question before ------------------------------------------------------------------
@pytest.mark.parametrize("target", ["/photos", "/photos/cat", "/photos/nothing?uploads"])
def test_an_allowed_preflight(client: Client, target: str) -> None:
    """Anybody may ask, of a bucket and of any name in it."""
    client.as_user(ANONYMOUS)
    told = ask(
        client, target, origin="https://app", method="PUT", headers="Content-Type, X-Amz-Meta-A"
    )
    assert told.status == 200 and told.sent == b""
    assert told.answer == {
        "access-control-allow-origin": "https://app",
        "access-control-allow-methods": "PUT, POST",
        "access-control-allow-headers": "content-type, x-amz-meta-a",
        "access-control-expose-headers": "ETag, x-amz-version-id",
        "access-control-max-age": "600",
        "access-control-allow-credentials": "true",
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        "content-length": "0",
    }


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://app", "GET", ""),
        ("https://app", "PUT", "range"),
        ("https://app", "PUT", "content-type, range"),
        ("https://apple", "PUT", ""),
        ("http://app", "PUT", ""),
        ("suffix.", "GET", ""),
        ("x.suffix", "GET", "x-anything"),
        ("star.end", "GET", ""),
        ("x.suffix", "HEAD", ""),
    ],
)
def test_a_forbidden_preflight(client: Client, origin: str, method: str, headers: str) -> None:
    """Without a rule for all of it there is nothing that a browser could take for leave."""
    told = ask(client, "/photos/cat", origin=origin, method=method, headers=headers)
    assert (told.status, b"<Code>AccessForbidden</Code>" in told.sent) == (403, True)
    assert allowance(told) == (None, None)


def test_a_bucket_without_rules(client: Client) -> None:
    """It allows nothing, and so does the store itself."""
    for target in ("/plain", "/"):
        assert ask(client, target, origin="https://app", method="PUT").status == 403
    assert ask(client, "/nowhere", origin="https://app", method="PUT").status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://app"},
        {"method": "PUT"},
        {"origin": "https://app", "method": "PATCH"},
        {"origin": "https://app", "method": "put"},
    ],
)
def test_no_preflight(client: Client, headers: dict[str, str]) -> None:
    """A request that asks nothing is a bad one, whether the bucket has rules or not."""
    for target in ("/photos", "/plain"):
        told = ask(client, target, **headers)
        assert (told.status, b"<Code>BadRequest</Code>" in told.sent) == (400, True)


# -- with the answer ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ("foo.suffix", ("foo.suffix", "GET")),
        ("suffix", ("suffix", "GET")),
        ("startend", ("startend", "GET")),
        ("start.end", ("start.end", "GET")),
        ("starend", (None, None)),
        ("suffix.get", (None, None)),
        ("https://app", (None, None)),
    ],
)
def test_answers_to_pages(client: Client, origin: str, told: tuple[Any, Any]) -> None:
    """An answer says what the rule for its origin and method says; errors do, too."""
    for target, status in (("/photos", 200), ("/photos/nothing", 404)):
        exchange = client.send("GET", target, {"Origin": origin})
        assert (exchange.status, allowance(exchange)) == (status, told)


def test_answers_to_others(client: Client) -> None:
    """Without an Origin there is nothing to say."""
    assert allowance(client.send("GET", "/photos")) == (None, None)


def test_errors_can_be_read_by_pages(client: Client) -> None:
    """A page that may write is told why it was refused."""
    refused = client.as_user(ANONYMOUS).send("PUT", "/photos/cat", {"Origin": "https://app"}, b"x")
    assert (refused.status, allowance(refused)) == (403, ("https://app", "PUT, POST"))


def test_the_method_that_was_asked_for(client: Client) -> None:
    """A header that names the method of a preflight counts, also on a request itself."""
    headers = {"Origin": "foo.suffix", "Access-Control-Request-Method": "GET"}
    answer = client.send("PUT", "/photos/cat", headers, b"x")
    assert allowance(answer) == ("foo.suffix", "GET")


def test_any_origin(client: Client) -> None:
    """A wildcard is told as such, and never together with credentials."""
    any_ = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
    client.put_bucket_cors(Bucket="plain", CORSConfiguration={"CORSRules": any_})
    for exchange in (
        client.send("GET", "/plain", {"Origin": "anything"}),
        ask(client, "/plain", origin="anything", method="GET"),
    ):
        assert allowance(exchange) == ("*", "GET")
        assert "access-control-allow-credentials" not in exchange.answer


def test_rules_that_cannot_be_read() -> None:
    """An answer is not made an error because the rules cannot be had: it says nothing."""

    class Gone:
        def settings(self, name: str) -> Any:
            raise CatalogUnavailable("not now")

    exchange = FakeExchange("GET", "/photos", {"Origin": "x"})
    cors = Cors(Gone())  # type: ignore[arg-type]
    assert result(Deferred.fromCoroutine(cors.headers(exchange, "photos"))) == []
