"""Closing what is referred to: references, lists of parts and blobs, and the work with them."""

from __future__ import annotations

from collections.abc import Iterator

from godos.catalog.closing_context import COLLECT, OWNED, Closing
from godos.catalog.closing_holders import manifest_of
from godos.catalog.items import Item
from godos.catalog.places import (
    ONLY,
    collect_place,
    references,
    repair_place,
    shared_place,
)
from godos.catalog.plans import indexed, manifest_work, wanted_repair
from godos.catalog.records import blob_of, row
from godos.model.blobs import BlobState, shareable

_TIME = 8  # bytes of a collect row's sort key before the id


def close_references(closing: Closing) -> Iterator[int]:
    """Each reference is somebody's."""
    for page in closing.spool.pages("R#"):
        for item in page:
            held, reference = item.p.partition("#")[2], item.s.decode()
            if not closing.spool.knows(OWNED, held, reference):
                closing.drop("references that nothing has", f"{held} {reference}", item)
        yield len(page)
    for page in closing.spool.pages("G#"):
        closing.spool.note(COLLECT, ((item.s[_TIME:].hex(),) for item in page))
        yield len(page)


def close_manifests_work(closing: Closing) -> Iterator[int]:
    """The collector is told of each list of parts that nothing refers to."""
    for page in closing.spool.pages("M#"):
        for item in page:
            manifest = manifest_of(item)
            if item.s == ONLY and not _is_cared_for(closing, manifest):
                work = manifest_work(manifest, closing.now, closing.draw_id())
                closing.spool.put([work])
                closing.findings.add("lists of parts to be collected", manifest)
        yield len(page)


def close_blobs(closing: Closing) -> Iterator[int]:
    """
    The collector is told of each blob that nothing refers to, the repairer of each that is
    below target; the content index is made, and marks of what is shared.
    """
    for page in closing.spool.pages("B#"):
        for item in page:
            if item.s == ONLY:
                _close_blob(closing, item)
            elif not closing.spool.has(item.p, ONLY):
                closing.drop("marks of blobs that are not there", item.p, item)
        yield len(page)
    for page in closing.spool.pages("F#"):
        for item in page:
            if not closing.has_blob(item.s.hex()):
                closing.drop("repairs of blobs that are not there", item.s.hex(), item)
        yield len(page)


def _close_blob(closing: Closing, item: Item) -> None:
    blob, spool = blob_of(item), closing.spool
    name = blob.incarnation
    live = blob.state is BlobState.LIVE
    if not _is_cared_for(closing, name) or (not live and not spool.knows(COLLECT, name)):
        spool.put([row(*collect_place(name, closing.now), closing.draw_id())])
        closing.findings.add("bytes to be collected", name)
    if live and shareable(blob):
        spool.put([indexed(blob, closing.draw_id()).item])
    if blob.below_target and not spool.has(*repair_place(name)):
        spool.put([wanted_repair(name, closing.now, "below target", closing.draw_id()).item])
        closing.findings.add("repairs of blobs below target", name)
    if spool.has_several(references(name)) and not spool.has(*shared_place(name)):
        spool.put([row(*shared_place(name), closing.draw_id())])


def _is_cared_for(closing: Closing, name: str) -> bool:
    """Whether something refers to it, or the collector knows of it."""
    return closing.spool.has(references(name)) or closing.spool.knows(COLLECT, name)
