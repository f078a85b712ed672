"""
A client of the operations over objects in memory, which speaks as boto3 does.

What it sends botocore wrote, and what it is answered botocore reads.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Any
from urllib.parse import quote, urlencode

import botocore.parsers
import botocore.serialize
from botocore.awsrequest import HeadersDict
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from godos.model.objects import PutRequest
from godos.model.users import AccessKey, ICredentials, Principal, User
from godos.model.versions import Attributes, ObjectVersion
from godos.web.counters import Counters
from godos.web.exchange import IExchange
from godos.web.hosts import Hosts
from godos.web.s3.authorisation import Authoriser
from godos.web.s3.callers import Caller, Poster
from godos.web.s3.cors import Cors
from godos.web.s3.description import service
from godos.web.s3.documents import Documents
from godos.web.s3.forms import Forms
from godos.web.s3.performing import Performer
from godos.web.s3.pipeline import Parts, Pipeline
from godos.web.s3.routes import routes
from godos.web.s3.website import Website
from godos.web.serving import Serving
from tests.memory_objects import MemoryObjects
from tests.unit.web.fakes import FakeBody, FakeExchange

START = 784_111_777.5  # Sun, 06 Nov 1994 08:49:37 GMT
REGION = "us-east-1"
ADA = Principal("ada", "Ada")
BOB = Principal("bob", "Bob")
ROOT = Principal("root", "Root", unrestricted=True)
USERS = {user.id: User(user.id, user.name) for user in (ADA, BOB, ROOT)}


@implementer(ICredentials)
class KnownUsers:
    """The users of these tests; nobody signs."""

    def by_access_key(self, access_key: str) -> Deferred[tuple[User, AccessKey] | None]:
        return succeed(None)

    def by_id(self, user_id: str) -> Deferred[User | None]:
        return succeed(USERS.get(user_id))

    def by_email(self, email: str) -> Deferred[User | None]:
        return succeed(None)

    def known(self) -> Deferred[Sequence[User]]:
        return succeed(list(USERS.values()))


class Refused(Exception):
    """An error answer; `code` is None when it has no body."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(status, error)
        self.status, self.error, self.code = status, error, error.get("Code")


class Client:
    """
    Asks as `user`; `as_user` is the same store for somebody else.

    Every operation is a method: `client.list_objects(Bucket="b")`, by its name in S3's
    description or in boto3's form of it.
    """

    def __init__(
        self, user: Principal = ADA, region: str = REGION, hosts: Hosts | None = None
    ) -> None:
        self.clock = Clock()
        self.user = user
        self.allowed: tuple[int, int | None] = (0, None)
        self.objects = MemoryObjects(self.now)
        credentials, authoriser = KnownUsers(), Authoriser(self.objects, self.now)
        table = routes(self.objects, credentials, Counters(), self.now, region)
        performer = Performer(authoriser, table, Documents(maybeDeferred))
        pipeline = Pipeline(
            Parts(
                hosts or Hosts(),
                self,
                authoriser,
                performer,
                Cors(self.objects),
                Forms(self, performer),
                Website(self.objects, performer),
            )
        )
        self._serving = Serving(pipeline.decide, self.clock, Counters())

    def now(self) -> float:
        """Seconds since the epoch."""
        return START + self.clock.seconds()

    async def authenticate(self, exchange: IExchange, host: str = "") -> Caller:
        """Every request is `user`'s."""
        return Caller(self.user, exchange.body)

    async def authenticate_form(
        self, exchange: IExchange, fields: Mapping[str, str], bucket: str
    ) -> Poster:
        """Every form is `user`'s, and its file may have `allowed` bytes."""
        least, most = self.allowed
        return Poster(self.user, "", least, most)

    def as_user(self, user: Principal) -> Client:
        """The same store, for somebody else: all that is asked from now on is theirs."""
        self.user = user
        return self

    # -- requests --------------------------------------------------------------------------
    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> FakeExchange:
        """A request as it stands on the wire."""
        exchange = FakeExchange(method, target, headers or {}, body)
        result(self._serving.serve(exchange))
        assert exchange.finished and exchange.status != 500, exchange.sent
        return exchange

    def __getattr__(self, name: str) -> Any:
        operation = "".join(word.capitalize() for word in name.split("_"))
        names = {known.lower(): known for known in service().operation_names}
        if operation.lower() not in names:
            raise AttributeError(name)
        return lambda **members: self._operate(names[operation.lower()], members)

    def _operate(self, name: str, members: Mapping[str, Any]) -> Any:
        model = service().operation_model(name)
        serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)
        request = serializer.serialize_to_request(dict(members), model)
        query, body = request["query_string"], request["body"] or b""
        target = f"{request['url_path'].partition('?')[0]}?{request['url_path'].partition('?')[2]}"
        if query:
            target += ("&" if target[-1] != "?" else "") + urlencode(query, quote_via=quote)
        headers = {name: str(value) for name, value in request["headers"].items()}
        if body:
            headers["content-md5"] = b64encode(md5(body).digest()).decode()
        exchange = self.send(request["method"], target.rstrip("?"), headers, body)
        parser = botocore.parsers.create_parser("rest-xml")
        answer = {
            "status_code": exchange.status,
            "headers": HeadersDict(exchange.answer),
            "body": exchange.sent,
        }
        told = parser.parse(answer, model.output_shape)
        if exchange.status is None or exchange.status >= 300:
            raise Refused(exchange.status or 0, told.get("Error", {}))
        told["ResponseMetadata"]["HTTPStatusCode"] = exchange.status
        return told

    # -- what is there ---------------------------------------------------------------------
    def store(
        self, bucket: str, key: str, data: bytes = b"hello", attributes: Attributes | None = None
    ) -> ObjectVersion:
        """Put an object past all operations."""
        body = FakeBody([data], len(data))
        request = PutRequest(attributes or Attributes(owner=self.user.id))
        version: ObjectVersion = result(self.objects.put(bucket, key, body, request))
        return version

    def bucket(self, name: str = "photos", **members: Any) -> str:
        """Make a bucket."""
        self.create_bucket(Bucket=name, **members)
        return name


def result(work: Deferred[Any]) -> Any:
    """The result of what has fired; raises its error."""
    found: list[Any] = []
    work.addBoth(found.append)
    assert found, "it has not fired"
    if hasattr(found[0], "raiseException"):
        found[0].raiseException()
    return found[0]
