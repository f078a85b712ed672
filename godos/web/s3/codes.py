"""
S3's error codes and their statuses.

The service's description names some twenty errors; the rest stands in the Amazon S3 API
Reference, "Error responses", in the pages of the operations, and in what S3 answers.
Every code that this server sends is here, and `S3Error` takes no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_BY_STATUS: Mapping[int, str] = {
    301: "PermanentRedirect",
    304: "NotModified",
    307: "TemporaryRedirect",
    400: """
        AuthorizationHeaderMalformed AuthorizationQueryParametersError BadDigest BadRequest
        CredentialsNotSupported EntityTooLarge EntityTooSmall ExpiredToken
        IllegalLocationConstraintException IllegalVersioningConfigurationException
        IncompleteBody IncorrectEndpoint IncorrectNumberOfFilesInPostRequest InlineDataTooLarge
        InvalidAccessPoint InvalidArgument InvalidBucketName InvalidChunkSizeError InvalidDigest
        InvalidEncryptionAlgorithmError InvalidLocationConstraint InvalidPart InvalidPartOrder
        InvalidPolicyDocument InvalidRequest InvalidRetentionPeriod InvalidSOAPRequest
        InvalidStorageClass InvalidTag InvalidTargetBucketForLogging InvalidToken InvalidURI
        InvalidWriteOffset
        KMS.DisabledException KMS.KMSInvalidStateException KMS.NotFoundException
        KeyTooLongError MalformedACLError MalformedPOSTRequest MalformedPolicy MalformedXML
        MaxMessageLengthExceeded MaxPostPreDataLengthExceeded MetadataTooLarge
        MissingAttachment MissingRequestBodyError MissingSecurityElement MissingSecurityHeader
        RequestHeaderSectionTooLarge RequestTimeout TooManyBuckets TooManyParts
        UnexpectedContent UnresolvableGrantByEmailAddress UserKeyMustBeSpecified
        XAmzContentChecksumMismatch XAmzContentSHA256Mismatch AccessControlListNotSupported
        AmbiguousGrantByEmailAddress InvalidBucketAclWithObjectOwnership
    """,
    403: """
        AccessDenied AccessForbidden AccountProblem AllAccessDisabled CrossLocationLoggingProhibited
        InvalidAccessKeyId InvalidObjectState InvalidPayer InvalidSecurity NotSignedUp
        QuotaExceeded RequestTimeTooSkewed SignatureDoesNotMatch UnauthorizedAccess
    """,
    404: """
        NoSuchAccessPoint NoSuchBucket NoSuchBucketPolicy NoSuchCORSConfiguration NoSuchKey
        NoSuchLifecycleConfiguration NoSuchObjectLockConfiguration
        NoSuchPublicAccessBlockConfiguration NoSuchTagSet NoSuchUpload NoSuchVersion
        NoSuchWebsiteConfiguration
        ObjectLockConfigurationNotFoundError OwnershipControlsNotFoundError
        ReplicationConfigurationNotFoundError ServerSideEncryptionConfigurationNotFoundError
        NoSuchConfiguration NoSuchResource
    """,
    405: "MethodNotAllowed",
    409: """
        BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty ConditionalRequestConflict
        EntityAlreadyExists
        InvalidBucketState OperationAborted
        RestoreAlreadyInProgress
    """,
    411: "MissingContentLength",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    416: "InvalidRange InvalidPartNumber",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable SlowDown",
    507: "InsufficientStorage",
}


def _pairs() -> Iterator[tuple[str, int]]:
    for status, codes in _BY_STATUS.items():
        for code in codes.split():
            yield code, status


STATUSES: Mapping[str, int] = dict(_pairs())
