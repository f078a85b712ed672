"""
A bucket's settings about access, as they are stored: ownership, and blocked public access.

Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your
bucket" and "Blocking public access to your Amazon S3 storage".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

POLICY = "policy"
ACL = "acl"
PUBLIC_ACCESS_BLOCK = "public-access-block"
OWNERSHIP_CONTROLS = "ownership-controls"


class Ownership(StrEnum):
    """
    Whose the objects are that are written to a bucket.

    Where nothing is set it is the writer's, as it was before there was a setting.
    """

    WRITER = "ObjectWriter"
    PREFERRED = "BucketOwnerPreferred"
    ENFORCED = "BucketOwnerEnforced"


@frozen
class PublicAccessBlock:
    """What of a bucket's public access is blocked."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


# The members of `PublicAccessBlockConfiguration`, in the order of the record's fields.
BLOCK_MEMBERS = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)
_NOTHING = PublicAccessBlock()
_EVERYTHING = PublicAccessBlock(True, True, True, True)


def ownership_of(settings: Mapping[str, Any]) -> Ownership:
    """What holds in a bucket; a value that is not known here is the strictest."""
    document = settings.get(OWNERSHIP_CONTROLS)
    if document is None:
        return Ownership.WRITER
    try:
        return Ownership(document["ownership"])
    except (KeyError, TypeError, ValueError):
        return Ownership.ENFORCED


def ownership_document(ownership: Ownership) -> dict[str, Any]:
    """The form that is stored."""
    return {"v": 1, "ownership": ownership.value}


def block_of(settings: Mapping[str, Any]) -> PublicAccessBlock:
    """What is blocked in a bucket; of a document that cannot be read, everything."""
    document = settings.get(PUBLIC_ACCESS_BLOCK)
    if document is None:
        return _NOTHING
    if not isinstance(document, Mapping) or document.get("v") != 1:
        return _EVERYTHING
    return PublicAccessBlock(*(document.get(member, True) is True for member in BLOCK_MEMBERS))


def block_document(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The form that is stored, of a request's `PublicAccessBlockConfiguration`."""
    return {"v": 1, **{member: bool(configuration.get(member)) for member in BLOCK_MEMBERS}}
