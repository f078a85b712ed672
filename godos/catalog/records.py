"""Rows to records and back.  Names of fields are short: every row is paid for by the byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import frozen

from godos.catalog import attributes
from godos.catalog.items import Item
from godos.catalog.places import META, ObjectKey, blob_place, bucket_place
from godos.catalog.version_ids import version_id
from godos.model.blobs import RAW, Blob, BlobState, Placed
from godos.model.errors import CatalogUnavailable
from godos.model.members import FORMAT, Cluster
from godos.model.policy import Policy
from godos.model.versions import (
    NULL_VERSION,
    Bucket,
    ChecksumType,
    ObjectVersion,
    Versioning,
)

ACTIVE, DELETING = "active", "deleting"  # states of a bucket
MANIFEST = "m"  # the kind of a collect row that names a list of parts, and not a blob
_NO_SUMS: Mapping[str, str] = {}  # shared by all, and never written to
_NUMBERS = (int, float)  # whose zero says something; bool is not among them


class ManifestState(StrEnum):
    """
    Of a list of parts, whose parts it owns once it is `live`.

    A `draft` is being written; one that nobody completed becomes `void`, and a live one
    without references `condemned`.
    """

    DRAFT = "draft"
    LIVE = "live"
    VOID = "void"
    CONDEMNED = "condemned"


class RowNotUnderstood(CatalogUnavailable):
    """A row of the catalog was written by a newer godos, or is not what its place says."""


@frozen
class Head:
    """
    The head row: the latest version, and what is known of the ones below it.

    `older` may be True although the last older version went since, but is never False
    while there is one.  `null_seq` is where the null version is, if it is an older one
    and still there (its row says).
    """

    version: ObjectVersion
    older: bool = False
    null_seq: int | None = None

    @property
    def rev(self) -> str:
        return self.version.rev


def fields(item: Item) -> Mapping[str, Any]:
    """
    The data of a row that this godos can read.

    Raises:
        RowNotUnderstood: its format is newer.
    """
    written = item.data.get("f")
    if not isinstance(written, int) or written > FORMAT:
        raise RowNotUnderstood(
            f"the catalog's row at {item.p!r} has format {written!r}, and this godos reads "
            f"up to {FORMAT}: it needs a newer godos"
        )
    return item.data


def row(p: str, s: bytes, rev: str, state: str | None = None, **data: Any) -> Item:
    """An item of today's format; fields that are None, empty or False are left out."""
    kept = {name: value for name, value in data.items() if value or type(value) in _NUMBERS}
    return Item(p, s, {"f": FORMAT, **kept}, rev, state)


# -- the cluster, buckets ---------------------------------------------------------------
def cluster_item(cluster: Cluster, rev: str) -> Item:
    return Item(
        *META,
        {
            "f": cluster.format,
            "id": cluster.id,
            "secret": cluster.secret,
            "policy": cluster.policy,
            "epoch": cluster.epoch,
            "t": cluster.created,
            "ok": cluster.confirmed,
        },
        rev,
    )


def cluster_of(item: Item) -> Cluster:
    data = fields(item)
    return Cluster(
        data["id"],
        data["secret"],
        data["policy"],
        data["epoch"],
        data["t"],
        data["f"],
        data.get("ok", 1),  # rows of before there was an import have none
    )


def bucket_item(bucket: Bucket, state: str = ACTIVE) -> Item:
    return row(
        *bucket_place(bucket.name),
        bucket.rev,
        state,
        id=bucket.id,
        owner=bucket.owner,
        t=bucket.created,
        versioning=bucket.versioning.value,
        shards=bucket.shards,
        lock=bucket.object_lock,
        notify=bucket.notifies,
    )


def bucket_of(item: Item) -> Bucket:
    data = fields(item)
    return Bucket(
        name=item.s.decode(),
        id=data["id"],
        owner=data.get("owner", ""),
        created=data["t"],
        versioning=Versioning(data.get("versioning", "")),
        shards=data["shards"],
        rev=item.rev or "",
        object_lock=bool(data.get("lock")),
        notifies=bool(data.get("notify")),
    )


# -- versions ---------------------------------------------------------------------------
def head_item(at: ObjectKey, head: Head) -> Item:
    return row(
        *at.head,
        head.version.rev,
        older=head.older,
        nul=head.null_seq,
        **version_fields(head.version),
    )


def head_of(at: ObjectKey, item: Item) -> Head:
    data = fields(item)
    return Head(
        version_of(at.bucket.name, at.key, data, item.rev), bool(data.get("older")), data.get("nul")
    )


def older_item(at: ObjectKey, version: ObjectVersion, rev: str) -> Item:
    """The row of a version that is no longer the latest; `rev` is what pushed it down."""
    return row(*at.older(version.seq), rev, key=at.key, **version_fields(version))


def older_of(at: ObjectKey, item: Item) -> ObjectVersion:
    """
    Raises:
        RowNotUnderstood: it is a version of another key with the same hash.
    """
    key = fields(item).get("key")
    if key != at.key:
        raise RowNotUnderstood(f"a version of {key!r} stands where {at.key!r} has its own")
    return version_of(at.bucket.name, at.key, item.data, item.rev, latest=False)


def is_delete_marker(item: Item) -> bool:
    return bool(item.data.get("dm"))


def version_fields(version: ObjectVersion) -> dict[str, Any]:
    """All of a version but its name, its rev, and whether it is the latest."""
    usual = version.checksum_type is ChecksumType.FULL_OBJECT
    return {
        "seq": version.seq,
        "ref": version.reference,
        "t": version.modified,
        "etag": version.etag,
        "size": version.size,
        "inc": version.incarnation,
        "null": version.is_null,
        "dm": version.is_delete_marker,
        "sums": dict(version.checksums),
        "st": None if usual else version.checksum_type.value,
        "man": version.manifest,
        "parts": version.parts or None,
        **attributes.to_fields(version.attributes),
    }


def version_of(
    bucket: str, key: str, data: Mapping[str, Any], rev: str | None, latest: bool = True
) -> ObjectVersion:
    """The version that `version_fields` wrote down."""
    get = data.get
    null, seq, reference, kind = bool(get("null")), data["seq"], data["ref"], get("st")
    return ObjectVersion(  # by position: a listing makes a thousand of them
        bucket,
        key,
        NULL_VERSION if null else version_id(seq, reference),
        seq,
        get("etag", ""),
        data["size"],
        data["t"],
        get("inc"),
        reference,
        rev or "",
        null,
        bool(get("dm")),
        latest,
        attributes.of_fields(data),
        get("sums", _NO_SUMS),
        ChecksumType.FULL_OBJECT if kind is None else ChecksumType(kind),
        get("man"),
        get("parts", 0),
    )


def live_versions(bucket: str, heads: Sequence[Item]) -> list[ObjectVersion]:
    """
    The latest versions of a page of head rows, without delete markers.

    Raises:
        RowNotUnderstood: one has a newer format.
    """
    found = []
    for head in heads:
        _p, s, data, rev, _state, _expires = head
        if data.get("f") != FORMAT:
            fields(head)
        if not data.get("dm"):
            found.append(version_of(bucket, s.decode(), data, rev))
    return found


# -- blobs ------------------------------------------------------------------------------
def blob_item(blob: Blob) -> Item:
    return row(
        *blob_place(blob.incarnation),
        blob.rev,
        blob.state.value,
        size=blob.size,
        sha=blob.sha256,
        policy=str(blob.policy),
        layout=[[placed.index, placed.node] for placed in blob.layout],
        codec=None if blob.codec == RAW else blob.codec,
    )


def blob_of(item: Item) -> Blob:
    data = fields(item)
    return Blob(
        incarnation=item.p.removeprefix("B#"),
        size=data["size"],
        sha256=data["sha"],
        policy=Policy.parse(data["policy"]),
        layout=tuple(Placed(index, node) for index, node in data.get("layout", ())),
        codec=data.get("codec", RAW),
        state=BlobState(item.state or ""),
        rev=item.rev or "",
    )
