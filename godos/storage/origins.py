"""
What the fragments of a node say of where they belong: docs/disk-format.rst, "The fragment's
description".
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import field, frozen

from godos.model.blobs import RAW, FragmentHeader
from godos.model.errors import FragmentDamaged, InvalidRequest, NoSuchFragment
from godos.model.members import FORMAT
from godos.model.multipart import MAX_PARTS
from godos.model.names import FragmentName, bucket_name, is_id, object_key
from godos.model.policy import Policy
from godos.model.versions import Versioning
from godos.transfer.encryption import AES256GCM, BLOCK, TAG, open_note

PAGE = 500  # fragments of an inventory that are asked for at once

# Answers the data key's secret for an encrypted object's descriptor; None: it cannot be had.
OpenKey = Callable[[Mapping[str, Any]], Awaitable[bytes | None]]


@frozen
class Origin:
    """
    What the fragments of one blob say of the object, or part, whose bytes they hold.

    `versioning` and `bucket_owner` are the bucket's when it was stored; `upload` is "" for a
    whole object.  Headers and such are as in `Attributes`.
    """

    bucket: str
    bucket_id: str
    key: str
    etag: str
    modified: float  # seconds since the epoch
    size: int  # of the client's bytes
    upload: str = ""
    part: int = 0
    versioning: str = ""
    bucket_owner: str = ""
    owner: str = ""
    storage_class: str = "STANDARD"
    headers: Mapping[str, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    tags: Mapping[str, str] = field(factory=dict)
    checksums: Mapping[str, str] = field(factory=dict)
    encryption: Mapping[str, Any] | None = None


class Unreadable(Exception):
    """An origin block tells nothing; `str()` says in a few words why."""


NO_ORIGIN = "have no origin block"
NO_KEY = "are encrypted with a key that is not here"
STRANGE = "have an origin block that is not understood"


async def read_origin(header: FragmentHeader, open_key: OpenKey) -> Origin:
    """
    Raises:
        Unreadable: it cannot be told where the fragment belongs.
    """
    if not header.origin:
        raise Unreadable(NO_ORIGIN)
    try:
        said, encryption = json.loads(header.origin), None
        if said["v"] > FORMAT:
            raise Unreadable("were written by a newer godos")
        if "sealed" in said:
            encryption = said["encryption"]
            secret = await open_key(encryption)
            if secret is None:
                raise Unreadable(NO_KEY)
            sealed = b64decode(said["sealed"], validate=True)
            said = json.loads(open_note(secret, header.name.incarnation, sealed))
        return _origin(said, header, encryption)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(STRANGE) from error
    except (FragmentDamaged, InvalidRequest) as error:
        raise Unreadable(STRANGE) from error


def _origin(
    said: Mapping[str, Any], header: FragmentHeader, encryption: Mapping[str, Any] | None
) -> Origin:
    upload, part, etag = str(said.get("upload", "")), int(said.get("part", 0)), str(said["etag"])
    if not is_id(said["bucket_id"]) or (upload and not 1 <= part <= MAX_PARTS):
        raise Unreadable(STRANGE)
    if upload:
        bytes.fromhex(etag)  # which the ETag of the whole is made of
    Policy.parse(header.policy)  # a newer godos may know others
    size = said["size"] if "size" in said else _plain_size(header)
    return Origin(
        bucket=bucket_name(said["bucket"]),
        bucket_id=said["bucket_id"],
        key=object_key(said["key"].encode()),
        etag=etag,
        modified=float(said["modified"]),
        size=int(size),
        upload=upload,
        part=part,
        versioning=Versioning(said.get("versioning", "")).value,
        bucket_owner=str(said.get("bucket_owner", "")),
        owner=str(said.get("owner", "")),
        storage_class=str(said.get("storage_class", "STANDARD")),
        headers=dict(said.get("headers", {})),
        metadata=dict(said.get("metadata", {})),
        tags=dict(said.get("tags", {})),
        checksums=dict(said.get("checksums", {})),
        encryption=encryption,
    )


def _plain_size(header: FragmentHeader) -> int:
    """Of a blob whose origin is older than the field for it."""
    if header.codec == RAW:
        return header.blob_size
    if header.codec == AES256GCM:
        return header.blob_size - TAG * -(-header.blob_size // BLOCK)
    raise Unreadable(STRANGE)


async def walk_headers(
    store: Any,
    found: Callable[[FragmentHeader], Awaitable[object]],
    lost: Callable[[FragmentName, str], object],
) -> None:
    """
    Read what each fragment of a node says of itself, without its payload.

    Args:
        store: an `IFragmentStore`.
        found: called with each header, and waited for.
        lost: called with the name of each fragment whose header is damaged, and why.
    """
    after = None
    while page := await store.inventory(after, PAGE):
        for held in page:
            try:
                reader = await store.open(held.name, 0, 0)
            except NoSuchFragment:
                continue
            except FragmentDamaged as error:
                lost(held.name, str(error))
                continue
            await reader.close()
            await found(reader.header)
        after = page[-1].name
