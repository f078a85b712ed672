"""
Whether somebody may do something: all that has a say in it, put together.

The order, as in AWS: an explicit Deny wins.  Else one reason to allow is enough: the
user's own policy, the bucket's policy, ownership, or an access control list.  A user with a
policy of their own may do what it allows and what others grant them; ownership by itself
gives such a user nothing.  What cannot be said for certain never helps the caller.

Source: Amazon S3 User Guide, "How Amazon S3 authorizes a request"; AWS IAM User Guide,
"Policy evaluation logic".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import define

from godos.model.acl import Permission, UnreadableAcl, acl_of
from godos.model.multipart import MultipartUpload
from godos.model.users import Principal
from godos.model.versions import Bucket, ObjectVersion
from godos.protocol import acl_rights, policies_facts
from godos.protocol.bucket_access import Ownership, block_of, ownership_of
from godos.protocol.policies import Shelf
from godos.protocol.policies_facts import NOBODY, Facts
from godos.protocol.policies_logic import Truth, every, negate, some
from godos.protocol.policies_public import is_public
from godos.protocol.policies_statements import DENIED, SILENT, Verdict, arn


class Made(Enum):
    """Stands for an object that the request is only making."""

    MADE = "made"


MADE = Made.MADE
Thing = ObjectVersion | MultipartUpload | Made | None  # what is under the key


@define(eq=False)
class Question:
    """
    May `principal` do `action` to the bucket, or to `key` in it?

    `settings` are the bucket's documents by name.
    """

    principal: Principal
    action: str
    bucket: Bucket
    key: str
    settings: Mapping[str, Any]
    shelf: Shelf

    def answer(self, facts: Facts, thing: Thing = None) -> Truth:
        """
        None: that depends on what is under the key, or on facts that are not known yet.

        Args:
            thing: what is under the key, when that is known.
        """
        denied, allowed = self.policies(facts)
        if denied:
            return False
        try:
            rights = True if allowed else self._by_rights(thing)
        except UnreadableAcl:
            rights = False
        return every((negate(denied), some((allowed, rights))))

    def policies(self, facts: Facts) -> tuple[Truth, Truth]:
        """What policies alone say: whether one denies it, and whether one allows it."""
        own = own_verdict(
            self.principal, self.action, arn(self.bucket.name, self.key), facts, self.shelf
        )
        of_bucket = self._bucket_verdict(facts)
        return some((own.denied, of_bucket.denied)), some((own.allowed, of_bucket.allowed))

    def _bucket_verdict(self, facts: Facts) -> Verdict:
        document = self.settings.get("policy")
        if document is None:
            return SILENT
        owns = self._owns_bucket
        about_itself = self.action in acl_rights.ALWAYS_OF_BUCKET_OWNER
        if owns and about_itself:
            return SILENT
        policy = self.shelf.of_bucket(document)
        if policy is None:
            return DENIED
        who = NOBODY if self.principal.anonymous else policies_facts.user(self.principal.id)
        verdict = policy.verdict(who, self.action, self._resource, facts)
        if owns or verdict.allowed is False:
            return verdict
        # it never hands itself over: who could change it could take the bucket
        if about_itself or (self._restricted and is_public(policy)):
            return Verdict(verdict.denied, False)
        return verdict

    @property
    def _resource(self) -> str:
        return arn(self.bucket.name, self.key)

    @property
    def _restricted(self) -> bool:
        return block_of(self.settings).restrict_public_buckets

    @property
    def _owns_bucket(self) -> bool:
        return not self.principal.anonymous and self.principal.id == self.bucket.owner

    @property
    def _has_rights(self) -> bool:
        """Whether ownership gives the caller anything."""
        return not self.principal.anonymous and self.principal.policy is None

    def _by_rights(self, thing: Thing) -> Truth:
        """What ownership and lists give."""
        lists_count = ownership_of(self.settings) is not Ownership.ENFORCED
        if (
            self._has_rights
            and self._owns_bucket
            and (acl_rights.bucket_owner_may(self.action) or not lists_count)
        ):
            return True
        wanted = acl_rights.ON_BUCKETS.get(self.action)
        if wanted is not None and lists_count:
            document = self.settings.get("acl")
            if self._granted(document, self.bucket.owner, wanted):
                return True
        if self.action in acl_rights.OF_UPLOADS:
            return self._began(thing)
        if self.action in acl_rights.OF_OBJECTS and lists_count:
            return self._by_object(thing)
        return False

    def _began(self, thing: Thing) -> Truth:
        if not self._has_rights:
            return False
        if thing is None:
            return None
        return isinstance(thing, MultipartUpload) and thing.initiator == self.principal.id

    def _by_object(self, thing: Thing) -> Truth:
        if thing is None:
            return None
        if thing is MADE:
            return self._by_making()
        if not isinstance(thing, ObjectVersion):
            return False
        owner = thing.attributes.owner or self.bucket.owner
        if self._has_rights and self.principal.id == owner:
            return True
        wanted = acl_rights.ON_OBJECTS.get(self.action)
        return wanted is not None and self._granted(thing.attributes.acl, owner, wanted)

    def _by_making(self) -> bool:
        """
        Who makes an object will own it, and may tag it and say who may read it; so may who
        writes by a list.
        """
        if self.action not in acl_rights.OF_MAKERS:
            return False
        return self._has_rights or self._granted(
            self.settings.get("acl"), self.bucket.owner, Permission.WRITE
        )

    def _granted(self, document: Mapping[str, Any] | None, owner: str, wanted: Permission) -> bool:
        return acl_rights.grants(
            acl_of(document, owner),
            wanted,
            self.principal,
            ignore_public=block_of(self.settings).ignore_public_acls,
            # what owners grant themselves is theirs by ownership
            but_to="" if self.principal.policy is None else owner,
        )


def own_verdict(
    principal: Principal, action: str, resource: str, facts: Facts, shelf: Shelf
) -> Verdict:
    """What a user's own policy says; one that cannot be read denies."""
    if principal.policy is None:
        return SILENT
    policy = shelf.of_user(principal.policy)
    if policy is None:
        return DENIED
    return policy.verdict(policies_facts.user(principal.id), action, resource, facts)


def store_answer(
    principal: Principal, action: str, bucket: str, facts: Facts, shelf: Shelf
) -> bool:
    """
    Whether somebody may do what is not about a bucket that exists.

    Who has signed and has no policy of their own may make buckets and list theirs.
    """
    if principal.anonymous:
        return False
    if principal.policy is None:
        return action in ("s3:CreateBucket", "s3:ListAllMyBuckets")
    verdict = own_verdict(principal, action, arn(bucket), facts, shelf)
    return verdict.denied is False and verdict.allowed is True
