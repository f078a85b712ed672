"""Closing what holds references: lists of parts, uploads, versions; and settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from godos.catalog.closing_context import OWNED, Closing
from godos.catalog.items import Item
from godos.catalog.manifests import page_of
from godos.catalog.places import ONLY, blob_place, manifest_partition, manifest_place
from godos.catalog.records import ManifestState, fields
from godos.catalog.upload_records import Opened, opened_item, part_of, upload_of
from godos.catalog.uploads import due, is_open
from godos.model.multipart import Part

_DUE = "due"  # facts (upload,): it is to be looked at
_NAME = 8  # where an upload's id begins in the sort key of such a row


def close_settings(closing: Closing) -> Iterator[int]:
    """Settings are of a bucket that is there."""
    for page in closing.spool.pages("C#"):
        for item in page:
            if item.p[2:] not in closing.buckets:
                closing.drop("settings of buckets that are not there", item.p, item)
        yield len(page)


# -- lists of parts ------------------------------------------------------------------------
def close_manifests(closing: Closing) -> Iterator[int]:
    """A live list is whole, and its parts' bytes are there; it has their references."""
    for page in closing.spool.pages("M#"):
        for item in page:
            if item.s == ONLY:
                _close_manifest(closing, item)
            elif not closing.spool.has(item.p, ONLY):
                closing.drop("pages of lists of parts without their beginning", item.p, item)
        yield len(page)


def _close_manifest(closing: Closing, heading: Item) -> None:
    state = ManifestState(heading.state or "")
    if state in (ManifestState.DRAFT, ManifestState.VOID):
        return  # it has nothing
    pages = [item for item in closing.spool.partition(heading.p) if item.s != ONLY]
    parts = [part for page in pages for part in page_of(page)]
    whole = len(pages) == fields(heading)["pages"]
    lasting = state is ManifestState.LIVE
    if lasting and not (whole and all(closing.has_blob(part.incarnation) for part in parts)):
        closing.drop("lists of parts that are not whole", heading.p, heading, *pages)
        return
    for part in parts:
        _own_part(closing, part, heading.p, lasting)


def _own_part(closing: Closing, part: Part, what: str, lasting: bool) -> None:
    if part.incarnation is not None:
        closing.own(part.incarnation, part.reference, f"part {part.number} of {what}", lasting)


# -- uploads -------------------------------------------------------------------------------
def close_uploads(closing: Closing) -> Iterator[int]:
    """Parts of open uploads have their bytes; all are looked at some day; all open are listed."""
    spool = closing.spool
    for page in spool.pages("X#"):
        spool.note(_DUE, ((item.s[_NAME:].decode(),) for item in page))
        yield len(page)
    partition = ""
    for page in spool.pages("P#"):
        for item in page:
            if item.p != partition:
                partition = item.p
                _close_upload(closing, spool.partition(partition))
        yield len(page)


def _close_upload(closing: Closing, rows: Sequence[Item]) -> None:
    name = rows[0].p.partition("#")[2]
    heading = next((item for item in rows if item.s == ONLY), None)
    opened = heading is not None and is_open(heading)
    if heading is not None and fields(heading)["bid"] not in closing.buckets:
        closing.drop("uploads of buckets that are not there", name, heading)
        heading, opened = None, False
    parts = [item for item in rows if item.s != ONLY]
    listed = [item for item in parts if _is_listed(closing, item)]
    if listed and heading is not None and opened:  # it was seen before, and the list after
        closing.drop("uploads that were completed meanwhile", name, heading)
        heading, opened = None, False
    # What ends an upload without a list would let go of references that the list has now.
    closing.spool.drop((item.p, item.s) for item in listed)
    for item in parts:
        if item not in listed:
            _close_part(closing, name, item, opened)
    if heading is not None and opened:
        _list(closing, heading)
    if not closing.spool.knows(_DUE, name):
        closing.spool.put([due(name, closing.now, closing.draw_id())])


def _is_listed(closing: Closing, item: Item) -> bool:
    """Whether a list of parts has it."""
    part = part_of(item)
    return closing.spool.knows(OWNED, part.incarnation or "", part.reference)


def _close_part(closing: Closing, name: str, item: Item, opened: bool) -> None:
    part = part_of(item)
    if not closing.has_blob(part.incarnation):
        closing.drop(
            "parts whose bytes the catalog does not know", f"part {part.number} of {name}", item
        )
    elif part.incarnation is not None:
        # those of an upload that ended may have been let go of already
        closing.own(part.incarnation, part.reference, f"part {part.number} of {name}", opened)


def _list(closing: Closing, heading: Item) -> None:
    """Name it among the open uploads of its key."""
    upload, bucket_id = upload_of(heading), fields(heading)["bid"]
    empty = opened_item(bucket_id, upload.key, (), closing.draw_id())
    standing = closing.spool.get(empty.p, empty.s)
    others = [] if standing is None else [Opened(when, of) for when, of in standing.data["open"]]
    more = [*others, Opened(upload.initiated, upload.id)]
    closing.spool.put([opened_item(bucket_id, upload.key, more, empty.rev or "")])


# -- versions ------------------------------------------------------------------------------
def close_versions(closing: Closing) -> Iterator[int]:
    """A version is of a bucket that is there, and so are its bytes; it has their reference."""
    for kind in ("O#", "H#"):
        for page in closing.spool.pages(kind):
            for item in page:
                _close_version(closing, item)
            yield len(page)


def _close_version(closing: Closing, item: Item) -> None:
    data = fields(item)
    bucket = closing.buckets.get(item.p.split("#")[1])
    key = data.get("key") or item.s.decode()
    if bucket is None:
        closing.drop("versions of buckets that are not there", repr(key), item)
        return
    what, manifest = f"{bucket.name}/{key}", data.get("man")
    held = manifest or data.get("inc")
    if held is None:
        return
    place = blob_place(held) if manifest is None else manifest_place(manifest)
    if not closing.spool.has(*place):
        closing.drop("versions whose bytes the catalog does not know", what, item)
    elif not closing.spool.knows(OWNED, held, data["ref"]):  # a key's versions may be there twice
        closing.own(held, data["ref"], what)


def manifest_of(item: Item) -> str:
    """The id of the list that a row is of."""
    return item.p.removeprefix(manifest_partition(""))
