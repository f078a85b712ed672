"""What every catalog promises of the settings and the object lock of buckets."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from godos.catalog.buckets import CACHED
from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.catalog.settings import LARGEST
from godos.model.errors import InvalidBucketState, InvalidRequest, NoSuchBucket
from tests.catalog_audit import audit
from tests.contract.catalog import ENABLED, SUSPENDED, CatalogBench, upload

CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*", "ü"]}]}
TAGS = {"TagSet": [{"Key": "a", "Value": ""}]}
NOTIFY = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:::q", "Events": ["s3:*"]}]}


class SettingsContract(CatalogBench):
    """See the module."""

    @ensureDeferred
    async def test_settings(self, catalog: Catalog, second: Catalog, monotonic: Clock) -> None:
        """Documents are kept by name, replaced and removed, each for itself."""
        bucket = (await self.bench(catalog)).bucket
        assert await catalog.settings(bucket) == {}
        await catalog.set_setting(bucket, "cors", CORS)
        await catalog.set_setting(bucket, "tagging", TAGS)
        assert await catalog.settings(bucket) == {"cors": CORS, "tagging": TAGS}
        assert await second.settings(bucket) == {"cors": CORS, "tagging": TAGS}
        await catalog.set_setting(bucket, "cors", TAGS)
        await catalog.set_setting(bucket, "tagging", None)
        await catalog.set_setting(bucket, "tagging", None)
        assert await catalog.settings(bucket) == {"cors": TAGS}
        monotonic.advance(CACHED)
        assert await second.settings(bucket) == {"cors": TAGS}

    @pytest.mark.parametrize("document", [{}, [], "", 0, False, "text", 1.5, [None, {"a": {}}]])
    @ensureDeferred
    async def test_any_document(self, catalog: Catalog, second: Catalog, document: Any) -> None:
        """A document comes back as it was written, whatever JSON it is."""
        bucket = (await self.bench(catalog)).bucket
        await catalog.set_setting(bucket, "any", document)
        assert await second.settings(bucket) == {"any": document}

    @ensureDeferred
    async def test_large_documents(self, catalog: Catalog) -> None:
        """Several documents of the largest size are read together; a larger one is refused."""
        bucket = (await self.bench(catalog)).bucket
        text = "x" * (LARGEST - 2)
        for name in ("policy", "lifecycle", "cors", "website"):
            await catalog.set_setting(bucket, name, text)
        assert set((await catalog.settings(bucket)).values()) == {text}
        with pytest.raises(InvalidRequest):
            await catalog.set_setting(bucket, "policy", text + "x")

    @ensureDeferred
    async def test_settings_are_of_one_bucket(
        self, catalog: Catalog, items: IItemStore, monotonic: Clock
    ) -> None:
        """They go with their bucket, and a bucket made again begins without any."""
        bucket = (await self.bench(catalog)).bucket
        other = await catalog.create_bucket("other", "ann")
        await catalog.set_setting(bucket, "cors", CORS)
        await catalog.set_setting(other, "cors", TAGS)
        await catalog.delete_bucket("photos")
        with pytest.raises(NoSuchBucket):
            await catalog.set_setting(bucket, "tagging", TAGS)
        again = await catalog.create_bucket("photos", "bob")
        assert await catalog.settings(again) == {}
        with pytest.raises(NoSuchBucket):
            await catalog.set_setting(bucket, "tagging", TAGS)
        assert await catalog.settings(other) == {"cors": TAGS}
        (await audit(items)).check_at_rest()

    @ensureDeferred
    async def test_a_bucket_that_notifies(self, catalog: Catalog, second: Catalog) -> None:
        """A bucket says that it notifies while its configuration names anybody."""
        bucket = (await self.bench(catalog)).bucket
        for document, notifies in ((NOTIFY, True), ({}, False), (NOTIFY, True), (None, False)):
            await catalog.set_setting(bucket, "notification", document)
            assert (await catalog.bucket("photos")).notifies == notifies
            second._buckets.forget("photos")
            assert (await second.bucket("photos")).notifies == notifies
        await catalog.set_setting(bucket, "notification", NOTIFY)
        assert (await catalog.set_versioning("photos", ENABLED)).notifies

    # -- object lock --------------------------------------------------------------------
    @ensureDeferred
    async def test_made_with_object_lock(self, catalog: Catalog, second: Catalog) -> None:
        """A bucket made for object lock keeps versions, and goes on doing so."""
        made = await catalog.create_bucket("photos", "ann", object_lock=True)
        assert (made.object_lock, made.versioning) == (True, ENABLED)
        assert await second.bucket("photos") == made
        with pytest.raises(InvalidBucketState):
            await catalog.set_versioning("photos", SUSPENDED)
        assert (await catalog.set_versioning("photos", ENABLED)).object_lock

    @ensureDeferred
    async def test_object_lock_afterwards(self, catalog: Catalog) -> None:
        """Object lock needs versioning first, and what is in the bucket stays."""
        bench = await self.bench(catalog)
        made = await catalog.commit(bench.bucket, "k", upload())
        for versioning in (None, SUSPENDED):
            if versioning is not None:
                await catalog.set_versioning("photos", versioning)
            with pytest.raises(InvalidBucketState):
                await catalog.enable_object_lock("photos")
        await catalog.set_versioning("photos", ENABLED)
        locked = await catalog.enable_object_lock("photos")
        assert (locked.object_lock, locked.id) == (True, bench.bucket.id)
        assert (await catalog.enable_object_lock("photos")).object_lock
        with pytest.raises(InvalidBucketState):
            await catalog.set_versioning("photos", SUSPENDED)
        assert await catalog.head(locked, "k") == made

    @ensureDeferred
    async def test_object_lock_of_no_bucket(self, catalog: Catalog) -> None:
        """It is enabled only where there is a bucket."""
        with pytest.raises(NoSuchBucket):
            await catalog.enable_object_lock("photos")
