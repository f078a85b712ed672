"""
What configures a bucket: documents by name, a row each, read together.

A setting is written under the rev of its bucket's row.  So none is written into a bucket
that is being deleted, and those that the deletion removes with the bucket are all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from godos.catalog.buckets import CACHED, Buckets
from godos.catalog.items import Action, Check, Delete, IItemStore, Put, RevIs
from godos.catalog.places import bucket_place, setting_place, settings_partition
from godos.catalog.records import bucket_item, fields, row
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import InvalidRequest
from godos.model.versions import Bucket

LARGEST = 350_000  # characters of JSON
NOTIFICATION = "notification"  # the setting that `Bucket.notifies` tells of
_MOST_CACHED = 256  # buckets


class Settings:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        monotonic: Callable[[], float],
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._buckets, self._monotonic, self._draw_id = buckets, monotonic, draw_id
        self._cache: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._written = 0  # how often anything was, by this process

    def known(self, bucket: Bucket) -> Mapping[str, Any] | None:
        """Up to 2 s old; None: they must be read."""
        read_at, known = self._cache.get(bucket.id, (0.0, None))
        if known is not None and self._monotonic() - read_at < CACHED:
            return known
        return None

    async def all(self, bucket: Bucket) -> Mapping[str, Any]:
        """As ICatalog.settings."""
        known = self.known(bucket)
        if known is not None:
            return known
        found = await self._read(bucket)
        if not found and (remade := await self._buckets.remade(bucket)) is not None:
            return await self.all(remade)
        return found

    async def set(self, bucket: Bucket, setting: str, document: Any) -> None:
        """As ICatalog.set_setting."""
        if len(json.dumps(document)) > LARGEST:
            raise InvalidRequest(f"a {setting} of more than {LARGEST} characters is not kept")
        operation = self._draw_id()
        turns = Turns(self._backoff, f"the settings of the bucket {bucket.name!r}")
        while await turns.next():
            now = (await self._buckets.writable(bucket)).bucket
            refusal = await self._writer.write(
                [
                    _changed(now, setting, document, operation),
                    _of_bucket(now, setting, document, operation),
                ]
            )
            self._buckets.forget(bucket.name)
            self._cache.pop(now.id, None)
            self._written += 1
            if refusal is None or refusal.is_own(operation):
                return
            refusal.or_unknown()

    async def _read(self, bucket: Bucket) -> Mapping[str, Any]:
        read_at, written = self._monotonic(), self._written
        found: dict[str, Any] = {}
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(settings_partition(bucket), start)
            found |= {item.s.decode(): fields(item)["doc"] for item in page.items}
            start = page.cursor
        if written == self._written:  # else what was read may be from before
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[bucket.id] = read_at, found
        return found


def _changed(bucket: Bucket, setting: str, document: Any, operation: str) -> Action:
    place = setting_place(bucket, setting)
    if document is None:
        return Delete(*place)
    kept = row(*place, operation)
    return Put(kept._replace(data={**kept.data, "doc": document}))


def _of_bucket(bucket: Bucket, setting: str, document: Any, operation: str) -> Action:
    """
    What the bucket's row has to do with it.

    It tells whether anybody is to be notified, so that commits need not read the settings.
    """
    unchanged = RevIs(bucket.rev)
    if setting != NOTIFICATION:
        return Check(*bucket_place(bucket.name), unchanged)
    notifies = isinstance(document, Mapping) and any(document.values())
    return Put(bucket_item(evolve(bucket, notifies=notifies, rev=operation)), unchanged)
