"""
What parts of the store that act by themselves may do in a bucket, such as bring logs to it.

Source: Amazon S3 User Guide, "Enabling Amazon S3 server access logging".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from godos.model.acl import LOG_DELIVERY, Permission, UnreadableAcl, acl_of
from godos.model.versions import Bucket
from godos.protocol.acl_rights import ON_BUCKETS
from godos.protocol.bucket_access import ACL, POLICY, Ownership, ownership_of
from godos.protocol.policies import Shelf
from godos.protocol.policies_facts import Values, service
from godos.protocol.policies_statements import ARN

LOGGING = "logging.s3.amazonaws.com"


@frozen
class _Facts:
    of: Mapping[str, Values]

    def values(self, key: str) -> Values:
        return self.of.get(key, ())


def on_behalf(source: Bucket, secure: bool = True) -> Mapping[str, Values]:
    """The facts of what a service does for a bucket."""
    return {
        "aws:sourceaccount": (source.owner,),
        "aws:sourcearn": (ARN + source.name,),
        "aws:securetransport": ("true" if secure else "false",),
    }


def service_may(
    name: str,
    action: str,
    bucket: Bucket,
    key: str,
    settings: Mapping[str, Any],
    facts: Mapping[str, Values],
    shelf: Shelf,
) -> bool:
    """
    Whether the service `name` may do `action` to a key, or to the keys that begin with it.

    The bucket's policy decides, and for bringing logs also its list (`LogDelivery`).

    Args:
        settings: the bucket's documents by name.
        facts: by condition key in lower case, see `on_behalf`.
    """
    document = settings.get(POLICY)
    if document is not None:
        policy = shelf.of_bucket(document)
        if policy is None:
            return False
        resource = f"{ARN}{bucket.name}/{key}"
        verdict = policy.verdict(service(name), action, resource, _Facts(facts))
        if verdict.denied is not False:
            return False
        if verdict.allowed is True:
            return True
    return name == LOGGING and _by_list(action, bucket, settings)


def _by_list(action: str, bucket: Bucket, settings: Mapping[str, Any]) -> bool:
    wanted: Permission | None = ON_BUCKETS.get(action)
    if wanted is None or ownership_of(settings) is Ownership.ENFORCED:
        return False
    try:
        acl = acl_of(settings.get(ACL), bucket.owner)
    except UnreadableAcl:
        return False
    return any(grant.group == LOG_DELIVERY and grant.covers(wanted) for grant in acl.grants)
