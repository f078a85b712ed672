"""Who may do what: the names of the verbs, and the hook that is asked before each."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from twisted.internet.defer import Deferred

from godos.model.users import ANONYMOUS as ANONYMOUS
from godos.model.users import Principal as Principal
from godos.web.exchange import IExchange


class Action(StrEnum):
    """
    What a request wants to do, in the words of S3's policies where S3 has one.

    Source: AWS Service Authorization Reference, "Actions ... for Amazon S3".
    """

    # -- the store ----------------------------------------------------------------------
    LIST_BUCKETS = "s3:ListAllMyBuckets"
    METRICS = "godos:Metrics"
    LOCATE = "godos:Locate"
    STATUS = "godos:Status"
    EXPLAIN = "godos:Explain"
    COLLECT = "godos:Collect"

    # -- a bucket -----------------------------------------------------------------------
    CREATE_BUCKET = "s3:CreateBucket"
    DELETE_BUCKET = "s3:DeleteBucket"
    LIST = "s3:ListBucket"
    LIST_VERSIONS = "s3:ListBucketVersions"
    LIST_UPLOADS = "s3:ListBucketMultipartUploads"
    GET_LOCATION = "s3:GetBucketLocation"
    GET_VERSIONING = "s3:GetBucketVersioning"
    PUT_VERSIONING = "s3:PutBucketVersioning"
    GET_BUCKET_ACL = "s3:GetBucketAcl"
    PUT_BUCKET_ACL = "s3:PutBucketAcl"
    GET_POLICY = "s3:GetBucketPolicy"
    PUT_POLICY = "s3:PutBucketPolicy"
    DELETE_POLICY = "s3:DeleteBucketPolicy"
    GET_POLICY_STATUS = "s3:GetBucketPolicyStatus"
    GET_PUBLIC_ACCESS_BLOCK = "s3:GetBucketPublicAccessBlock"
    PUT_PUBLIC_ACCESS_BLOCK = "s3:PutBucketPublicAccessBlock"
    GET_OWNERSHIP_CONTROLS = "s3:GetBucketOwnershipControls"
    PUT_OWNERSHIP_CONTROLS = "s3:PutBucketOwnershipControls"
    GET_BUCKET_TAGGING = "s3:GetBucketTagging"
    PUT_BUCKET_TAGGING = "s3:PutBucketTagging"
    GET_CORS = "s3:GetBucketCORS"
    PUT_CORS = "s3:PutBucketCORS"
    GET_LIFECYCLE = "s3:GetLifecycleConfiguration"
    PUT_LIFECYCLE = "s3:PutLifecycleConfiguration"
    GET_ENCRYPTION = "s3:GetEncryptionConfiguration"
    PUT_ENCRYPTION = "s3:PutEncryptionConfiguration"
    GET_OBJECT_LOCK = "s3:GetBucketObjectLockConfiguration"
    PUT_OBJECT_LOCK = "s3:PutBucketObjectLockConfiguration"
    GET_WEBSITE = "s3:GetBucketWebsite"
    PUT_WEBSITE = "s3:PutBucketWebsite"
    DELETE_WEBSITE = "s3:DeleteBucketWebsite"
    GET_NOTIFICATION = "s3:GetBucketNotification"
    PUT_NOTIFICATION = "s3:PutBucketNotification"
    GET_LOGGING = "s3:GetBucketLogging"
    PUT_LOGGING = "s3:PutBucketLogging"
    GET_REQUEST_PAYMENT = "s3:GetBucketRequestPayment"
    PUT_REQUEST_PAYMENT = "s3:PutBucketRequestPayment"
    GET_ACCELERATE = "s3:GetAccelerateConfiguration"
    PUT_ACCELERATE = "s3:PutAccelerateConfiguration"
    GET_REPLICATION = "s3:GetReplicationConfiguration"
    PUT_REPLICATION = "s3:PutReplicationConfiguration"
    GET_ANALYTICS = "s3:GetAnalyticsConfiguration"
    PUT_ANALYTICS = "s3:PutAnalyticsConfiguration"
    GET_INVENTORY = "s3:GetInventoryConfiguration"
    PUT_INVENTORY = "s3:PutInventoryConfiguration"
    GET_METRICS = "s3:GetMetricsConfiguration"
    PUT_METRICS = "s3:PutMetricsConfiguration"
    GET_TIERING = "s3:GetIntelligentTieringConfiguration"
    PUT_TIERING = "s3:PutIntelligentTieringConfiguration"

    # -- an object ----------------------------------------------------------------------
    GET = "s3:GetObject"
    GET_VERSION = "s3:GetObjectVersion"
    GET_ATTRIBUTES = "s3:GetObjectAttributes"
    GET_VERSION_ATTRIBUTES = "s3:GetObjectVersionAttributes"
    PUT = "s3:PutObject"
    DELETE = "s3:DeleteObject"
    DELETE_VERSION = "s3:DeleteObjectVersion"
    ABORT_UPLOAD = "s3:AbortMultipartUpload"
    LIST_PARTS = "s3:ListMultipartUploadParts"
    GET_ACL = "s3:GetObjectAcl"
    GET_VERSION_ACL = "s3:GetObjectVersionAcl"
    PUT_ACL = "s3:PutObjectAcl"
    PUT_VERSION_ACL = "s3:PutObjectVersionAcl"
    GET_TAGGING = "s3:GetObjectTagging"
    GET_VERSION_TAGGING = "s3:GetObjectVersionTagging"
    PUT_TAGGING = "s3:PutObjectTagging"
    PUT_VERSION_TAGGING = "s3:PutObjectVersionTagging"
    DELETE_TAGGING = "s3:DeleteObjectTagging"
    DELETE_VERSION_TAGGING = "s3:DeleteObjectVersionTagging"
    GET_RETENTION = "s3:GetObjectRetention"
    PUT_RETENTION = "s3:PutObjectRetention"
    GET_LEGAL_HOLD = "s3:GetObjectLegalHold"
    PUT_LEGAL_HOLD = "s3:PutObjectLegalHold"
    BYPASS_GOVERNANCE = "s3:BypassGovernanceRetention"
    RESTORE = "s3:RestoreObject"


class Authorise(Protocol):
    """
    Asked once for each request, before anything else happens and before its body is asked
    for.  `bucket` and `key` are empty where the action has none.

    Fails:
        AccessDenied: the caller may not do this.
    """

    def __call__(
        self, exchange: IExchange, action: Action, bucket: str, key: str, /
    ) -> Deferred[Principal]: ...
