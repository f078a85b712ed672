"""
What a write of a version changes: decisions over rows that were read, without I/O.

Every change of a key goes through its head row, by compare-and-set on the rev: that alone
orders the writers of a key.  The one exception is the removal of an older version, which
compares that version's own rev and leaves the head as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from godos.catalog.items import Absent, Action, Check, Delete, Item, Put, RevIs, StateIs
from godos.catalog.places import (
    ObjectKey,
    blob_place,
    collect_place,
    content_place,
    manifest_place,
    reference_place,
    repair_place,
    shared_place,
)
from godos.catalog.records import (
    MANIFEST,
    Head,
    ManifestState,
    blob_item,
    head_item,
    older_item,
    row,
)
from godos.catalog.version_ids import version_id
from godos.model.blobs import Blob, BlobState, shareable
from godos.model.multipart import NewPart
from godos.model.versions import NULL_VERSION, NewVersion, ObjectVersion, Versioning


def successor(
    at: ObjectKey, head: Head | None, new: NewVersion, delete_marker: bool
) -> ObjectVersion:
    """
    The version that `new` becomes on top of `head`.

    While versioning is off or suspended it is the null version.  Both are one case: with
    versioning off the head is the null version and so the one that is replaced, and a
    server that has not yet seen versioning go on can destroy no other.
    """
    seq = 1 if head is None else head.version.seq + 1
    null = at.bucket.versioning is not Versioning.ENABLED
    return ObjectVersion(
        bucket=at.bucket.name,
        key=at.key,
        version_id=NULL_VERSION if null else version_id(seq, new.operation),
        seq=seq,
        etag=new.etag,
        size=new.size,
        modified=new.modified,
        incarnation=None if new.blob is None else new.blob.incarnation,
        reference=new.operation,
        rev=new.operation,
        is_null=null,
        is_delete_marker=delete_marker,
        attributes=new.attributes,
        checksums=new.checksums,
        checksum_type=new.checksum_type,
        manifest=new.manifest,
        parts=new.parts,
    )


def put_on_top(
    at: ObjectKey,
    head: Head | None,
    null_below: ObjectVersion | None,
    version: ObjectVersion,
    now: float,
) -> list[Action]:
    """
    Make `version` the head.

    Args:
        null_below: the null version, if it is an older one and `version` replaces it.
        now: seconds since the epoch, for the collector.
    """
    if head is None:
        return [Put(head_item(at, Head(version)), Absent())]
    unchanged = RevIs(head.rev)
    if version.is_null and head.version.is_null:
        replaced = Head(version, older=head.older)
        return [Put(head_item(at, replaced), unchanged), *dropped(head.version, version.rev, now)]
    null_seq = head.version.seq if head.version.is_null else head.null_seq
    raised = Head(version, older=True, null_seq=None if version.is_null else null_seq)
    actions: list[Action] = [
        Put(head_item(at, raised), unchanged),
        # nothing can stand there: all older versions have a smaller seq than the head
        Put(older_item(at, head.version, version.rev), Absent()),
    ]
    if version.is_null and null_below is not None:
        actions += remove_older(at, null_below, version.rev, now)
    return actions


def remove_head(
    at: ObjectKey, head: Head, older: Sequence[ObjectVersion], operation: str, now: float
) -> list[Action]:
    """
    Remove the latest version, and let the next older one take its place.

    Args:
        older: the newest two of the older versions, as many as there are.
    """
    gone = dropped(head.version, operation, now)
    if not older:
        return [Delete(*at.head, RevIs(head.rev)), *gone]
    following = older[0]
    promoted = Head(
        evolve(following, rev=operation),
        older=len(older) > 1,
        null_seq=None if following.is_null else head.null_seq,
    )
    return [
        Put(head_item(at, promoted), RevIs(head.rev)),
        Delete(*at.older(following.seq), RevIs(following.rev)),
        *gone,
    ]


def remove_older(at: ObjectKey, version: ObjectVersion, operation: str, now: float) -> list[Action]:
    """Remove a version that is not the latest."""
    return [
        Delete(*at.older(version.seq), RevIs(version.rev)),
        *dropped(version, operation, now),
    ]


def dropped(version: ObjectVersion, operation: str, now: float) -> list[Action]:
    """What goes with a version's last row: its reference; and the collector is told."""
    if version.manifest is not None:
        return [
            Delete(*reference_place(version.manifest, version.reference)),
            Put(manifest_work(version.manifest, now, operation)),
        ]
    return let_go(version.incarnation, version.reference, operation, now)


def let_go(incarnation: str | None, reference: str, operation: str, now: float) -> list[Action]:
    """What goes with the last row of what has a blob: a version, or a part."""
    if incarnation is None:
        return []
    return [
        Delete(*reference_place(incarnation, reference)),
        Put(row(*collect_place(incarnation, now), operation)),
    ]


def manifest_work(manifest: str, now: float, operation: str) -> Item:
    """The collect row of a list of parts."""
    return row(*collect_place(manifest, now), operation, kind=MANIFEST)


def referenced(new: NewVersion | NewPart, now: float) -> list[Action]:
    """
    What a commit writes for the bytes of its version or part.

    The one place for the rule that a commit adds a reference only to what is live: a blob
    that this commit makes (`rev` is empty), or a blob or list of parts that the transaction
    finds live.
    """
    if isinstance(new, NewVersion) and new.manifest is not None:
        named = Put(row(*reference_place(new.manifest, new.operation), new.operation))
        return [Check(*manifest_place(new.manifest), StateIs(ManifestState.LIVE.value)), named]
    blob = new.blob
    if blob is None:
        return []
    named = Put(row(*reference_place(blob.incarnation, new.operation), new.operation))
    if blob.rev:
        live = StateIs(BlobState.LIVE.value)
        shared = Put(row(*shared_place(blob.incarnation), new.operation))
        return [Check(*blob_place(blob.incarnation), live), named, shared]
    actions: list[Action] = [Put(blob_item(evolve(blob, rev=new.operation)), Absent()), named]
    if shareable(blob):
        actions.append(indexed(blob, new.operation))
    reason = new.repair or ("below target" if blob.below_target else "")
    if reason:
        actions.append(wanted_repair(blob.incarnation, now, reason, new.operation))
    return actions


def indexed(blob: Blob, operation: str) -> Put:
    """The row of the content index that names a blob, in place of one with equal content."""
    return Put(row(*content_place(blob), operation, inc=blob.incarnation))


def wanted_repair(incarnation: str, since: float, reason: str, operation: str) -> Put:
    """The repair row of a blob."""
    return Put(row(*repair_place(incarnation), operation, since=since, reason=reason))
