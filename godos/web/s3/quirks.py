"""
Where S3 does something else than its description says.  One reviewed place for all.
"""

from __future__ import annotations

from collections.abc import Mapping

# Headers whose text is kept as it was sent, though the description calls them timestamps:
# S3 stores and returns any text there.
AS_TEXT = frozenset(("Expires",))

# Dates that are ignored when they cannot be read.  Source: RFC 9110, sections 13.1.3 and
# 13.1.4.
LENIENT = frozenset(
    (
        "IfModifiedSince",
        "IfUnmodifiedSince",
        "CopySourceIfModifiedSince",
        "CopySourceIfUnmodifiedSince",
    )
)

# Members that requests may lack though the description requires them.
# Grantees without xsi:type are told by what they hold; S3 takes logging without a prefix.
OPTIONAL = frozenset(
    (
        ("Grantee", "Type"),
        ("LoggingEnabled", "TargetPrefix"),
    )
)

# The root of a request's document -> the code when it breaks S3's schema.
MALFORMED: Mapping[str, str] = {"AccessControlPolicy": "MalformedACLError"}

# Operations whose answer's root holds the value of this one member.
ROOT_IS_MEMBER: Mapping[str, str] = {"GetBucketLocation": "LocationConstraint"}

# Statuses that are not the description's.
STATUS: Mapping[str, int] = {"PutBucketPolicy": 204}

# Bytes of a request's document.  10 000 parts with two checksums each, and 1000 names of
# 1024 bytes that are all escaped, are the largest.
DEFAULT_BODY_LIMIT = 1 << 20
BODY_LIMITS: Mapping[str, int] = {
    "CompleteMultipartUpload": 6 << 20,
    "DeleteObjects": 6 << 20,
    "PutBucketPolicy": 64 << 10,
}
