"""Rows of uploads in parts, of their parts, and of lists of parts, to records and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from godos.catalog import attributes
from godos.catalog.items import Item
from godos.catalog.places import open_place, part_place, upload_place
from godos.catalog.records import fields, row, version_fields, version_of
from godos.model.multipart import MultipartUpload, NewPart, Part, UploadState
from godos.model.versions import Bucket, ChecksumType, ObjectVersion


# -- uploads ----------------------------------------------------------------------------
def upload_item(upload: MultipartUpload, bucket_id: str, ended: float | None = None) -> Item:
    """
    Args:
        ended: when it was completed, seconds since the epoch.
    """
    result = upload.result
    return row(
        *upload_place(upload.id),
        upload.rev,
        upload.state.value,
        bucket=upload.bucket,
        bid=bucket_id,
        key=upload.key,
        t=upload.initiated,
        by=upload.initiator,
        algo=upload.checksum,
        st=upload.checksum_type.value,
        end=ended,
        res=None if result is None else _filled({"rev": result.rev, **version_fields(result)}),
        **attributes.to_fields(upload.attributes),
    )


def upload_of(item: Item) -> MultipartUpload:
    data = fields(item)
    bucket, key, result = data["bucket"], data["key"], data.get("res")
    return MultipartUpload(
        id=item.p.partition("#")[2],
        bucket=bucket,
        key=key,
        initiated=data["t"],
        initiator=data.get("by", ""),
        attributes=attributes.of_fields(data),
        checksum=data.get("algo", ""),
        checksum_type=ChecksumType(data["st"]),
        state=UploadState(item.state or ""),
        result=None if result is None else version_of(bucket, key, result, result["rev"]),
        rev=item.rev or "",
    )


def is_of(item: Item, bucket: Bucket, key: str) -> bool:
    """Whether this is an upload of that key."""
    data = fields(item)
    return bool(data["bid"] == bucket.id and data["key"] == key)


def _filled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value or value == 0}


# -- which uploads of a key are open ----------------------------------------------------
@frozen
class Opened:
    """An open upload, as the row of its key names it; in the order of a listing."""

    initiated: float
    id: str


def opened_of(item: Item) -> list[Opened]:
    return [Opened(when, name) for when, name in fields(item)["open"]]


def opened_item(bucket_id: str, key: str, opened: Iterable[Opened], rev: str) -> Item:
    listed = sorted((one.initiated, one.id) for one in opened)
    return row(*open_place(bucket_id, key), rev, open=[list(one) for one in listed])


# -- parts ------------------------------------------------------------------------------
def new_part(new: NewPart) -> Part:
    """The part that `new` becomes."""
    return Part(
        number=new.number,
        size=new.size,
        etag=new.etag,
        incarnation=None if new.blob is None else new.blob.incarnation,
        reference=new.operation,
        modified=new.modified,
        checksums=new.checksums,
    )


def part_item(upload: str, part: Part) -> Item:
    return row(
        *part_place(upload, part.number),
        part.reference,
        size=part.size,
        etag=part.etag,
        inc=part.incarnation,
        t=part.modified,
        sums=dict(part.checksums),
    )


def part_of(item: Item) -> Part:
    data = fields(item)
    return Part(
        number=int.from_bytes(item.s, "big"),
        size=data["size"],
        etag=data.get("etag", ""),
        incarnation=data.get("inc"),
        reference=item.rev or "",
        modified=data["t"],
        checksums=data.get("sums", {}),
    )


# -- pages of lists of parts ------------------------------------------------------------
def to_listed(part: Part) -> list[Any]:
    """A part as a line of a page."""
    where = part.incarnation, part.reference
    return [part.number, part.size, part.etag, *where, part.modified, dict(part.checksums)]


def of_listed(line: Sequence[Any]) -> Part:
    return Part(*line)


def completed(upload: MultipartUpload, version: ObjectVersion, operation: str) -> MultipartUpload:
    """The upload after `operation` has made `version` of it."""
    return evolve(upload, state=UploadState.COMPLETED, result=version, rev=operation)
