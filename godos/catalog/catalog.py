"""The catalog: `ICatalog`, put together from its parts over one item store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from godos.catalog.amends import Amends
from godos.catalog.blobs import Blobs
from godos.catalog.bucket_changes import BucketChanges
from godos.catalog.buckets import Buckets
from godos.catalog.cluster_row import ClusterRow
from godos.catalog.collection import Collection
from godos.catalog.commits import Commits
from godos.catalog.completing import Completing
from godos.catalog.conditions import check_condition
from godos.catalog.deletes import Asked, Deletes
from godos.catalog.items import IItemStore
from godos.catalog.leases import Leases
from godos.catalog.listings import Listings
from godos.catalog.manifests import Manifests
from godos.catalog.members import Members
from godos.catalog.outbox import Outbox
from godos.catalog.parts import Parts
from godos.catalog.places import ObjectKey
from godos.catalog.repairs import Repairs
from godos.catalog.settings import Settings
from godos.catalog.upkeep import Upkeep
from godos.catalog.upload_ends import UploadEnds
from godos.catalog.upload_listings import UploadListings
from godos.catalog.uploads import Uploads
from godos.catalog.users import Users
from godos.catalog.versions import Versions
from godos.catalog.waste import WasteList
from godos.catalog.writing import Backoff, Writer
from godos.deferreds import deferred
from godos.model.blobs import Blob, Placed
from godos.model.catalog import BlobPage, Event, ICatalog, Removal, RepairWork, WastePage
from godos.model.errors import NoSuchKey, NoSuchVersion
from godos.model.members import ApiServer, Cluster, Node, NodeState
from godos.model.multipart import MultipartUpload, NewPart, Part, PartsPage, UploadsPage
from godos.model.names import new_id
from godos.model.policy import Policy
from godos.model.upkeep import Census, Job, Stray
from godos.model.users import User
from godos.model.versions import (
    UNCONDITIONAL,
    Attributes,
    Bucket,
    Deleted,
    Listing,
    NewVersion,
    ObjectVersion,
    Versioning,
    WriteCondition,
)

NOTHING = Listing((), (), None)
DYNAMODB_SETTLE = 10.0  # seconds: 2 of cache + 5 until abandoned < 10, with room to arrive


@implementer(ICatalog)
class Catalog:
    """
    Args:
        clock: pauses are taken on it, and its `seconds()` are since the epoch.
        settle: seconds that a change of a bucket waits for commits under way; 0 where the
            engine checks the bucket's row in each commit for nothing (see `buckets`).
        monotonic: seconds of a clock that never steps, for ages; with a test's clock, that.
        draw_id: 128 fresh random bits as 32 hex digits.
        random: for the jitter of pauses.
        shards: of the heads of buckets made from now on.
    """

    def __init__(
        self,
        items: IItemStore,
        clock: IReactorTime,
        settle: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        draw_id: Callable[[], str] = new_id,
        random: Random | None = None,
        shards: int = 1,
    ) -> None:
        backoff = Backoff(clock, Random() if random is None else random)
        writer = Writer(items, backoff, clock, monotonic, draw_id)
        self._shards = shards
        self._versions = Versions(items)
        self._buckets = Buckets(items, writer, monotonic, draw_id, settle)
        self._changes = BucketChanges(items, writer, backoff, self._buckets, clock, draw_id, settle)
        self._settings = Settings(items, writer, backoff, self._buckets, monotonic, draw_id)
        self._outbox = Outbox(items, writer, clock, draw_id)
        self._commits = Commits(
            items, writer, backoff, self._buckets, self._versions, self._outbox, clock
        )
        self._deletes = Deletes(
            writer,
            backoff,
            self._buckets,
            self._versions,
            self._commits,
            self._outbox,
            clock,
            draw_id,
        )
        self._amends = Amends(writer, backoff, self._buckets, self._versions, self._outbox, draw_id)
        self._listings = Listings(items, self._versions)
        self._uploads = Uploads(items, writer, backoff, self._buckets, clock, draw_id)
        self._upload_listings = UploadListings(items)
        self._parts = Parts(items, writer, backoff, self._buckets, clock)
        self._manifests = Manifests(items, writer, clock, draw_id)
        self._completing = Completing(
            self._commits, self._uploads, self._parts, self._manifests, clock, draw_id
        )
        self._repairs = Repairs(items, writer, clock, draw_id)
        self._blobs = Blobs(items, writer, self._repairs, draw_id)
        self._waste = WasteList(items, self._manifests)
        self._collection = Collection(items, writer, self._manifests, clock, draw_id)
        self._upload_ends = UploadEnds(
            items, writer, self._uploads, self._manifests, clock, draw_id
        )
        self._users = Users(items, writer, draw_id)
        self._upkeep = Upkeep(items, writer, backoff, clock, draw_id)
        self._cluster = ClusterRow(items, writer, backoff, clock, draw_id)
        self._members = Members(items, writer, backoff, clock, draw_id)
        self._leases = Leases(items, writer, monotonic, draw_id)

    # -- the cluster --------------------------------------------------------------------
    @deferred
    async def cluster(self) -> Cluster:
        return await self._cluster.cluster()

    @deferred
    async def initialise(self, policy: str) -> Cluster:
        return await self._cluster.initialise(policy)

    # -- buckets ------------------------------------------------------------------------
    @deferred
    async def create_bucket(self, name: str, owner: str, object_lock: bool = False) -> Bucket:
        return await self._changes.create(name, owner, object_lock, self._shards)

    def bucket(self, name: str) -> Deferred[Bucket]:
        # Each request asks for it several times, and a coroutine costs ten times as much.
        known = self._buckets.known(name)
        return self._bucket(name) if known is None else succeed(known.bucket)

    @deferred
    async def _bucket(self, name: str) -> Bucket:
        return (await self._buckets.cached(name)).bucket

    @deferred
    async def buckets(self) -> Sequence[Bucket]:
        return await self._buckets.all()

    @deferred
    async def delete_bucket(self, name: str) -> None:
        await self._changes.delete(name)

    @deferred
    async def set_versioning(self, name: str, versioning: Versioning) -> Bucket:
        return await self._changes.set_versioning(name, versioning)

    @deferred
    async def enable_object_lock(self, name: str) -> Bucket:
        return await self._changes.enable_object_lock(name)

    def settings(self, bucket: Bucket) -> Deferred[Mapping[str, Any]]:
        known = self._settings.known(bucket)  # as for `bucket`
        return self._all_settings(bucket) if known is None else succeed(known)

    @deferred
    async def _all_settings(self, bucket: Bucket) -> Mapping[str, Any]:
        return await self._settings.all(bucket)

    @deferred
    async def set_setting(self, bucket: Bucket, setting: str, document: Any) -> None:
        await self._settings.set(bucket, setting, document)

    # -- objects ------------------------------------------------------------------------
    @deferred
    async def head(self, bucket: Bucket, key: str) -> ObjectVersion:
        try:
            return await self._versions.latest(ObjectKey(bucket, key))
        except NoSuchKey:
            remade = await self._buckets.remade(bucket)
            if remade is None:
                raise
        return await self._versions.latest(ObjectKey(remade, key))

    @deferred
    async def version(self, bucket: Bucket, key: str, version_id: str) -> ObjectVersion:
        try:
            return await self._versions.version(ObjectKey(bucket, key), version_id)
        except NoSuchVersion:
            remade = await self._buckets.remade(bucket)
            if remade is None:
                raise
        return await self._versions.version(ObjectKey(remade, key), version_id)

    @deferred
    async def commit(
        self,
        bucket: Bucket,
        key: str,
        new: NewVersion,
        condition: WriteCondition = UNCONDITIONAL,
    ) -> ObjectVersion:
        return await self._commits.commit(
            bucket, key, new, partial(check_condition, condition, key)
        )

    @deferred
    async def delete(
        self,
        bucket: Bucket,
        key: str,
        version_id: str | None = None,
        condition: WriteCondition = UNCONDITIONAL,
        bypass_governance: bool = False,
        expired: bool = False,
    ) -> Deleted:
        asked = Asked(condition, bypass_governance, expired)
        return await self._deletes.delete(bucket, key, version_id, asked)

    @deferred
    async def amend(
        self,
        bucket: Bucket,
        key: str,
        version_id: str | None,
        change: Callable[[ObjectVersion], Attributes],
        event: str = "",
    ) -> ObjectVersion:
        try:
            return await self._amends.amend(bucket, key, version_id, change, event)
        except (NoSuchKey, NoSuchVersion):
            remade = await self._buckets.remade(bucket)
            if remade is None:
                raise
        return await self._amends.amend(remade, key, version_id, change, event)

    @deferred
    async def list_objects(
        self,
        bucket: Bucket,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> Listing:
        found = await self._listings.objects(bucket, prefix, delimiter, after, limit)
        if found == NOTHING and (remade := await self._buckets.remade(bucket)) is not None:
            return await self._listings.objects(remade, prefix, delimiter, after, limit)
        return found

    @deferred
    async def list_versions(
        self,
        bucket: Bucket,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        after_version: str = "",
        limit: int = 1000,
    ) -> Listing:
        rest = prefix, delimiter, after, after_version, limit
        found = await self._listings.versions(bucket, *rest)
        if found == NOTHING and (remade := await self._buckets.remade(bucket)) is not None:
            return await self._listings.versions(remade, *rest)
        return found

    # -- uploads in parts ---------------------------------------------------------------
    @deferred
    async def create_upload(self, bucket: Bucket, upload: MultipartUpload) -> MultipartUpload:
        return await self._uploads.create(bucket, upload)

    @deferred
    async def upload(self, bucket: Bucket, key: str, upload_id: str) -> MultipartUpload:
        return await self._uploads.get(bucket, key, upload_id)

    @deferred
    async def put_part(self, upload: MultipartUpload, bucket: Bucket, new: NewPart) -> Part:
        return await self._parts.put(upload, bucket, new)

    @deferred
    async def parts(self, upload: MultipartUpload, after: int = 0, limit: int = 1000) -> PartsPage:
        return await self._parts.page(upload, after, limit)

    @deferred
    async def complete(
        self,
        bucket: Bucket,
        upload: MultipartUpload,
        parts: Sequence[Part],
        new: NewVersion,
        condition: WriteCondition = UNCONDITIONAL,
    ) -> ObjectVersion:
        return await self._completing.complete(bucket, upload, parts, new, condition)

    @deferred
    async def abort(self, bucket: Bucket, upload: MultipartUpload) -> None:
        await self._uploads.abort(bucket, upload)

    @deferred
    async def uploads(
        self,
        bucket: Bucket,
        prefix: str = "",
        delimiter: str = "",
        after: tuple[str, str] = ("", ""),
        limit: int = 1000,
    ) -> UploadsPage:
        return await self._upload_listings.page(bucket, prefix, delimiter, after, limit)

    @deferred
    async def manifest(self, manifest: str) -> Sequence[Part]:
        return await self._manifests.parts(manifest)

    # -- users ----------------------------------------------------------------------------
    @deferred
    async def users(self) -> Sequence[User]:
        return await self._users.all()

    @deferred
    async def put_user(self, user: User) -> User:
        return await self._users.put(user)

    @deferred
    async def remove_user(self, user: User) -> None:
        await self._users.remove(user)

    # -- the outbox -----------------------------------------------------------------------
    @deferred
    async def events(self, shard: int, limit: int = 100, after: bytes = b"") -> Sequence[Event]:
        return await self._outbox.events(shard, limit, after)

    @deferred
    async def told(self, event: Event, configurations: Sequence[str]) -> None:
        await self._outbox.told(event, configurations)

    @deferred
    async def delivered(self, events: Sequence[Event]) -> None:
        await self._outbox.delivered(events)

    # -- blobs --------------------------------------------------------------------------
    @deferred
    async def blob(self, incarnation: str) -> Blob | None:
        return await self._blobs.blob(incarnation)

    @deferred
    async def correct_layout(self, blob: Blob, layout: tuple[Placed, ...]) -> Blob | None:
        return await self._blobs.correct_layout(blob, layout)

    @deferred
    async def converted(
        self, blob: Blob, policy: Policy, layout: tuple[Placed, ...]
    ) -> Blob | None:
        return await self._blobs.converted(blob, policy, layout)

    @deferred
    async def content(self, size: int, sha256: str, codec: str, policy: Policy) -> Blob | None:
        return await self._blobs.content(size, sha256, codec, policy)

    @deferred
    async def blobs(self, cursor: str | None = None, limit: int = 1000) -> BlobPage:
        return await self._blobs.page(cursor, limit)

    @deferred
    async def want_repair(self, incarnation: str, reason: str) -> None:
        await self._repairs.want(incarnation, reason)

    @deferred
    async def repairs(self, limit: int = 1000) -> Sequence[RepairWork]:
        return await self._repairs.waiting(limit)

    @deferred
    async def repaired(self, work: RepairWork) -> bool:
        return await self._repairs.done(work)

    @deferred
    async def waiting_repairs(self) -> int:
        return await self._repairs.count()

    @deferred
    async def removals(self, grace: float, limit: int = 100) -> Sequence[Removal]:
        found = await self._collection.removals(grace, limit)
        await self._upload_ends.round()
        return found

    @deferred
    async def removed(self, removal: Removal) -> None:
        await self._collection.removed(removal)

    @deferred
    async def waste(self, cursor: str | None = None, limit: int = 1000) -> WastePage:
        return await self._waste.page(cursor, limit)

    # -- upkeep ----------------------------------------------------------------------------
    @deferred
    async def census(self) -> Census | None:
        return await self._upkeep.census()

    @deferred
    async def put_census(self, census: Census) -> None:
        await self._upkeep.put_census(census)

    @deferred
    async def jobs(self) -> Sequence[Job]:
        return await self._upkeep.jobs()

    @deferred
    async def put_job(self, job: Job) -> Job | None:
        return await self._upkeep.put_job(job)

    @deferred
    async def strays(self, node: str, after: str = "", limit: int = 1000) -> Sequence[Stray]:
        return await self._upkeep.strays(node, after, limit)

    @deferred
    async def put_stray(self, stray: Stray) -> None:
        await self._upkeep.put_stray(stray)

    @deferred
    async def remove_stray(self, stray: Stray) -> None:
        await self._upkeep.remove_stray(stray)

    @deferred
    async def confirm_epoch(self, epoch: int) -> Cluster:
        return await self._cluster.confirm_epoch(epoch)

    # -- members ------------------------------------------------------------------------
    @deferred
    async def claim_node(self, node: Node) -> Node:
        return await self._members.claim_node(node)

    @deferred
    async def update_node(self, node: Node) -> Node | None:
        return await self._members.update_node(node)

    @deferred
    async def set_node_state(self, node_id: str, state: NodeState, reason: str = "") -> Node:
        return await self._members.set_node_state(node_id, state, reason)

    @deferred
    async def node(self, node_id: str) -> Node | None:
        return await self._members.node(node_id)

    @deferred
    async def nodes(self) -> Sequence[Node]:
        return await self._members.nodes()

    @deferred
    async def remove_node(self, node: Node) -> None:
        await self._members.remove_node(node)

    @deferred
    async def beat_api(self, server: ApiServer) -> None:
        await self._members.beat_api(server)

    @deferred
    async def apis(self) -> Sequence[ApiServer]:
        return await self._members.apis()

    @deferred
    async def remove_api(self, server_id: str) -> None:
        await self._members.remove_api(server_id)

    # -- leases -------------------------------------------------------------------------
    @deferred
    async def try_lease(self, what: str, holder: str, patience: float) -> bool:
        return await self._leases.try_lease(what, holder, patience)
