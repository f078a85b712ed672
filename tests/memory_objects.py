"""`IObjects` in memory: the same promises, with a shorter memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import md5
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.encryption import Cipher
from godos.model.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    GodosError,
    InvalidBucketState,
    InvalidPartNumber,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchBucket,
    NotModified,
    PreconditionFailed,
)
from godos.model.locating import Holder, Located
from godos.model.multipart import Part
from godos.model.names import new_id
from godos.model.objects import (
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    IObjectRead,
    IObjects,
    Permit,
    PutRequest,
)
from godos.model.versions import (
    NULL_VERSION,
    Bucket,
    Deleted,
    Listing,
    Lock,
    ObjectVersion,
    Versioning,
)
from godos.objects.defaults import default_encryption, with_retention
from godos.protocol.object_lock import check_change
from godos.protocol.preconditions import check_read, resolve
from tests.memory_space import (
    Space,
    Stored,
    amended,
    check_condition_of_delete,
    check_key,
    descriptor,
    is_named,
    verified,
)
from tests.memory_uploads import ANY_SIZE, MemoryUploads


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
        part: Part | None = None,
    ) -> None:
        self.version, self.start, self.stop, self.part = stored.version, start, stop, part
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


@implementer(IObjects)
class MemoryObjects(MemoryUploads):
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
    async def create_bucket(self, name: str, owner: str, object_lock: bool = False) -> Bucket:
        if name in self._spaces:
            if self._spaces[name].bucket.owner == owner:
                raise BucketAlreadyOwnedByYou(f"you have the bucket {name}")
            raise BucketAlreadyExists(f"somebody else has the bucket {name}")
        versioning = Versioning.ENABLED if object_lock else Versioning.OFF
        made = Bucket(name, new_id(), owner, self._now(), versioning, object_lock=object_lock)
        self._spaces[name] = Space(made)
        return made

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
        if space.bucket.object_lock and versioning is not Versioning.ENABLED:
            raise InvalidBucketState("a bucket with object lock keeps its versions")
        space.bucket = evolve(space.bucket, versioning=versioning)
        return space.bucket

    @deferred
    async def enable_object_lock(self, name: str) -> Bucket:
        space = self._space(name)
        if space.bucket.versioning is not Versioning.ENABLED:
            raise InvalidBucketState("object lock needs versioning")
        space.bucket = evolve(space.bucket, object_lock=True)
        return space.bucket

    @deferred
    async def settings(self, name: str) -> Mapping[str, Any]:
        return dict(self._space(name).settings)

    @deferred
    async def set_setting(self, name: str, setting: str, document: Any) -> None:
        settings = self._space(name).settings
        settings.pop(setting, None)
        if document is not None:
            settings[setting] = document

    def _space(self, name: str) -> Space:
        if name not in self._spaces:
            raise NoSuchBucket(f"there is no bucket {name}")
        return self._spaces[name]

    # -- objects ------------------------------------------------------------------------
    @deferred
    async def put(self, bucket: str, key: str, body: IBody, request: PutRequest) -> ObjectVersion:
        request = self._with_defaults(bucket, request)
        self._space(bucket).check_write(key, request.condition)
        self._space(bucket).check_quota(key, body.length or 0, 1)
        data = b"".join(await body.collect(ANY_SIZE))
        checksums = verified(data, request)
        return self._put(bucket, key, data, request, checksums)

    def _with_defaults(self, bucket: str, request: PutRequest) -> PutRequest:
        space = self._space(bucket)
        return evolve(
            request,
            attributes=with_retention(
                request.attributes, space.bucket, space.settings, self._now()
            ),
            encryption=request.encryption or default_encryption(space.settings),
        )

    def _put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        request: PutRequest,
        checksums: Mapping[str, str],
    ) -> ObjectVersion:
        space, encryption = self._space(bucket), request.encryption
        space.check_write(key, request.condition)
        opaque = encryption is not None and encryption.cipher is not Cipher.S3
        etag = md5(b"opaque" + data if opaque else data).hexdigest()
        version = evolve(
            self._version(space, key, etag, len(data)),
            attributes=evolve(request.attributes, encryption=descriptor(encryption)),
            checksums=checksums,
        )
        space.push(Stored(version, data))
        return version

    def _version(self, space: Space, key: str, etag: str, size: int) -> ObjectVersion:
        versions = space.keys.get(key)
        null = space.bucket.versioning is not Versioning.ENABLED
        return ObjectVersion(
            bucket=space.bucket.name,
            key=key,
            version_id=NULL_VERSION if null else new_id(),
            seq=versions[0].version.seq + 1 if versions else 1,
            etag=etag,
            size=size,
            modified=self._now(),
            incarnation=new_id() if size else None,
            reference=new_id(),
            rev=new_id(),
            is_null=null,
        )

    def _find(self, bucket: str, key: str, request: GetRequest) -> Stored:
        stored = self._space(bucket).find(key, request.version_id)
        request.permit(stored.version)
        if not request.attributes_only:
            check_key(stored.version.attributes.encryption, request.customer_key)
        check_read(request.condition, stored.version)
        return stored

    @deferred
    async def head(self, bucket: str, key: str, request: GetRequest) -> ObjectVersion:
        return self._find(bucket, key, request).version

    @deferred
    async def get(self, bucket: str, key: str, request: GetRequest) -> MemoryRead:
        stored = self._find(bucket, key, request)
        part, first, size = None, 0, stored.version.size
        if request.part is not None:
            part, first, size = _part(stored, request.part)
        start, stop = resolve(request.range, size)
        if self.trouble is not None and self.good < 0:
            raise self.trouble
        ends = first + start, first + stop
        read = MemoryRead(stored, *ends, self._piece, self.trouble, self.good, part)
        self.reads.append(read)
        return read

    @deferred
    async def copy(
        self, source: CopySource, bucket: str, key: str, request: CopyRequest
    ) -> tuple[ObjectVersion, ObjectVersion]:
        self._space(bucket)
        version, data = self._source(source)
        asked = PutRequest(
            request.attributes(version),
            condition=request.condition,
            checksum=request.checksum or next(iter(version.checksums), ""),
            encryption=request.encryption,
        )
        asked = self._with_defaults(bucket, asked)
        self._space(bucket).check_quota(key, len(data), 1)
        checksums = verified(data, asked)
        return version, self._put(bucket, key, data, asked, checksums)

    def _source(self, source: CopySource) -> tuple[ObjectVersion, bytes]:
        try:
            stored = self._find(source.bucket, source.key, source.request)
        except NotModified as same:
            raise PreconditionFailed("the source is the one that the client has") from same
        except MethodNotAllowed as marker:
            raise InvalidRequest("the source is a delete marker") from marker
        return stored.version, stored.data

    @deferred
    async def delete(self, bucket: str, key: str, request: DeleteRequest) -> Deleted:
        space, version_id = self._space(bucket), request.version_id
        space.check_write(key, request.condition)
        versions = space.keys.get(key, [])
        head = versions[0].version if versions else None
        check_condition_of_delete(head, request.condition)
        now, bypass = self._now(), request.bypass_governance
        if version_id is not None:
            named = [each for each in versions if is_named(each.version, version_id)]
            removed = space.forget(key, named, now, bypass)
            return Deleted(version_id, removed is not None and removed.is_delete_marker, removed)
        if space.bucket.versioning is Versioning.OFF:
            return Deleted(removed=space.forget(key, versions, now, bypass))
        marker = evolve(self._version(space, key, "", 0), is_delete_marker=True)
        return Deleted(marker.version_id, True, space.push(Stored(marker, b"")))

    # -- what can be changed of a version ---------------------------------------------------
    @deferred
    async def set_tags(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        tags: Mapping[str, str],
        permit: Permit,
    ) -> ObjectVersion:
        return self._amend(bucket, key, version_id, permit, lambda _: {"tags": dict(tags)})

    @deferred
    async def set_acl(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        acl: Callable[[ObjectVersion], Mapping[str, Any] | None],
        permit: Permit,
    ) -> ObjectVersion:
        return self._amend(bucket, key, version_id, permit, lambda found: {"acl": acl(found)})

    @deferred
    async def set_lock(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        change: Callable[[Lock], Lock],
        bypass_governance: bool,
        permit: Permit,
    ) -> ObjectVersion:
        if not self._space(bucket).bucket.object_lock:
            raise InvalidRequest("the bucket has no object lock")

        def changed(version: ObjectVersion) -> dict[str, Any]:
            old = version.attributes.lock
            new = change(old)
            check_change(old, new, self._now(), bypass_governance)
            return {"lock": new}

        return self._amend(bucket, key, version_id, permit, changed)

    def _amend(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        permit: Permit,
        change: Callable[[ObjectVersion], dict[str, Any]],
    ) -> ObjectVersion:
        stored = self._space(bucket).find(key, version_id)
        permit(stored.version)
        changes = change(stored.version)
        stored.version = evolve(amended(stored.version, **changes), rev=new_id())
        return stored.version

    # -- listings -----------------------------------------------------------------------
    @deferred
    async def list_objects(
        self, bucket: str, prefix: str, delimiter: str, after: str, limit: int
    ) -> Listing:
        space = self._space(bucket)
        heads = (
            versions[0].version
            for key, versions in space.sorted()
            if key.encode() > after.encode() and space.head(key) is not None
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
                place = [n for n, each in enumerate(versions) if is_named(each, after_version)]
                versions = versions[place[0] + 1 :] if place else []
            if key.encode() >= after.encode():
                found += versions
        return _page(iter(found), prefix, delimiter, after, limit)

    @deferred
    async def locate(self, bucket: str, key: str, version_id: str | None) -> Mapping[str, Located]:
        stored = self._space(bucket).find(key, version_id)
        there = Located((Holder("node-1", "127.0.0.1:8031", (0,)),), complete=True)
        found = [part.incarnation for part in stored.parts] or [stored.version.incarnation]
        return {incarnation: there for incarnation in found if incarnation is not None}


def _part(stored: Stored, number: int) -> tuple[Part | None, int, int]:
    """The part of this number, where it begins, and its size."""
    if not stored.parts and number == 1:
        return None, 0, stored.version.size
    start = 0
    for part in stored.parts:
        if part.number == number:
            return part, start, part.size
        start += part.size
    raise InvalidPartNumber(f"the object has no part {number}")


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
