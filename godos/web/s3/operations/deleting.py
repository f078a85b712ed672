"""The operations that delete objects and versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from godos.model.errors import GodosError
from godos.model.names import object_key
from godos.model.objects import DeleteRequest, IObjects
from godos.model.versions import NULL_VERSION, Deleted
from godos.web.access import Action
from godos.web.errors import S3Error, UnsupportedFeature, answer_of, message_of
from godos.web.exchange import IExchange
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.conditions import delete_condition
from godos.web.s3.operations.leave import may_bypass
from godos.web.s3.operations.naming import version_id_of

MAX_DELETED = 1000  # objects of one request.  Source: Amazon S3 API Reference, DeleteObjects
AT_ONCE = 16  # keys of one request
_REFUSED_HEADERS = frozenset((b"if-none-match", b"if-unmodified-since"))


class DeleteOperations:
    def __init__(self, objects: IObjects) -> None:
        self._objects = objects

    def table(self) -> Table:
        """The operations by their names."""
        return {
            "DeleteObject": Route(self.delete_object, Action.DELETE, Action.DELETE_VERSION),
            "DeleteObjects": Route(self.delete_objects, None),
        }

    async def delete_object(self, call: Call, request: Request) -> Result:
        """Remove an object or version, or put a delete marker on top; a missing one is fine."""
        _refuse_unsupported(call.exchange)
        target = call.target
        condition = delete_condition(
            request.get("IfMatch"),
            request.get("IfMatchLastModifiedTime"),
            request.get("IfMatchSize"),
        )
        wanted = DeleteRequest(
            version_id_of(request), condition, await may_bypass(call, request, target.key)
        )
        deleted: Deleted = await self._objects.delete(target.bucket, target.key, wanted)
        if deleted.is_delete_marker:  # also one with the id null: there are versions here
            return {"VersionId": deleted.version_id, "DeleteMarker": True}
        if deleted.version_id in (None, NULL_VERSION):
            return {}
        return {"VersionId": deleted.version_id}

    async def delete_objects(self, call: Call, request: Request) -> Result:
        """Delete up to 1000 objects or versions; each has its own outcome."""
        document = request.get("Delete") or {}
        entries: Sequence[Request] = document.get("Objects") or ()
        if not 0 < len(entries) <= MAX_DELETED or any("Key" not in entry for entry in entries):
            raise S3Error(
                "MalformedXML", f"a Delete names 1 to {MAX_DELETED} Objects, each with its Key"
            )
        await self._objects.bucket(call.target.bucket)  # a missing one is no matter of each key
        outcomes: list[Any] = [None] * len(entries)

        async def delete(numbers: list[int]) -> None:
            for number in numbers:
                outcomes[number] = await self._outcome(call, request, entries[number])

        await _bounded(_by_key(entries), delete, AT_ONCE)
        errors = [told for told in outcomes if "Code" in told]
        deleted = [told for told in outcomes if "Code" not in told]
        answer = {"Errors": errors} if errors else {}
        return answer if document.get("Quiet") else {"Deleted": deleted, **answer}

    async def _outcome(self, call: Call, request: Request, entry: Request) -> dict[str, Any]:
        """What happened to one object, as an element of the answer."""
        told = {"Key": entry["Key"]}
        if "VersionId" in entry:
            told["VersionId"] = entry["VersionId"]
        try:
            deleted = await self._delete(call, request, entry)
        except GodosError as error:
            code = answer_of(error)[1]
            return {**told, "Code": code, "Message": message_of(error, code)}
        if deleted.is_delete_marker:
            told["DeleteMarker"] = True
            told["DeleteMarkerVersionId"] = deleted.version_id
        return told

    async def _delete(self, call: Call, request: Request, entry: Request) -> Deleted:
        bucket, version_id = call.target.bucket, version_id_of(entry)
        key = object_key(entry["Key"].encode("utf-8"))
        action = Action.DELETE if version_id is None else Action.DELETE_VERSION
        await call.allow(action, bucket, key, version_id)
        condition = delete_condition(
            entry.get("ETag"), entry.get("LastModifiedTime"), entry.get("Size")
        )
        wanted = DeleteRequest(version_id, condition, await may_bypass(call, request, key))
        return await self._objects.delete(bucket, key, wanted)


def _refuse_unsupported(exchange: IExchange) -> None:
    for name, _ in exchange.headers():
        if name in _REFUSED_HEADERS:
            raise UnsupportedFeature(f"{name.decode()} on a delete is not there; leave it out")


def _by_key(entries: Sequence[Request]) -> Iterable[list[int]]:
    """Places of the entries of each key: writers of one key only stand in each other's way."""
    groups: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        groups.setdefault(entry["Key"], []).append(number)
    return groups.values()


async def _bounded(
    groups: Iterable[list[int]], work: Callable[[list[int]], Awaitable[None]], at_once: int
) -> None:
    """Do `work` for each group, `at_once` at a time; a failure stops all."""
    waiting = iter(groups)

    async def worker() -> None:
        for group in waiting:
            await work(group)

    running = [Deferred.fromCoroutine(worker()) for _ in range(at_once)]
    try:
        for each in running:
            await each
    finally:
        for each in running:
            each.addErrback(lambda _: None)  # one failure is told, and our own cancelling none
            each.cancel()
