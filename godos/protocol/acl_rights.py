"""
What the permissions of access control lists let people do, and what ownership does.

Source: Amazon S3 User Guide, "Access control list (ACL) overview", "Mapping of ACL
permissions and access policy permissions".
"""

from __future__ import annotations

from collections.abc import Mapping

from godos.model.acl import LOG_DELIVERY, PUBLIC, Acl, Permission
from godos.model.users import ALL_USERS, Principal

_READ, _WRITE = Permission.READ, Permission.WRITE

# What a list on a bucket grants.
ON_BUCKETS: Mapping[str, Permission] = {
    "s3:ListBucket": _READ,
    "s3:ListBucketVersions": _READ,
    "s3:ListBucketMultipartUploads": _READ,
    "s3:PutObject": _WRITE,
    "s3:DeleteObject": _WRITE,
    "s3:AbortMultipartUpload": _WRITE,
    "s3:ListMultipartUploadParts": _WRITE,
    "s3:GetBucketAcl": Permission.READ_ACP,
    "s3:PutBucketAcl": Permission.WRITE_ACP,
}

# What a list on an object grants.
ON_OBJECTS: Mapping[str, Permission] = {
    "s3:GetObject": _READ,
    "s3:GetObjectVersion": _READ,
    "s3:GetObjectAttributes": _READ,
    "s3:GetObjectVersionAttributes": _READ,
    "s3:GetObjectAcl": Permission.READ_ACP,
    "s3:GetObjectVersionAcl": Permission.READ_ACP,
    "s3:PutObjectAcl": Permission.WRITE_ACP,
    "s3:PutObjectVersionAcl": Permission.WRITE_ACP,
}

# What the bucket's owner and the object's owner may do alike, and no list grants.
OF_BOTH_OWNERS = frozenset(
    f"s3:{verb}Object{version}Tagging"
    for verb in ("Get", "Put", "Delete")
    for version in ("", "Version")
)

# What comes with making an object, for whoever will own it.
OF_MAKERS = OF_BOTH_OWNERS | {"s3:PutObjectAcl"}

# What can depend on the object: on its list and its owner, or on its tags.
OF_OBJECTS = OF_BOTH_OWNERS | ON_OBJECTS.keys()

# What the one who began an upload in parts may do with it.
OF_UPLOADS = frozenset(("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"))

# What the owner of a bucket may do whatever its policy says, or nobody could mend it.
# Source: Amazon S3 API Reference, "PutBucketPolicy".
ALWAYS_OF_BUCKET_OWNER = frozenset(
    ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")
)


def bucket_owner_may(action: str) -> bool:
    """Whether owning the bucket is enough; reading an object takes the object's owner."""
    return action not in ON_OBJECTS


def object_owner_may(action: str) -> bool:
    """Whether owning the object is enough."""
    return action in OF_OBJECTS


def grants(
    acl: Acl, wanted: Permission, principal: Principal, ignore_public: bool, but_to: str = ""
) -> bool:
    """
    Whether a list lets somebody do something.

    Args:
        ignore_public: grants to groups that everybody can be in count for nothing.
        but_to: grants to this user count for nothing.
    """
    return any(
        grant.covers(wanted)
        and (
            _is_in(grant.group, principal, ignore_public)
            if grant.group
            else not principal.anonymous and grant.user == principal.id != but_to
        )
        for grant in acl.grants
    )


def _is_in(group: str, principal: Principal, ignore_public: bool) -> bool:
    if group == LOG_DELIVERY or (ignore_public and group in PUBLIC):
        return False
    return group == ALL_USERS or not principal.anonymous
