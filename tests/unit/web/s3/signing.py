"""Requests that real signers sign: botocore's, and for chunks awscrt's."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, evolve, field
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.model.bodies import IBody
from godos.model.users import AccessKey, User
from godos.objects.credentials import FileCredentials
from godos.web.errors import S3Error
from godos.web.exchange import IExchange
from godos.web.s3.authentication import Authentication, Caller
from tests.unit.web.fakes import FakeExchange

KEY, SECRET = "GODOSALICEKEY00001", "wJalr/K7MDENG+bPxRfi/secret-of-alice"
HOST = "localhost:8030"
ALICE = User("alice", "Alice", "alice@example.com", (AccessKey(KEY, SECRET),))
ROOT = User("root", "The operator", keys=(AccessKey("GODOSROOTKEY000001", "x" * 40),), root=True)
CREDENTIALS = Credentials(KEY, SECRET)
IN_PIECES = maybeDeferred

Sign = Callable[[AWSRequest], None]


@define
class Signed:
    """A signed request, which a test may then change."""

    method: str
    target: str
    headers: dict[str, str] = field(factory=dict)
    body: bytes | list[bytes] | None = None

    def exchange(self, chunked: bool = False) -> FakeExchange:
        """The request as it arrives."""
        return FakeExchange(self.method, self.target, self.headers, self.body, chunked)

    def with_header(self, name: str, value: str | None) -> Signed:
        """The request with another header; None: without it."""
        others = {k: v for k, v in self.headers.items() if k.lower() != name.lower()}
        return evolve(self, headers=others if value is None else {**others, name: value})


def header_v4(request: AWSRequest, region: str = "us-east-1", service: str = "s3") -> None:
    S3SigV4Auth(CREDENTIALS, service, region).add_auth(request)


def query_v4(request: AWSRequest, expires: int = 600) -> None:
    S3SigV4QueryAuth(CREDENTIALS, "s3", "us-east-1", expires).add_auth(request)


def header_v2(request: AWSRequest) -> None:
    HmacV1Auth(CREDENTIALS).add_auth(request)


def query_v2(request: AWSRequest) -> None:
    HmacV1QueryAuth(CREDENTIALS, 600).add_auth(request)


WAYS: dict[str, Sign] = {
    "v4 header": header_v4,
    "v4 query": query_v4,
    "v2 header": header_v2,
    "v2 query": query_v2,
}
BY_QUERY = (query_v4, query_v2)


def signed(
    sign: Sign,
    method: str = "GET",
    target: str = "/photos/cat.jpg",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Signed:
    """Sign a request, and say what then goes over the wire."""
    request = AWSRequest(method, f"http://{HOST}{target}", dict(headers or {}), body)
    if sign in BY_QUERY:
        request.data = b""  # botocore takes it for form fields
    sign(request)
    sent = {"Host": HOST, **{name: str(value) for name, value in request.headers.items()}}
    if sign is query_v2:  # the date is in the query, and so are the headers
        sent = {k: v for k, v in sent.items() if k != "Date" and not k.lower().startswith("x-amz-")}
    return Signed(method, request.url.split(HOST, 1)[1], sent, body)


def authentication(ahead: float = 0.0, region: str = "us-east-1") -> Authentication:
    """The server's side, with a clock that is `ahead` seconds ahead."""
    users = FileCredentials([ALICE, ROOT])
    return Authentication(users, lambda: time.time() + ahead, IN_PIECES, region)


def result_of(work: Coroutine[Any, Any, Any] | Deferred[Any]) -> Any:
    """What comes of it at once."""
    results: list[Any] = []
    started = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
    started.addBoth(results.append)
    assert results, "it waits for something"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def caller_of(exchange: IExchange, ahead: float = 0.0, bucket: str = "") -> Caller:
    """Who sent a request."""
    caller: Caller = result_of(authentication(ahead).authenticate(exchange, bucket))
    return caller


def body_of(caller: Caller) -> bytes:
    """The decoded body of a caller, who must have signed it."""
    return b"".join(result_of(caller.body.collect(1 << 20)))


def code_of(error: Exception) -> str:
    """What the client reads of an error."""
    return error.code if isinstance(error, S3Error) else type(error).__name__


@implementer(IConsumer)
class Sink:
    """A consumer that remembers what it got, and whether it was told of the end."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.ended = True

    def write(self, data: bytes) -> None:
        self.data += data


def deliver(body: IBody) -> tuple[Sink, Deferred[None]]:
    """Take a body as an upload does."""
    sink = Sink()
    return sink, body.deliver_to(sink)
