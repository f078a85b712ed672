"""The operations on who may do what: policies, blocked public access, and ownership."""

from __future__ import annotations

from typing import Any

from godos.model.acl import acl_of
from godos.model.errors import AccessDenied
from godos.model.objects import IObjects
from godos.protocol.bucket_access import (
    ACL,
    BLOCK_MEMBERS,
    OWNERSHIP_CONTROLS,
    POLICY,
    PUBLIC_ACCESS_BLOCK,
    Ownership,
    block_document,
    block_of,
    ownership_document,
    ownership_of,
)
from godos.protocol.policies import Shelf
from godos.protocol.policies_public import is_public
from godos.protocol.policies_reading import MalformedPolicy, read_bucket_policy
from godos.web.access import Action
from godos.web.errors import S3Error
from godos.web.s3.acls import ownership_named
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.access_lists import effective_acl
from godos.web.s3.operations.settings.documents import (
    Documents,
    absence,
    malformed,
    payload,
)

_NO_POLICY = absence("NoSuchBucketPolicy", "policy")
_NO_BLOCK = absence("NoSuchPublicAccessBlockConfiguration", "public access block")
_NO_OWNERSHIP = absence("OwnershipControlsNotFoundError", "ownership controls")


class Policies:
    """Get-, Put- and DeleteBucketPolicy, and GetBucketPolicyStatus."""

    def __init__(self, objects: IObjects) -> None:
        self._objects = objects
        self._documents = Documents(objects, POLICY)
        self._shelf = Shelf()

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketPolicy": Route(self.get, Action.GET_POLICY),
            "PutBucketPolicy": Route(self.put, Action.PUT_POLICY),
            "DeleteBucketPolicy": Route(self.delete, Action.DELETE_POLICY),
            "GetBucketPolicyStatus": Route(self.status, Action.GET_POLICY_STATUS),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """The policy, as it was written."""
        document = await self._documents.get(call.target.bucket, _NO_POLICY)
        return {"Policy": document["text"]}

    async def put(self, call: Call, request: Request) -> Result:
        """
        Replace the policy.

        One that keeps the bucket's owner from everything is taken: it can be replaced.
        """
        name, text = call.target.bucket, request.get("Policy")
        if not isinstance(text, str):
            raise S3Error("MalformedPolicy", "the request's body is the policy")
        try:
            policy = read_bucket_policy(text, name)
        except MalformedPolicy as error:
            raise S3Error("MalformedPolicy", str(error)) from error
        settings = await self._objects.settings(name)
        if block_of(settings).block_public_policy and is_public(policy):
            raise AccessDenied("the bucket's public access block refuses public policies")
        await self._documents.put(name, {"text": text})
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Remove the policy, if there is one."""
        await self._documents.delete(call.target.bucket)
        return None

    async def status(self, call: Call, _: Request) -> Result:
        """Whether the public has a way in, by the policy or by the bucket's list."""
        name = call.target.bucket
        settings = await self._objects.settings(name)
        document, block = settings.get(POLICY), block_of(settings)
        policy = None if document is None else self._shelf.of_bucket(document)
        by_policy = policy is not None and is_public(policy) and not block.restrict_public_buckets
        bucket = await self._objects.bucket(name)
        by_list = effective_acl(bucket, settings).is_public and not block.ignore_public_acls
        return {"PolicyStatus": {"IsPublic": by_policy or by_list}}


class PublicAccessBlocks:
    """Get-, Put- and DeletePublicAccessBlock."""

    def __init__(self, objects: IObjects) -> None:
        self._documents = Documents(objects, PUBLIC_ACCESS_BLOCK)

    def table(self) -> Table:
        """The routes."""
        return {
            "GetPublicAccessBlock": Route(self.get, Action.GET_PUBLIC_ACCESS_BLOCK),
            "PutPublicAccessBlock": Route(self.put, Action.PUT_PUBLIC_ACCESS_BLOCK),
            "DeletePublicAccessBlock": Route(self.delete, Action.PUT_PUBLIC_ACCESS_BLOCK),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """What is blocked."""
        document = await self._documents.get(call.target.bucket, _NO_BLOCK)
        shown = {member: bool(document.get(member)) for member in BLOCK_MEMBERS}
        return {"PublicAccessBlockConfiguration": shown}

    async def put(self, call: Call, request: Request) -> Result:
        """Block what is named, and no more."""
        configuration = payload(request, "PublicAccessBlockConfiguration")
        await self._documents.put(call.target.bucket, block_document(configuration))
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Block nothing."""
        await self._documents.delete(call.target.bucket)
        return None


class OwnershipControls:
    """Get-, Put- and DeleteBucketOwnershipControls."""

    def __init__(self, objects: IObjects) -> None:
        self._objects = objects
        self._documents = Documents(objects, OWNERSHIP_CONTROLS)

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketOwnershipControls": Route(self.get, Action.GET_OWNERSHIP_CONTROLS),
            "PutBucketOwnershipControls": Route(self.put, Action.PUT_OWNERSHIP_CONTROLS),
            "DeleteBucketOwnershipControls": Route(self.delete, Action.PUT_OWNERSHIP_CONTROLS),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """Whose new objects are."""
        document = await self._documents.get(call.target.bucket, _NO_OWNERSHIP)
        ownership = ownership_of({OWNERSHIP_CONTROLS: document})
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": ownership.value}]}}

    async def put(self, call: Call, request: Request) -> Result:
        """
        Set it.

        Lists can be given up only by a bucket that lets nobody in by its own.
        """
        name = call.target.bucket
        ownership = _ownership(payload(request, "OwnershipControls").get("Rules"))
        if ownership is Ownership.ENFORCED:
            bucket, settings = await self._objects.bucket(name), await self._objects.settings(name)
            acl = acl_of(settings.get(ACL), bucket.owner)
            if any(grant.user != bucket.owner for grant in acl.grants):
                raise S3Error(
                    "InvalidBucketAclWithObjectOwnership",
                    "the bucket's list lets others in; make it private first",
                    BucketName=name,
                )
        await self._documents.put(name, ownership_document(ownership))
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Forget it: new objects are their writers'."""
        await self._documents.delete(call.target.bucket)
        return None


def _ownership(rules: Any) -> Ownership:
    if not rules or len(rules) != 1:
        raise malformed("OwnershipControls has one Rule")
    name = rules[0].get("ObjectOwnership")
    if name not in tuple(Ownership):
        raise malformed(f"ObjectOwnership is one of {', '.join(Ownership)}")
    return ownership_named(name)
