"""All versions of all objects, page by page, and the blobs that their bytes are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from godos.model.catalog import ICatalog
from godos.model.errors import BytesNotFound, NoSuchBucket
from godos.model.versions import Bucket, ObjectVersion

PAGE = 1000  # versions read at a time
PAUSE = 0.02  # seconds between two pages, so that requests come first


async def all_versions(
    catalog: ICatalog, pause: Callable[[float], Awaitable[object]]
) -> AsyncIterator[tuple[Bucket, Sequence[ObjectVersion]]]:
    """
    Pages of the versions of each bucket; a bucket that goes meanwhile is left out.

    Args:
        pause: waits so many seconds.
    """
    for bucket in await catalog.buckets():
        after: str | None = ""
        after_version = ""
        while after is not None:
            try:
                page = await catalog.list_versions(
                    bucket, after=after, after_version=after_version, limit=PAGE
                )
            except NoSuchBucket:
                break
            yield bucket, page.versions
            last = page.versions[-1] if page.versions else None
            after = page.next
            after_version = last.version_id if last is not None and last.key == after else ""
            if after is not None:
                await pause(PAUSE)


async def blobs_of(catalog: ICatalog, version: ObjectVersion) -> Sequence[str]:
    """The incarnations of the blobs that a version's bytes are; none for an empty one."""
    if version.incarnation is not None:
        return (version.incarnation,)
    if version.manifest is None:
        return ()
    try:
        parts = await catalog.manifest(version.manifest)
    except BytesNotFound:
        return ()  # deleted meanwhile
    return [part.incarnation for part in parts if part.incarnation is not None]
