"""`IObjects` in memory: the same promises, with a shorter memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import md5, sha256

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import (
    BadDigest,
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    GodosError,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
)
from godos.model.locating import Holder, Located
from godos.model.names import new_id
from godos.model.objects import GetRequest, IObjectRead, IObjects, PutRequest
from godos.model.versions import (
    NULL_VERSION,
    Bucket,
    Deleted,
    Listing,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from godos.protocol.preconditions import check_read, resolve

ANY_SIZE = 1 << 40


@define
class Stored:
    """A version and its bytes."""

    version: ObjectVersion
    data: bytes


@implementer(IObjectRead)
class MemoryRead:
    """Gives its bytes in pieces of at most `piece`; fails with `trouble` once `good` are out."""

    def __init__(
        self,
        stored: Stored,
        start: int,
        stop: int,
        piece: int,
        trouble: GodosError | None,
        good: int,
    ) -> None:
        self.version, self.start, self.stop = stored.version, start, stop
        self._data, self._piece = stored.data[start:stop], piece
        self._trouble, self._good, self._given = trouble, good, 0
        self.closed = False

    @deferred
    async def read(self) -> bytes:
        assert not self.closed, "read after close"
        if self._trouble is not None and self._given >= self._good:
            raise self._trouble
        data = self._data[self._given : self._given + self._piece]
        self._given += len(data)
        return data

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


@define
class Space:
    """A bucket and its versions, newest first."""

    bucket: Bucket
    keys: dict[str, list[Stored]] = field(factory=dict)

    def sorted(self) -> Iterator[tuple[str, list[Stored]]]:
        """In the byte order of the keys."""
        return iter(sorted(self.keys.items(), key=lambda item: item[0].encode("utf-8")))


@implementer(IObjects)
class MemoryObjects:
    """
    Args:
        now: seconds since the epoch.
        piece: bytes that a read gives at a time.

    `trouble` makes reads fail once `good` bytes are out, and not even open while that is
    negative; `reads` are all that were opened.
    """

    def __init__(self, now: Callable[[], float], piece: int = 1 << 20) -> None:
        self._now = now
        self._piece = piece
        self._spaces: dict[str, Space] = {}
        self.trouble: GodosError | None = None
        self.good = -1
        self.reads: list[MemoryRead] = []

    # -- buckets ------------------------------------------------------------------------
    @deferred
    async def create_bucket(self, name: str, owner: str) -> Bucket:
        if name in self._spaces:
            if self._spaces[name].bucket.owner == owner:
                raise BucketAlreadyOwnedByYou(f"you have the bucket {name}")
            raise BucketAlreadyExists(f"somebody else has the bucket {name}")
        self._spaces[name] = Space(Bucket(name, new_id(), owner, self._now()))
        return self._spaces[name].bucket

    @deferred
    async def bucket(self, name: str) -> Bucket:
        return self._space(name).bucket

    @deferred
    async def buckets(self) -> Sequence[Bucket]:
        return [self._spaces[name].bucket for name in sorted(self._spaces)]

    @deferred
    async def delete_bucket(self, name: str) -> None:
        if self._space(name).keys:
            raise BucketNotEmpty(f"the bucket {name} holds objects")
        del self._spaces[name]

    @deferred
    async def set_versioning(self, name: str, versioning: Versioning) -> Bucket:
        space = self._space(name)
        if versioning is Versioning.OFF and space.bucket.versioning is not Versioning.OFF:
            raise InvalidRequest("versioning can be suspended, but not undone")
        space.bucket = evolve(space.bucket, versioning=versioning)
        return space.bucket

    def _space(self, name: str) -> Space:
        if name not in self._spaces:
            raise NoSuchBucket(f"there is no bucket {name}")
        return self._spaces[name]

    # -- objects ------------------------------------------------------------------------
    @deferred
    async def put(self, bucket: str, key: str, body: IBody, request: PutRequest) -> ObjectVersion:
        self._check_write(self._space(bucket), key, request.condition)
        data = b"".join(await body.collect(ANY_SIZE))
        for told, found in ((request.md5, md5), (request.sha256, sha256)):
            if told is not None and told != found(data).digest():
                raise BadDigest(f"the body's {found.__name__} is another than announced")
        space = self._space(bucket)
        self._check_write(space, key, request.condition)
        version = self._version(space, key, md5(data).hexdigest(), len(data))
        version = evolve(version, attributes=request.attributes)
        self._push(space, Stored(version, data))
        return version

    def _check_write(self, space: Space, key: str, condition: WriteCondition) -> None:
        head = self._head(space, key)
        if condition.if_none_match_any and head is not None:
            raise PreconditionFailed("the object exists")
        if condition.if_match is not None:
            if head is None:
                raise NoSuchKey(f"there is no object {key}")
            if condition.if_match not in ("*", head.version.etag):
                raise PreconditionFailed("the object has another ETag now")

    def _head(self, space: Space, key: str) -> Stored | None:
        versions = space.keys.get(key)
        return None if not versions or versions[0].version.is_delete_marker else versions[0]

    def _version(self, space: Space, key: str, etag: str, size: int) -> ObjectVersion:
        versions = space.keys.get(key)
        return ObjectVersion(
            bucket=space.bucket.name,
            key=key,
            version_id=new_id(),
            seq=versions[0].version.seq + 1 if versions else 1,
            etag=etag,
            size=size,
            modified=self._now(),
            incarnation=new_id() if size else None,
            reference=new_id(),
            rev=new_id(),
            is_null=space.bucket.versioning is not Versioning.ENABLED,
        )

    def _push(self, space: Space, stored: Stored) -> ObjectVersion | None:
        """Put a version on top; a null version takes the place of the null version."""
        old = space.keys.get(stored.version.key, [])
        kept = [each for each in old if not (stored.version.is_null and each.version.is_null)]
        space.keys[stored.version.key] = [stored, *kept]
        gone = [each.version for each in old if each not in kept]
        return gone[0] if gone else None

    def _find(self, space: Space, key: str, version_id: str | None) -> Stored:
        versions = space.keys.get(key, [])
        if version_id is None:
            head = self._head(space, key)
            if head is None:
                marker = versions[0].version.version_id if versions else None
                raise NoSuchKey(f"there is no object {key}", marker)
            return head
        for stored in versions:
            if _is(stored.version, version_id):
                if stored.version.is_delete_marker:
                    raise MethodNotAllowed("this version is a delete marker")
                return stored
        raise NoSuchVersion(f"there is no version {version_id} of {key}")

    @deferred
    async def head(self, bucket: str, key: str, request: GetRequest) -> ObjectVersion:
        version = self._find(self._space(bucket), key, request.version_id).version
        check_read(request.condition, version)
        return version

    @deferred
    async def get(self, bucket: str, key: str, request: GetRequest) -> MemoryRead:
        stored = self._find(self._space(bucket), key, request.version_id)
        check_read(request.condition, stored.version)
        start, stop = resolve(request.range, stored.version.size)
        if self.trouble is not None and self.good < 0:
            raise self.trouble
        read = MemoryRead(stored, start, stop, self._piece, self.trouble, self.good)
        self.reads.append(read)
        return read

    @deferred
    async def delete(
        self, bucket: str, key: str, version_id: str | None, condition: WriteCondition
    ) -> Deleted:
        space = self._space(bucket)
        self._check_write(space, key, condition)
        versions = space.keys.get(key, [])
        if version_id is not None:
            named = [each for each in versions if _is(each.version, version_id)]
            removed = self._forget(space, key, named)
            return Deleted(version_id, removed is not None and removed.is_delete_marker, removed)
        if space.bucket.versioning is Versioning.OFF:
            return Deleted(removed=self._forget(space, key, versions))
        marker = evolve(self._version(space, key, "", 0), is_delete_marker=True)
        return Deleted(marker.version_id, True, self._push(space, Stored(marker, b"")))

    def _forget(self, space: Space, key: str, gone: list[Stored]) -> ObjectVersion | None:
        if not gone:
            return None
        left = [stored for stored in space.keys[key] if stored not in gone]
        if left:
            space.keys[key] = left
        else:
            del space.keys[key]
        return gone[0].version

    # -- listings -----------------------------------------------------------------------
    @deferred
    async def list_objects(
        self, bucket: str, prefix: str, delimiter: str, after: str, limit: int
    ) -> Listing:
        space = self._space(bucket)
        heads = (
            versions[0].version
            for key, versions in space.sorted()
            if key.encode() > after.encode() and self._head(space, key) is not None
        )
        return _page(heads, prefix, delimiter, after, limit)

    @deferred
    async def list_versions(
        self, bucket: str, prefix: str, delimiter: str, after: str, after_version: str, limit: int
    ) -> Listing:
        found = []
        for key, stored in self._space(bucket).sorted():
            versions = [
                evolve(each.version, is_latest=number == 0) for number, each in enumerate(stored)
            ]
            if key == after:
                place = [n for n, each in enumerate(versions) if _is(each, after_version)]
                versions = versions[place[0] + 1 :] if place else []
            if key.encode() >= after.encode():
                found += versions
        return _page(iter(found), prefix, delimiter, after, limit)

    @deferred
    async def locate(self, bucket: str, key: str, version_id: str | None) -> Located:
        stored = self._find(self._space(bucket), key, version_id)
        holders = (Holder("node-1", "127.0.0.1:8031", (0,)),) if stored.data else ()
        return Located(holders, complete=True)


def _is(version: ObjectVersion, version_id: str) -> bool:
    return version.version_id == version_id or (version_id == NULL_VERSION and version.is_null)


def _page(
    versions: Iterable[ObjectVersion], prefix: str, delimiter: str, after: str, limit: int
) -> Listing:
    shown: list[ObjectVersion] = []
    prefixes: list[str] = []
    last = ""
    for version in versions:
        if not version.key.startswith(prefix):
            continue
        rest = version.key[len(prefix) :]
        common = prefix + rest.partition(delimiter)[0] + delimiter if delimiter else ""
        if not delimiter or delimiter not in rest:
            common = ""
        if common and (common in prefixes or after.startswith(common)):
            continue
        if len(shown) + len(prefixes) == limit:
            return Listing(tuple(shown), tuple(prefixes), last)
        last = common or version.key
        if common:
            prefixes.append(common)
        else:
            shown.append(version)
    return Listing(tuple(shown), tuple(prefixes), None)
