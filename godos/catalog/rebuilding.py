"""
A catalog out of what fragments say: docs/rebuild.rst.

Ids follow from what was found, so that the same fragments found twice make the same rows, and
what other disks add later joins what is there.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from random import Random

from attrs import define, evolve, frozen
from twisted.internet.interfaces import IReactorTime

from godos.catalog.bulk import write_in_bulk
from godos.catalog.items import Absent, Action, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.manifests import Manifests
from godos.catalog.places import (
    META,
    ObjectKey,
    blob_place,
    bucket_place,
    content_place,
    head_partitions,
    part_key,
    reference_place,
)
from godos.catalog.plans import indexed, wanted_repair
from godos.catalog.rebuilt_keys import KeyPlan
from godos.catalog.records import (
    blob_item,
    blob_of,
    bucket_item,
    bucket_of,
    cluster_item,
    cluster_of,
    fields,
    row,
)
from godos.catalog.upload_records import of_listed, to_listed
from godos.catalog.versions import Versions
from godos.catalog.writing import Backoff, Writer
from godos.model.blobs import Blob, BlobState, shareable
from godos.model.errors import CannotStart, ClusterMismatch, Conflict
from godos.model.members import Cluster
from godos.model.multipart import Part
from godos.model.names import new_id
from godos.model.versions import Bucket, ObjectVersion

_REBUILT = META[0], b"rebuilt"  # stands in a catalog that was made of fragments
_EPOCH = 2  # of such a catalog: it knows less than the disks do
_ACTIONS = 80  # that are written together


def fixed_id(kind: str, of: str) -> str:
    """32 hex digits that are always the same for the same thing."""
    return sha256(f"rebuilt {kind} {of}".encode()).hexdigest()[:32]


@frozen
class StoredPart:
    """A part and its bytes."""

    part: Part
    blob: Blob


@frozen
class Recovered:
    """
    A version that fragments tell of: its bytes are `blob`, or `parts`, by number.

    Of `version` seq and version id are not known yet.
    """

    version: ObjectVersion
    blob: Blob | None = None
    upload: str = ""
    parts: Mapping[int, StoredPart] | None = None


@define
class Tally:
    """What was written."""

    versions: int = 0  # that are new
    bytes: int = 0  # of theirs
    completed: int = 0  # blobs that were known and of which more fragments were found
    overwritten: int = 0  # that newer ones of their name had replaced
    unfinished: int = 0  # uploads of which parts are missing
    below_target: int = 0  # blobs


class Rebuilding:
    """
    Adds to a catalog that no server uses.

    Args:
        size_and_etag: of an object made of these parts.
    """

    def __init__(
        self,
        items: IItemStore,
        clock: IReactorTime,
        size_and_etag: Callable[[Sequence[Part]], tuple[int, str]],
        draw_id: Callable[[], str] = new_id,
    ) -> None:
        self._items, self._clock, self._draw_id = items, clock, draw_id
        self._size_and_etag = size_and_etag
        self._writer = Writer(items, Backoff(clock, Random()), clock, time.monotonic, draw_id)
        self._versions = Versions(items)
        self._manifests = Manifests(items, self._writer, clock, draw_id)
        self._waiting: list[Sequence[Action]] = []
        self.tally = Tally()

    # -- the cluster ----------------------------------------------------------------------
    async def begin(self, cluster_id: str, policy: str) -> Cluster:
        """
        Make an empty catalog that cluster's again, with a new secret; or go on with one.

        Raises:
            ClusterMismatch: it is another cluster's.
            CannotStart: it was not made of fragments, or is in full use since.
        """
        standing = await self._items.get(*META)
        if standing is None:
            return await self._begun(cluster_id, policy)
        cluster = cluster_of(standing)
        if cluster.id != cluster_id:
            raise ClusterMismatch(
                f"the storage belongs to cluster {cluster_id}, and the catalog to {cluster.id}"
            )
        if await self._items.get(*_REBUILT) is None:
            raise CannotStart(
                "the catalog is there and was not rebuilt from fragments: only an empty one, or "
                "one that `godos state rebuild` began, is added to"
            )
        if cluster.confirmed >= cluster.epoch:
            raise CannotStart(
                f"epoch {cluster.epoch} was confirmed: this catalog is taken for complete, and "
                "nothing is added to it any more"
            )
        return cluster

    async def _begun(self, cluster_id: str, policy: str) -> Cluster:
        now, operation = self._clock.seconds(), self._draw_id()
        made = Cluster(cluster_id, secrets.token_hex(32), policy, _EPOCH, now)
        mark = row(*_REBUILT, operation, t=now)
        await self._write([Put(cluster_item(made, operation), Absent()), Put(mark)])
        return made

    async def bucket(self, name: str) -> Bucket | None:
        """As it stands."""
        item = await self._items.get(*bucket_place(name))
        return None if item is None else bucket_of(item)

    async def put_bucket(self, bucket: Bucket) -> Bucket:
        """Write a bucket that is new, or whose versioning was not known."""
        condition = RevIs(bucket.rev) if bucket.rev else Absent()
        written = evolve(bucket, rev=self._draw_id())
        await self._write([Put(bucket_item(written), condition)])
        return written

    async def is_empty(self, bucket: Bucket) -> bool:
        """Whether no object is in it."""
        for partition in head_partitions(bucket):
            if (await self._items.query(partition, limit=1)).items:
                return False
        return True

    # -- objects --------------------------------------------------------------------------
    async def add(self, bucket: Bucket, key: str, found: Sequence[Recovered]) -> None:
        """Let these versions of a key stand beside what stands there, in order of time."""
        at = ObjectKey(bucket, key)
        head = await self._versions.head(at)
        standing = await self._versions.newest_older(at, 1 << 30)
        standing = ([] if head is None else [head.version]) + standing
        plan = KeyPlan(at, head, standing, self._draw_id(), self._clock.seconds())
        for each in found:
            if each.parts is None:
                await self._add_blob(plan, each)
            else:
                await self._add_upload(plan, each)
        plan.finish()
        self.tally.versions += len(plan.new)
        self.tally.bytes += sum(version.size for version in plan.new)
        self.tally.overwritten += plan.overwritten
        for blob, reference in plan.stored():
            await self._put_blob(plan, blob, reference)
        await self._do(plan.actions())

    async def _add_blob(self, plan: KeyPlan, found: Recovered) -> None:
        assert found.blob is not None
        known = await self._blob(found.blob.incarnation)
        if known is not None and known.state is BlobState.CONDEMNED:
            return  # it was removed since
        plan.add(found.version, [(found.blob, found.version.reference)])

    async def _add_upload(self, plan: KeyPlan, found: Recovered) -> None:
        """Parts of one upload, with those that other disks told of before."""
        assert found.parts is not None
        manifest = found.version.manifest or ""
        listed = await self._manifests.standing(manifest) or ()
        kept = await self._kept(found.upload)
        parts: dict[int, StoredPart] = dict(kept)
        for part in listed:
            blob = await self._blob(part.incarnation or "")
            if blob is not None:
                _take(parts, StoredPart(part, blob))
        for each in found.parts.values():
            _take(parts, each)
        numbers = sorted(parts)
        if numbers != list(range(1, len(numbers) + 1)):
            self.tally.unfinished += 1
            plan.leave_out(manifest)
            await self._keep(found.upload, parts)
            return
        ordered = [parts[number] for number in numbers]
        plain = [each.part for each in ordered]
        size, etag = self._size_and_etag(plain)
        version = evolve(
            found.version,
            size=size,
            etag=etag,
            parts=len(plain),
            modified=max(part.modified for part in plain),
        )
        plan.add(version, [(each.blob, each.part.reference) for each in ordered])
        plan.add_list(manifest, plain, listed)
        await self._do([[Delete(_kept_at(found.upload), part_key(number))] for number in kept])

    # -- parts that wait for others ---------------------------------------------------------
    async def _kept(self, upload: str) -> dict[int, StoredPart]:
        found: dict[int, StoredPart] = {}
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(_kept_at(upload), start)
            stored = map(_kept_of, page.items)
            found.update((each.part.number, each) for each in stored)
            start = page.cursor
        return found

    async def _keep(self, upload: str, parts: Mapping[int, StoredPart]) -> None:
        items = [_kept_item(upload, each, self._draw_id()) for each in parts.values()]
        await self._do([[Put(item)] for item in items])

    # -- blobs ----------------------------------------------------------------------------
    async def _blob(self, incarnation: str) -> Blob | None:
        item = await self._items.get(*blob_place(incarnation)) if incarnation else None
        return None if item is None else blob_of(item)

    async def _put_blob(self, plan: KeyPlan, blob: Blob, reference: str) -> None:
        """The rows of a blob: a new one, or one of which other disks told before."""
        known = await self._blob(blob.incarnation)
        named = Put(row(*reference_place(blob.incarnation, reference), reference))
        merged = blob if known is None else joined(known, blob)
        if known is not None and merged == known:
            await self._do([[named]])
            return
        written = evolve(merged, rev=plan.operation)
        condition = Absent() if known is None else RevIs(known.rev)
        actions: list[Action] = [named, Put(blob_item(written), condition)]
        if shareable(written):
            if known is not None and content_place(known) != content_place(written):
                actions.append(Delete(*content_place(known)))
            actions.append(indexed(written, plan.operation))
        if written.below_target:
            self.tally.below_target += 1
            why = "found by a rebuild"
            actions.append(wanted_repair(blob.incarnation, plan.now, why, plan.operation))
        self.tally.completed += known is not None
        await self._do([actions])

    # -- writing ----------------------------------------------------------------------------
    async def _do(self, groups: Iterable[Sequence[Action]]) -> None:
        """Write later, together with others."""
        self._waiting += groups
        if sum(map(len, self._waiting)) >= _ACTIONS:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits.  Raises Conflict: somebody else changes the catalog."""
        waiting, self._waiting = self._waiting, []
        if not await write_in_bulk(self._writer, waiting):
            raise Conflict("the catalog was changed meanwhile: stop all servers, and try again")

    async def _write(self, actions: Sequence[Action]) -> None:
        await self._do([actions])
        await self.flush()


def joined(known: Blob, found: Blob) -> Blob:
    """
    A blob's row with the fragments that were found besides.

    Of two generations, one of which a conversion was to replace, the more complete is taken.
    """
    if known.generation != found.generation:
        better = _missing(found) < _missing(known)
        return evolve(found, rev=known.rev, state=known.state) if better else known
    layout = {placed.index: placed for placed in (*found.layout, *known.layout)}
    return evolve(known, layout=tuple(layout[index] for index in sorted(layout)))


def _missing(blob: Blob) -> int:
    return blob.policy.width - len({placed.index for placed in blob.layout})


def _take(parts: dict[int, StoredPart], found: StoredPart) -> None:
    """Of parts with one number the latest counts; of one found twice, all its fragments."""
    known = parts.get(found.part.number)
    if known is None or _order(found.part) > _order(known.part):
        parts[found.part.number] = found
    elif known.part.incarnation == found.part.incarnation:
        parts[found.part.number] = evolve(known, blob=joined(known.blob, found.blob))


def _order(part: Part) -> tuple[float, str]:
    return part.modified, part.incarnation or ""


def _kept_at(upload: str) -> str:
    """The partition of parts that wait for others of their upload."""
    return f"W#{upload}"


def _kept_item(upload: str, stored: StoredPart, rev: str) -> Item:
    part, blob = to_listed(stored.part), dict(blob_item(stored.blob).data)
    return row(_kept_at(upload), part_key(stored.part.number), rev, part=part, blob=blob)


def _kept_of(item: Item) -> StoredPart:
    data = fields(item)
    part = of_listed(data["part"])
    p, s = blob_place(part.incarnation or "")
    return StoredPart(part, blob_of(Item(p, s, data["blob"], "", BlobState.LIVE.value)))
