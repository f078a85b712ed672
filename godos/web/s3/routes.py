"""All operations that are served, put together."""

from __future__ import annotations

from collections.abc import Callable

from godos.model.objects import IObjects
from godos.model.users import ICredentials
from godos.objects.trials import Trials
from godos.web.counters import Counters
from godos.web.s3.acls import Acls
from godos.web.s3.call import Route, Table
from godos.web.s3.operations.access import OwnershipControls, Policies, PublicAccessBlocks
from godos.web.s3.operations.access_lists import AccessLists
from godos.web.s3.operations.buckets import Buckets
from godos.web.s3.operations.copying import CopyOperations
from godos.web.s3.operations.deleting import DeleteOperations
from godos.web.s3.operations.listings import Listings
from godos.web.s3.operations.multipart import UploadOperations
from godos.web.s3.operations.object_attributes import AttributeOperations
from godos.web.s3.operations.object_locks import LockOperations
from godos.web.s3.operations.object_tagging import TaggingOperations
from godos.web.s3.operations.objects import ObjectOperations
from godos.web.s3.operations.owners import Owners, Ownership
from godos.web.s3.operations.settings.acceleration import Acceleration
from godos.web.s3.operations.settings.cors import BucketCors
from godos.web.s3.operations.settings.encryption import BucketEncryption
from godos.web.s3.operations.settings.lifecycle import BucketLifecycle
from godos.web.s3.operations.settings.logging import BucketLogging
from godos.web.s3.operations.settings.notification import BucketNotification
from godos.web.s3.operations.settings.object_lock import ObjectLockConfiguration
from godos.web.s3.operations.settings.payment import RequestPayment
from godos.web.s3.operations.settings.replication import Replication
from godos.web.s3.operations.settings.tagging import BucketTagging
from godos.web.s3.operations.settings.website import BucketWebsite
from godos.web.s3.operations.versioning import BucketVersioning


def routes(
    objects: IObjects,
    credentials: ICredentials,
    counters: Counters,
    now: Callable[[], float],
    region: str,
    trials: Trials | None = None,
) -> Table:
    """
    The operations by their names.

    Args:
        now: seconds since the epoch.
        region: what clients are told that the buckets are in.
        trials: of the queues that buckets are to notify; None takes any queue.
    """
    acls = Acls(credentials)
    ownership, owners = Ownership(objects, acls), Owners(credentials)
    lists = AccessLists(objects, acls)
    found: dict[str, Route] = {}
    for part in (
        Buckets(objects, credentials, lists.of_new_bucket, region),
        BucketVersioning(objects),
        Listings(objects, credentials),
        ObjectOperations(objects, ownership, counters, now),
        CopyOperations(objects, ownership, now),
        DeleteOperations(objects),
        UploadOperations(objects, ownership, owners, counters, now),
        AttributeOperations(objects),
        TaggingOperations(objects),
        LockOperations(objects, now),
        lists,
        Policies(objects),
        PublicAccessBlocks(objects),
        OwnershipControls(objects),
        Acceleration(objects),
        BucketCors(objects),
        BucketEncryption(objects),
        BucketLifecycle(objects),
        BucketLogging(objects),
        BucketNotification(objects, trials),
        ObjectLockConfiguration(objects),
        RequestPayment(objects),
        Replication(objects),
        BucketTagging(objects),
        BucketWebsite(objects),
    ):
        found.update(part.table())
    return found
