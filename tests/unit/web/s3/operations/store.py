"""The operations on objects over a store in memory, asked as clients ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from godos.model.errors import AccessDenied
from godos.model.users import OPEN, Principal, User
from godos.model.versions import ObjectVersion, Versioning
from godos.web.access import Action
from godos.web.answers import Answer
from godos.web.counters import Counters
from godos.web.exchange import IExchange
from godos.web.s3 import dispatch
from godos.web.s3.acls import Acls
from godos.web.s3.callers import unsigned
from godos.web.s3.documents import Documents
from godos.web.s3.operations.copying import CopyOperations
from godos.web.s3.operations.deleting import DeleteOperations
from godos.web.s3.operations.multipart import UploadOperations
from godos.web.s3.operations.object_attributes import AttributeOperations
from godos.web.s3.operations.object_locks import LockOperations
from godos.web.s3.operations.object_tagging import TaggingOperations
from godos.web.s3.operations.objects import ObjectOperations
from godos.web.s3.operations.owners import Owners, Ownership
from godos.web.s3.performing import Performer
from godos.web.serving import Course, Serving
from godos.web.target import parse_target
from tests.memory_objects import MemoryObjects
from tests.unit.web.fakes import FakeExchange

START = 784_111_777.5  # Sun, 06 Nov 1994 08:49:37 GMT
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
ANN = Principal("ann", "Ann")


class Users:
    """`ICredentials` of whoever is asked for."""

    def by_id(self, user_id: str) -> Deferred[User | None]:
        return maybeDeferred(lambda: User(user_id, user_id.capitalize()) if user_id else None)


class Guard:
    """
    An `Authoriser` that remembers what it was asked, and its permits.

    `refused` are actions that are refused; `private` keys, whose versions must not be seen.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.refused: set[Action] = set()
        self.private: set[str] = set()
        self.secretive = False  # nobody may know what there is not

    async def check(
        self, principal: Principal, action: Action, bucket: str, key: str, context: Any
    ) -> Guard:
        self.asked.append((action.value, bucket, key))
        if action in self.refused:
            raise AccessDenied(f"no {action.value}")
        return self

    settled = True  # whom nothing is shown

    def version(self, version: ObjectVersion) -> None:
        if version.key in self.private:
            raise AccessDenied("this version is nothing for you")

    def upload(self, upload: Any) -> None:
        if upload.key in self.private:
            raise AccessDenied("this upload is nothing for you")

    def created(self) -> None:
        pass

    def absent(self) -> None:
        if self.secretive:
            raise AccessDenied("there may be something or not")


class Store:
    """
    Operations on objects, and all that they are given.

    There are the buckets `objects`, `versioned` and `locked`.
    """

    def __init__(self, piece: int = 1 << 20, principal: Principal = OPEN) -> None:
        self.clock = Clock()
        self.objects = MemoryObjects(self.now, piece)
        self.guard = Guard()
        self.counters = Counters()
        self.principal = principal
        self.signed = False
        users: Any = Users()
        ownership, owners = Ownership(self.objects, Acls(users)), Owners(users)
        self.uploads = UploadOperations(self.objects, ownership, owners, self.counters, self.now)
        operations = (
            ObjectOperations(self.objects, ownership, self.counters, self.now),
            DeleteOperations(self.objects),
            CopyOperations(self.objects, ownership, self.now),
            self.uploads,
            AttributeOperations(self.objects),
            TaggingOperations(self.objects),
            LockOperations(self.objects, self.now),
        )
        routes = {name: route for each in operations for name, route in each.table().items()}
        guard: Any = self.guard
        self.performer = Performer(guard, routes, Documents(maybeDeferred))
        self.serving = Serving(self.decide, self.clock, self.counters)
        for name in ("objects", "versioned"):
            self.objects.create_bucket(name, "ann")
        self.objects.create_bucket("locked", "ann", True)
        self.objects.set_versioning("versioned", Versioning.ENABLED)

    def now(self) -> float:
        return START + self.clock.seconds()

    async def decide(self, exchange: IExchange, course: Course) -> Answer:
        """The middle of `Pipeline`, without signatures."""
        target = parse_target(exchange.target)
        operation = dispatch.find(exchange.method, target, exchange)
        course.operation = operation.name
        joined = {name: exchange.header(name) or b"" for name, _ in exchange.headers()}
        caller = unsigned(exchange, joined, self.principal, maybeDeferred)
        if self.signed:
            caller = evolve(caller, signature_version="AWS4-HMAC-SHA256")
        request = operation.parse(target, exchange.headers())
        result = await self.performer.perform(exchange, target, caller, operation, request)
        if isinstance(result, Answer):
            return result
        return operation.render(result, False)

    def ask(self, method: str, target: str, *args: Any, **kwargs: Any) -> FakeExchange:
        """A request that is answered at once."""
        exchange = FakeExchange(method, target, *args, **kwargs)
        results: list[Any] = []
        self.serving.serve(exchange).addBoth(results.append)
        assert results == [None]
        assert exchange.finished or exchange.aborted
        return exchange

    def done(self, *args: Any, **kwargs: Any) -> FakeExchange:
        """A request that succeeds."""
        exchange = self.ask(*args, **kwargs)
        assert exchange.status is not None and exchange.status < 300, exchange.sent
        return exchange

    def put(self, target: str, body: bytes = b"hello, world", **headers: str) -> FakeExchange:
        """Store an object."""
        return self.done("PUT", target, _named(headers), body)

    def get(self, target: str, **headers: str) -> FakeExchange:
        """Read an object."""
        return self.ask("GET", target, _named(headers))

    def document(self, *args: Any, **kwargs: Any) -> ElementTree.Element:
        """The document that a request is answered with, without namespaces."""
        root = ElementTree.fromstring(self.done(*args, **kwargs).sent)
        for element in root.iter():
            element.tag = element.tag.removeprefix(NAMESPACE)
        return root


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def code(exchange: FakeExchange) -> tuple[int | None, str | None]:
    """Status and S3's code of an error answer."""
    return exchange.status, ElementTree.fromstring(exchange.sent).findtext("Code")
