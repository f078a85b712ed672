"""What `godos state rebuild` does: fragments are read, and rows made of what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import define, evolve, field

from godos.catalog.rebuilding import Rebuilding, Recovered, StoredPart, Tally, fixed_id
from godos.deferreds import WorkerPool, deferred
from godos.model.blobs import FragmentHeader
from godos.model.catalog import ICatalog
from godos.model.encryption import Cipher, IKeys
from godos.model.errors import CannotStart, NoSuchEncryptionKey
from godos.model.members import Cluster, Node
from godos.model.multipart import Part
from godos.model.names import FragmentName, new_id
from godos.model.versions import Attributes, Bucket, ObjectVersion, Versioning
from godos.objects.completion import etag_of
from godos.service.identity import FIRST_BUCKET
from godos.service.pools import stop_pool
from godos.service.state import OpenCatalog
from godos.service.values import State
from godos.storage.gathered import Gathered, Stored
from godos.storage.opening import Machinery, Wanted, open_store
from godos.storage.origins import Origin, Unreadable, read_origin, walk_headers
from godos.web.access import ANONYMOUS

NOWHERE = "127.0.0.1:0"  # the address of a node until its server is started
CUSTOMERS = "are encrypted with keys of customers, which nobody else has"
_THREADS = 4

Say = Callable[[str], object]


@define
class Report:
    """What was found, and what became of it."""

    cluster: Cluster
    fragments: int = 0
    damaged: int = 0  # fragments that do not even say what they are
    silent: Mapping[str, int] = field(factory=dict)  # why blobs tell nothing -> how many
    former: dict[str, int] = field(factory=dict)  # bucket -> blobs of one of that name before
    tally: Tally = field(factory=Tally)


@deferred
async def rebuild(
    reactor: Any, where: State, folders: Sequence[Path], policy: str, keys: IKeys, say: Say
) -> Report:
    """
    Add what the fragments in storage folders tell to an empty or partly rebuilt catalog.

    Args:
        policy: of the cluster; what it was is not known.
        keys: open origin blocks that are sealed.
        say: told, line by line, how far it is.

    Fails:
        CannotStart: a folder is in use, or none, or of another cluster; or the catalog is
            in use.
    """
    pool = WorkerPool(reactor, "disk", _THREADS)
    pool.start()
    catalog = OpenCatalog(reactor, where)
    stores: list[Any] = []
    try:
        for folder in folders:
            wanted = Wanted(str(folder))
            stores.append(await open_store(wanted, Machinery(pool, reactor.callFromThread)))
        cluster_id = _cluster_of(stores)
        await catalog.create()
        await catalog.open()
        rows = Rebuilding(catalog.items(), reactor, _size_and_etag)
        cluster = await rows.begin(cluster_id, policy)
        report = Report(cluster, tally=rows.tally)
        with TemporaryDirectory(prefix="godos-rebuild-") as aside:
            gathered = Gathered(f"{aside}/gathered")
            try:
                await _Reading(gathered, keys, report, say).run(stores)
                await _Writing(gathered, rows, report, reactor.seconds(), say).run()
            finally:
                gathered.close()
        await _register(catalog.get(), stores)
        return report
    finally:
        await catalog.close()
        for store in stores:
            await store.close()
        await stop_pool(reactor, pool)


def _cluster_of(stores: Sequence[Any]) -> str:
    """Raises CannotStart: they are not of one cluster."""
    found = {store.identity.cluster: store.directory for store in stores}
    if None in found:
        raise CannotStart(f"{found[None]} belongs to no cluster: nothing was ever stored in it")
    if len(found) > 1:
        raise CannotStart(f"{' and '.join(found.values())} belong to different clusters")
    return str(next(iter(found)))


def _size_and_etag(parts: Sequence[Part]) -> tuple[int, str]:
    return sum(part.size for part in parts), etag_of(parts)


async def _register(catalog: ICatalog, stores: Sequence[Any]) -> None:
    """The nodes are known, and silent until their servers are started."""
    for store in stores:
        if await catalog.node(store.node_id) is None:
            room = await store.room()
            row = Node(store.node_id, new_id(), NOWHERE, "", room.capacity, room.free)
            await catalog.claim_node(row)


@define
class _Reading:
    """Asks all fragments where they belong."""

    gathered: Gathered
    keys: IKeys
    report: Report
    say: Say

    async def run(self, stores: Sequence[Any]) -> None:
        for store in stores:
            before = self.report.fragments

            async def found(header: FragmentHeader, node: str = store.node_id) -> None:
                await self._found(node, header)

            await walk_headers(store, found, self._lost)
            read = self.report.fragments - before
            self.say(f"{store.directory}: node {store.node_id}, {read} fragments")
        self.report.silent = self.gathered.silent()

    async def _found(self, node: str, header: FragmentHeader) -> None:
        self.report.fragments += 1
        incarnation = header.name.incarnation
        if self.gathered.add(node, header):
            return
        try:
            self.gathered.tell(incarnation, await read_origin(header, self._key))
        except Unreadable as why:
            self.gathered.is_silent(incarnation, str(why))

    def _lost(self, _name: FragmentName, _why: str) -> None:
        self.report.damaged += 1

    async def _key(self, descriptor: Mapping[str, Any]) -> bytes | None:
        if descriptor.get("cipher") == Cipher.CUSTOMER:
            raise Unreadable(CUSTOMERS)
        try:
            opened = await self.keys.open(descriptor, None)
        except NoSuchEncryptionKey:
            return None
        secret: bytes = opened.secret
        return secret


@define
class _Writing:
    """Makes buckets and objects of what was gathered."""

    gathered: Gathered
    rows: Rebuilding
    report: Report
    now: float
    say: Say

    async def run(self) -> None:
        ids: dict[str, list[str]] = defaultdict(list)  # newest first
        since: dict[str, float] = {}
        for name, bucket_id, first, _last in self.gathered.buckets():
            ids[name].append(bucket_id)
            since[bucket_id] = first
        for name, found in ids.items():
            bucket = await self._bucket(name, found, since)
            await self._objects(bucket)
            former = sum(self.gathered.count(other) for other in found if other != bucket.id)
            if former:
                self.report.former[name] = former
        if await self.rows.bucket(FIRST_BUCKET) is None:
            await self.rows.put_bucket(
                Bucket(FIRST_BUCKET, _placeholder(FIRST_BUCKET), ANONYMOUS.id, self.now)
            )
        await self.rows.flush()

    async def _bucket(self, name: str, found: Sequence[str], since: Mapping[str, float]) -> Bucket:
        """The bucket of that name: what stands, else the one that was used last."""
        standing = await self.rows.bucket(name)
        if standing is None:
            return await self._new_bucket(name, found[0], since[found[0]], "")
        if standing.id == _placeholder(name) and await self.rows.is_empty(standing):
            return await self._new_bucket(name, found[0], since[found[0]], standing.rev)
        versioning, _owner = self._settings(standing.id)
        if standing.versioning is Versioning.OFF and versioning is not Versioning.OFF:
            return await self.rows.put_bucket(evolve(standing, versioning=versioning))
        return standing

    async def _new_bucket(self, name: str, bucket_id: str, since: float, rev: str) -> Bucket:
        versioning, owner = self._settings(bucket_id)
        made = Bucket(name, bucket_id, owner, since, versioning, rev=rev)
        return await self.rows.put_bucket(made)

    def _settings(self, bucket_id: str) -> tuple[Versioning, str]:
        """Versioning and owner, as what was stored last knew them."""
        versioning, owner = Versioning.OFF, ""
        for origin in self.gathered.newest_origins(bucket_id):
            owner = owner or origin.bucket_owner
            if versioning is Versioning.OFF and origin.versioning:
                versioning = Versioning(origin.versioning)
            if owner and versioning is not Versioning.OFF:
                break
        return versioning, owner or ANONYMOUS.id

    async def _objects(self, bucket: Bucket) -> None:
        done = 0
        for key in self.gathered.keys(bucket.name, bucket.id):
            found = self.gathered.of_key(bucket.name, bucket.id, key)
            await self.rows.add(bucket, key, _recovered(found))
            done += 1
        self.say(f"bucket {bucket.name}: {done} names")


def _placeholder(name: str) -> str:
    """The id of a bucket that stands there so that there is one."""
    return fixed_id("bucket", name)


def _recovered(found: Sequence[Stored]) -> list[Recovered]:
    """The versions of one key, and what there is of uploads in parts."""
    whole = [each for each in found if not each.origin.upload]
    uploads: dict[str, list[Stored]] = defaultdict(list)
    for each in found:
        if each.origin.upload:
            uploads[each.origin.upload].append(each)
    return [
        *map(_object, whole),
        *(_upload(upload, parts) for upload, parts in uploads.items()),
    ]


def _object(found: Stored) -> Recovered:
    incarnation = found.blob.incarnation
    version = _version(found.origin, fixed_id("object", incarnation))
    return Recovered(evolve(version, incarnation=incarnation), found.blob)


def _upload(upload: str, found: Sequence[Stored]) -> Recovered:
    """Of parts with one number the latest counts; `found` is in order of time."""
    parts = {each.origin.part: StoredPart(_part(each), each.blob) for each in found}
    version = _version(found[-1].origin, fixed_id("upload", upload))
    manifest = fixed_id("manifest", upload)
    return Recovered(evolve(version, manifest=manifest, checksums={}), upload=upload, parts=parts)


def _part(found: Stored) -> Part:
    origin, incarnation = found.origin, found.blob.incarnation
    return Part(
        number=origin.part,
        size=origin.size,
        etag=origin.etag,
        incarnation=incarnation,
        reference=fixed_id("part", incarnation),
        modified=origin.modified,
        checksums=origin.checksums,
    )


def _version(origin: Origin, reference: str) -> ObjectVersion:
    return ObjectVersion(
        bucket=origin.bucket,
        key=origin.key,
        version_id="",
        seq=0,
        etag=origin.etag,
        size=origin.size,
        modified=origin.modified,
        incarnation=None,
        reference=reference,
        rev="",
        is_null=origin.versioning != Versioning.ENABLED,
        attributes=Attributes(
            headers=origin.headers,
            metadata=origin.metadata,
            owner=origin.owner,
            tags=origin.tags,
            storage_class=origin.storage_class,
            encryption=origin.encryption,
        ),
        checksums=origin.checksums,
    )
