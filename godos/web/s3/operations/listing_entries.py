"""What listings tell of each thing on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from godos.model.multipart import MultipartUpload
from godos.model.versions import NULL_VERSION, ChecksumType, Listing, ObjectVersion
from godos.web.s3.operations.pages import Page

Names = Mapping[str, Mapping[str, str]]  # `Owner`s by id; "" is the bucket's
Entry = dict[str, Any]


def entries(versions: Sequence[ObjectVersion], page: Page, names: Names | None) -> list[Entry]:
    """What a listing tells of objects; of their owners only with their `names`."""
    found, kinds = [], _Kinds()
    for version, key in zip(versions, _keys(versions, page), strict=True):
        attributes, checksums = version.attributes, version.checksums
        entry = {
            "Key": key,
            "LastModified": version.modified,
            "ETag": f'"{version.etag}"',
            "Size": version.size,
            "StorageClass": attributes.storage_class,
        }
        if checksums:
            whole = version.checksum_type is ChecksumType.FULL_OBJECT
            entry["ChecksumAlgorithm"], entry["ChecksumType"] = kinds[*checksums, whole]
        if names is not None:
            entry["Owner"] = names[attributes.owner]
        found.append(entry)
    return found


class _Kinds(dict[tuple[str | bool, ...], tuple[list[str], str]]):
    """
    How checksums are told, by their algorithms and whether they are of the whole object.

    There are few kinds on a page, and one of them is one object for all its entries.
    """

    def __missing__(self, kind: tuple[str | bool, ...]) -> tuple[list[str], str]:
        *algorithms, whole = kind
        names = [str(name).upper() for name in algorithms]
        of_whole = ChecksumType.FULL_OBJECT if whole else ChecksumType.COMPOSITE
        self[kind] = told = names, of_whole.value
        return told


def _keys(versions: Sequence[ObjectVersion], page: Page) -> Sequence[str]:
    return page.encode_all([version.key for version in versions])


def version_entries(versions: Sequence[ObjectVersion], page: Page, names: Names) -> list[Entry]:
    """What a listing tells of versions."""
    found = entries(versions, page, names)
    for entry, version in zip(found, versions, strict=True):
        entry["VersionId"] = shown_id(version)
        entry["IsLatest"] = version.is_latest
    return found


def marker_entries(markers: Sequence[ObjectVersion], page: Page, names: Names) -> list[Entry]:
    """What a listing tells of delete markers."""
    return [
        {
            "Key": key,
            "LastModified": marker.modified,
            "Owner": names[marker.attributes.owner],
            "VersionId": shown_id(marker),
            "IsLatest": marker.is_latest,
        }
        for marker, key in zip(markers, _keys(markers, page), strict=True)
    ]


def upload_entry(upload: MultipartUpload, page: Page, names: Names) -> Entry:
    """What a listing tells of an upload in parts."""
    entry: Entry = {
        "Key": page.encode(upload.key),
        "UploadId": upload.id,
        "Initiated": upload.initiated,
        "Initiator": names[upload.initiator],
        "Owner": names[upload.attributes.owner],
        "StorageClass": upload.attributes.storage_class,
    }
    if upload.checksum:
        entry["ChecksumAlgorithm"] = upload.checksum.upper()
        entry["ChecksumType"] = upload.checksum_type.value
    return entry


def prefixes(found: Sequence[str], page: Page) -> list[Entry]:
    """Common prefixes."""
    return [{"Prefix": prefix} for prefix in page.encode_all(found)]


def shown_id(version: ObjectVersion) -> str:
    """The id by which clients know a version."""
    return NULL_VERSION if version.is_null else version.version_id


def last_version(listing: Listing) -> str | None:
    """The version that a page ends with; None when it ends with a prefix, or is the last."""
    last = listing.versions[-1] if listing.versions else None
    if last is None or last.key != listing.next:
        return None
    return last.version_id
