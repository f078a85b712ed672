"""Requests of users to a store in memory, for tests of who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed

from godos.deferreds import deferred
from godos.model.objects import PutRequest
from godos.model.users import ANONYMOUS, Principal, User
from godos.model.versions import Attributes, ObjectVersion
from godos.web.access import Action
from godos.web.s3.acls import Acls
from godos.web.s3.authorisation import Authoriser
from godos.web.s3.call import Call, Permit, Result, Table
from godos.web.s3.callers import Caller
from godos.web.s3.operations.access import OwnershipControls, Policies, PublicAccessBlocks
from godos.web.s3.operations.access_lists import AccessLists
from godos.web.s3.request_facts import RequestContext
from godos.web.target import Query, Target
from tests.memory_objects import MemoryObjects
from tests.unit.web.fakes import FakeBody, FakeExchange

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
MAIN, ALT, ROOT = Principal("main"), Principal("alt"), Principal("root", unrestricted=True)
USERS = (
    User("main", "Main", "main@example.org"),
    User("alt", "Alt", "alt@example.org"),
    User("root", "Root", root=True),
)


class Users:
    """Credentials of three users."""

    def by_id(self, user_id: str) -> Deferred[User | None]:
        return succeed(next((user for user in USERS if user.id == user_id), None))

    def by_email(self, email: str) -> Deferred[User | None]:
        return succeed(next((user for user in USERS if user.email == email), None))


class Store:
    """Main's bucket `b`, and whoever asks something of it."""

    def __init__(self) -> None:
        self.objects = MemoryObjects(lambda: NOW)
        self.reads = 0
        self.authoriser = Authoriser(self, lambda: NOW)
        self.acls = Acls(Users())  # type: ignore[arg-type]
        self.table: Table = {
            **Policies(self.objects).table(),
            **PublicAccessBlocks(self.objects).table(),
            **OwnershipControls(self.objects).table(),
            **AccessLists(self.objects, self.acls).table(),
        }
        now(self.objects.create_bucket("b", "main"))

    # -- Settings -------------------------------------------------------------------------
    def bucket(self, name: str) -> Deferred[Any]:
        self.reads += 1
        return self.objects.bucket(name)

    def settings(self, name: str) -> Deferred[Mapping[str, Any]]:
        self.reads += 1
        return self.objects.settings(name)

    # -- what tests do ----------------------------------------------------------------------
    def put(self, key: str, **attributes: Any) -> ObjectVersion:
        request = PutRequest(Attributes(**attributes))
        return now(self.objects.put("b", key, FakeBody([b"bytes"], 5), request))

    def check(
        self,
        principal: Principal,
        action: Action,
        key: str = "",
        request: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        bucket: str = "b",
        caller: Caller | None = None,
    ) -> Permit:
        """The permit, or AccessDenied."""
        exchange = FakeExchange("GET", "/", headers)
        if caller is None:
            caller = Caller(principal, FakeBody([], 0))
        context = RequestContext(exchange, caller, {} if request is None else request)
        return now(
            Deferred.fromCoroutine(self.authoriser.check(principal, action, bucket, key, context))
        )

    @deferred
    async def _do(
        self, principal: Principal, operation: str, request: dict[str, Any], key: str
    ) -> Result:
        exchange = FakeExchange("PUT", "/", body=b"")
        caller = Caller(principal, FakeBody([], 0))
        context = RequestContext(exchange, caller, request)
        version_id = request.get("VersionId")
        query = Query((("versionId", version_id),) if version_id else ())

        async def allow(
            action: Action, bucket: str = "", key: str = "", version_id: str | None = None
        ) -> Permit:
            return await self.authoriser.check(principal, action, bucket, key, context)

        route = self.table[operation]
        action = route.with_version if version_id and route.with_version else route.action
        assert action is not None
        permit = await allow(action, "b", key)
        target = Target("b", key, query)
        return await route.function(
            Call(exchange, target, operation, caller, permit, allow), request
        )

    def do(self, principal: Principal, operation: str, key: str = "", **request: Any) -> Any:
        """The operation's result, or its error, with the steps of a real request."""
        return now(self._do(principal, operation, request, key))


def now(work: Deferred[Any]) -> Any:
    """The result of work that waits for nothing."""
    results: list[Any] = []
    failures: list[Any] = []
    work.addCallbacks(results.append, failures.append)
    assert results or failures, "it waits for something"
    if failures:
        failures[0].raiseException()
    return results[0]


__all__ = ["ALT", "ANONYMOUS", "MAIN", "NOW", "ROOT", "Store", "now"]
