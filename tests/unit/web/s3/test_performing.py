"""Operations are done for callers who may, in order, and never past a permit that waits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from godos.model.errors import AccessDenied
from godos.model.users import Principal
from godos.web.access import Action
from godos.web.answers import Answer
from godos.web.counters import Counters
from godos.web.errors import UnsupportedFeature
from godos.web.s3.call import HOLDS_NOTHING_BACK, Call, Result, Route
from godos.web.s3.callers import Caller
from godos.web.s3.description import operations
from godos.web.s3.documents import Documents
from godos.web.s3.performing import Performer, PermitForgotten
from godos.web.serving import Serving
from godos.web.target import parse_target
from tests.unit.web.fakes import FakeExchange

ANN = Principal("ann", "Ann")


class Waiting:
    """A permit that waits for the object, and allows all but what `refuses`."""

    settled = False

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses

    def version(self, _: Any) -> None:
        if self.refuses:
            raise AccessDenied("this one is private")


class Read:
    """What an answer sends."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Desk:
    """A performer with one operation; what is asked of it, and what it does, in `order`."""

    def __init__(self, name: str, function: Callable[[Call, Any], Result]) -> None:
        self.order: list[str] = []
        self.permit: Any = HOLDS_NOTHING_BACK
        self.denied: set[Action] = set()

        async def work(call: Call, request: Any) -> Result:
            self.order.append("work")
            return function(call, request)

        routes = {name: Route(work, Action.GET, Action.GET_VERSION)}
        authoriser: Any = self
        self.performer = Performer(authoriser, routes, Documents(maybeDeferred))

    async def check(self, who: Principal, action: Action, bucket: str, key: str, _: Any) -> Any:
        self.order.append(f"{who.id} {action.value} {bucket}/{key}")
        if action in self.denied:
            raise AccessDenied("no")
        return self.permit

    async def perform(self, exchange: FakeExchange, name: str) -> Result:
        target, operation = parse_target(exchange.target), operations()[name]
        request = operation.parse(target, exchange.headers())
        caller = Caller(ANN, exchange.body)
        return await self.performer.perform(exchange, target, caller, operation, request)

    def do(self, name: str, method: str, target: str, body: bytes | None = None) -> Any:
        exchange = FakeExchange(method, target, body=body)
        results: list[Any] = []
        Deferred.fromCoroutine(self.perform(exchange, name)).addBoth(results.append)
        assert results, "it waits"
        if hasattr(results[0], "raiseException"):
            assert not exchange.body.asked
            results[0].raiseException()
        return results[0]


def test_first_whether_they_may() -> None:
    """The caller is checked, then the operation is done."""
    desk = Desk("GetObject", lambda *_: {"ETag": '"e"'})
    assert desk.do("GetObject", "GET", "/photos/cat") == {"ETag": '"e"'}
    assert desk.order == ["ann s3:GetObject photos/cat", "work"]


def test_versions_have_actions_of_their_own() -> None:
    """Who names a version is asked for the action on versions."""
    desk = Desk("GetObject", lambda *_: None)
    desk.do("GetObject", "GET", "/photos/cat?versionId=v")
    assert desk.order[0] == "ann s3:GetObjectVersion photos/cat"


def test_who_may_not() -> None:
    """For who may not, nothing is done, and no document is read."""
    desk = Desk("PutBucketTagging", lambda *_: None)
    desk.denied.add(Action.GET)
    with pytest.raises(AccessDenied):
        desk.do("PutBucketTagging", "PUT", "/photos?tagging", b"<Tagging/>")
    assert "work" not in desk.order


def test_what_is_not_served() -> None:
    """An operation without a route is one that we do not have."""
    desk = Desk("GetObject", lambda *_: None)
    with pytest.raises(UnsupportedFeature, match="PutObject"):
        desk.do("PutObject", "PUT", "/photos/cat", b"meow")


def test_documents_are_members() -> None:
    """What the body says is among the members that the operation is given."""
    seen: list[Any] = []
    desk = Desk("PutBucketVersioning", lambda _, request: seen.append(request))
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    desk.do("PutBucketVersioning", "PUT", "/photos?versioning", body)
    assert seen[0]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert seen[0]["Bucket"] == "photos"


@pytest.mark.parametrize("kind", ["mapping", "answer", "nothing"])
def test_a_forgotten_permit(kind: str) -> None:
    """An operation that answers without showing its object fails, and its read is closed."""
    read: Any = Read()
    results = {"mapping": {"Body": read}, "answer": Answer(200, read=read), "nothing": None}
    desk = Desk("GetObject", lambda *_: results[kind])
    desk.permit = Waiting()
    with pytest.raises(PermitForgotten, match="GetObject"):
        desk.do("GetObject", "GET", "/photos/cat")
    assert read.closed == (kind != "nothing")


def test_a_permit_that_was_shown_its_object() -> None:
    """Once the object is allowed the operation may answer."""

    def show(call: Call, _: Any) -> Result:
        version: Any = None
        call.permit.version(version)
        return {"ETag": '"e"'}

    desk = Desk("GetObject", show)
    desk.permit = Waiting()
    assert desk.do("GetObject", "GET", "/photos/cat") == {"ETag": '"e"'}


def test_a_refusal_that_is_forgotten() -> None:
    """An operation that goes on although its object was refused fails, too."""

    def go_on(call: Call, _: Any) -> Result:
        version: Any = None
        with suppress(AccessDenied):
            call.permit.version(version)
        return {"ETag": '"e"'}

    desk = Desk("GetObject", go_on)
    desk.permit = Waiting(refuses=True)
    with pytest.raises(PermitForgotten):
        desk.do("GetObject", "GET", "/photos/cat")


def test_a_forgotten_permit_on_the_wire() -> None:
    """The client is told of a fault of ours, and the log has the details."""
    desk = Desk("GetObject", lambda *_: {"ETag": '"secret"'})
    desk.permit = Waiting()

    async def decide(exchange: Any, _: Any) -> Answer:
        return operations()["GetObject"].render(await desk.perform(exchange, "GetObject"))

    exchange, events = FakeExchange("GET", "/photos/cat"), []
    globalLogPublisher.addObserver(events.append)
    try:
        Serving(decide, Clock(), Counters()).serve(exchange)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert exchange.status == 500 and b"secret" not in exchange.sent
    assert [event["log_failure"].type for event in events] == [PermitForgotten]
