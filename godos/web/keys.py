"""The verbs of an object: PUT, GET, HEAD and DELETE of `/<bucket>/<key>`."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from godos.model.errors import InvalidRange, NotModified
from godos.model.objects import DeleteRequest, GetRequest, IObjectRead, IObjects
from godos.model.versions import NULL_VERSION
from godos.protocol.preconditions import resolve
from godos.web.access import Action
from godos.web.answers import Answer
from godos.web.bounded import BoundedBody
from godos.web.counters import Counters
from godos.web.headers import describe, if_range_holds, not_modified, read_request
from godos.web.routes import Call, Route, Table
from godos.web.uploads import (
    MAX_SINGLE_PUT,
    check_expectation,
    check_length,
    put_request,
    write_condition,
)

_VERSION = frozenset(("versionId",))


class KeyVerbs:
    """
    Args:
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self, objects: IObjects, counters: Counters, wall_clock: Callable[[], float]
    ) -> None:
        self._objects = objects
        self._counters = counters
        self._wall_clock = wall_clock

    def table(self) -> Table:
        """The routes of `/<bucket>/<key>`."""
        return {
            (b"GET", ""): Route(Action.GET, self.get, with_version=Action.GET_VERSION),
            (b"HEAD", ""): Route(Action.GET, self.head, with_version=Action.GET_VERSION),
            (b"PUT", ""): Route(Action.PUT, self.put, writes=True),
            (b"DELETE", ""): Route(
                Action.DELETE, self.delete, _VERSION, True, Action.DELETE_VERSION
            ),
        }

    async def put(self, call: Call) -> Answer:
        """Store an object; the answer means that it is durable."""
        exchange, target = call.exchange, call.target
        check_expectation(exchange)
        check_length(exchange)
        request = put_request(exchange.headers())
        body = exchange.body
        if body.length is None:
            body = BoundedBody(body, MAX_SINGLE_PUT)
        version = await self._objects.put(target.bucket, target.key, body, request)
        self._counters.received += version.size
        headers = [(b"ETag", b'"%s"' % version.etag.encode())]
        if not version.is_null:
            headers.append((b"x-amz-version-id", version.version_id.encode()))
        return Answer(200, headers)

    async def get(self, call: Call) -> Answer:
        """Begin to read an object; the answer's bytes follow as the client takes them."""
        request = read_request(call.exchange, call.version_id, self._wall_clock)
        try:
            read, ranged = await self._open(call, request)
        except NotModified as same:
            return Answer(304, not_modified(same.version))
        try:
            version = read.version
            headers = describe(version)
            if ranged:
                headers.append(_content_range(read.start, read.stop, version.size))
            length = read.stop - read.start
            return Answer(206 if ranged else 200, headers, read=read, length=length)
        except BaseException:
            await read.close()
            raise

    async def _open(self, call: Call, request: GetRequest) -> tuple[IObjectRead, bool]:
        """Open a read, and tell whether it is of a part; `If-Range` may make it whole."""
        if request.range is None:
            return await self._read(call, request), False
        if_range = call.exchange.header(b"if-range")
        if if_range is None:
            return await self._read(call, request), True
        whole = evolve(request, range=None)
        try:
            read = await self._read(call, request)
        except InvalidRange:
            # Whether the client's part is of this version is only known from a read of it.
            read = await self._read(call, whole)
            if if_range_holds(if_range, read.version):
                await read.close()
                raise
            return read, False
        if if_range_holds(if_range, read.version):
            return read, True
        await read.close()
        return await self._read(call, whole), False

    async def _read(self, call: Call, request: GetRequest) -> IObjectRead:
        target = call.target
        return await self._objects.get(target.bucket, target.key, request)  # type: ignore[no-any-return]

    async def head(self, call: Call) -> Answer:
        """What GET would say, without the bytes."""
        exchange, target = call.exchange, call.target
        request = read_request(exchange, call.version_id, self._wall_clock)
        try:
            version = await self._objects.head(target.bucket, target.key, request)
        except NotModified as same:
            return Answer(304, not_modified(same.version))
        headers, wanted = describe(version), request.range
        if_range = exchange.header(b"if-range") if wanted is not None else None
        if if_range is not None and not if_range_holds(if_range, version):
            wanted = None
        start, stop = resolve(wanted, version.size)
        if wanted is not None:
            headers.append(_content_range(start, stop, version.size))
        headers.append((b"Content-Length", b"%d" % (stop - start)))
        return Answer(200 if wanted is None else 206, headers)

    async def delete(self, call: Call) -> Answer:
        """Remove an object or version, or put a delete marker on top; a missing one is fine."""
        target = call.target
        request = DeleteRequest(call.version_id, write_condition(call.exchange.headers()))
        deleted = await self._objects.delete(target.bucket, target.key, request)
        headers = []
        if deleted.version_id not in (None, NULL_VERSION):
            headers.append((b"x-amz-version-id", deleted.version_id.encode()))
        if deleted.is_delete_marker:
            headers.append((b"x-amz-delete-marker", b"true"))
        return Answer(204, headers)


def _content_range(start: int, stop: int, size: int) -> tuple[bytes, bytes]:
    return b"Content-Range", b"bytes %d-%d/%d" % (start, stop - 1, size)
