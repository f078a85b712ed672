"""
Access control lists of requests: written in headers or in a body, checked, and looked up.

Source: Amazon S3 API Reference, "PutBucketAcl", "PutObjectAcl" and "PutObject".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from godos.model.acl import Acl, Grant, Permission, private
from godos.model.errors import AccessDenied
from godos.model.users import ICredentials, Principal
from godos.model.versions import Bucket
from godos.protocol.acl import (
    BUCKET_OWNER_FULL_CONTROL,
    InvalidGrant,
    Kind,
    MalformedAcl,
    Wish,
    canned,
    check_group,
    document_wishes,
    has_grants,
    header_wishes,
    rendered,
)
from godos.protocol.bucket_access import Ownership, block_of, ownership_of
from godos.web.errors import S3Error

_OWNER_ALONE = "a bucket whose owner owns all objects has no access control lists"
_ARGUMENTS = {Kind.ID: "CanonicalUser/ID", Kind.EMAIL: "Email", Kind.GROUP: "Group/URI"}


@frozen
class WishedAcl:
    """
    The list that a request asks for, its grantees known.

    Either `canned` names it or `grants` are it.  `stated_owner` is whose the request's
    document says that the thing is.
    """

    canned: str = ""
    grants: tuple[Grant, ...] = ()
    stated_owner: str | None = None

    def of(self, owner: str, bucket_owner: str) -> Acl:
        """
        The list for a thing of `owner`, in a bucket of `bucket_owner`.

        Raises:
            AccessDenied: the request's document says that it belongs to somebody else.
            S3Error: InvalidArgument: there is no canned list of this name.
        """
        if self.stated_owner not in (None, owner):
            raise AccessDenied("the list's Owner is not the owner, who cannot be changed")
        if not self.canned:
            return Acl(self.grants)
        try:
            return canned(self.canned, owner, bucket_owner)
        except InvalidGrant as error:
            raise _invalid(error) from error


class Acls:
    """Reads the lists of requests, and shows those of buckets and objects."""

    def __init__(self, credentials: ICredentials) -> None:
        self._credentials = credentials

    async def wished(self, request: Mapping[str, Any]) -> WishedAcl | None:
        """
        The list that a request brings; None when it brings none.

        Raises:
            S3Error: InvalidRequest, UnexpectedContent: it brings several.  InvalidArgument,
                MalformedACLError, UnresolvableGrantByEmailAddress: one makes no sense.
        """
        name, document = request.get("ACL"), request.get("AccessControlPolicy")
        in_headers = has_grants(request)
        if name is not None and in_headers:
            raise S3Error("InvalidRequest", "send a canned list or grants in headers, not both")
        if document is not None and (name is not None or in_headers):
            raise S3Error("UnexpectedContent", "send the list in headers or in the body, not both")
        try:
            if name is not None:
                return WishedAcl(str(name))
            if in_headers:
                return WishedAcl("", await self._grants(header_wishes(request)))
            if document is None:
                return None
            owner, wishes = document_wishes(document)
            return WishedAcl("", await self._grants(wishes), owner)
        except InvalidGrant as error:
            raise _invalid(error) from error
        except MalformedAcl as error:
            raise S3Error("MalformedACLError", str(error)) from error

    async def _grants(self, wishes: Sequence[Wish]) -> tuple[Grant, ...]:
        """The grants in their order, each once."""
        grants = [await self._grant(wish) for wish in wishes]
        return tuple(dict.fromkeys(grants))

    async def _grant(self, wish: Wish) -> Grant:
        if wish.kind is Kind.GROUP:
            return Grant(wish.permission, group=check_group(wish.name))
        if wish.kind is Kind.ID:
            user = await self._credentials.by_id(wish.name)
            if user is None:
                raise InvalidGrant("no user has this id", _ARGUMENTS[wish.kind], wish.name)
            return Grant(wish.permission, user=user.id)
        user = await self._credentials.by_email(wish.name)
        if user is None:
            raise S3Error(
                "UnresolvableGrantByEmailAddress", "no user has the e-mail address of a grant"
            )
        return Grant(wish.permission, user=user.id)

    async def shown(self, acl: Acl, owner: str) -> Mapping[str, Any]:
        """`Owner` and `Grants` of an answer: the list of a thing of `owner`."""
        ids = dict.fromkeys((owner, *(grant.user for grant in acl.grants if grant.user)))
        names = {user_id: await self._name(user_id) for user_id in ids}
        named = {"DisplayName": names[owner]} if names[owner] else {}
        return {"Owner": {"ID": owner, **named}, "Grants": rendered(acl, names.__getitem__)}

    async def _name(self, user_id: str) -> str:
        user = await self._credentials.by_id(user_id)
        return "" if user is None else user.name

    async def of_upload(
        self,
        request: Mapping[str, Any],
        principal: Principal,
        bucket: Bucket,
        settings: Mapping[str, Any],
    ) -> tuple[str, Mapping[str, Any] | None]:
        """
        Whose a new object is, and the document of its list (None: the private one).

        An object belongs to who writes it; one that nobody signed for, to the bucket's owner.

        Args:
            request: of PutObject, CopyObject or CreateMultipartUpload, in S3's members.
            settings: the bucket's documents by name.

        Raises:
            AccessDenied: the list is public, and the bucket blocks that.
            S3Error: AccessControlListNotSupported; those of `wished`.
        """
        wished = await self.wished(request)
        ownership = ownership_of(settings)
        if ownership is Ownership.ENFORCED:
            if wished is not None and not _gives_all_to(wished, bucket.owner):
                raise S3Error("AccessControlListNotSupported", _OWNER_ALONE)
            return bucket.owner, None
        owner = bucket.owner if principal.anonymous else principal.id
        if wished is None:
            return owner, None
        given = wished.canned == BUCKET_OWNER_FULL_CONTROL
        if given and ownership is Ownership.PREFERRED:
            return bucket.owner, None
        return owner, stored(wished.of(owner, bucket.owner), owner, settings)

    async def of_new_bucket(
        self, request: Mapping[str, Any], owner: str
    ) -> Mapping[str, Any] | None:
        """
        The document of the list of a bucket that `owner` makes (None: the private one).

        Args:
            request: of CreateBucket, in S3's members.

        Raises:
            S3Error: InvalidBucketAclWithObjectOwnership: lists are to mean nothing in it,
                and this one lets others in; those of `wished`.
        """
        wished = await self.wished(request)
        if wished is None or wished.canned in _FOR_OBJECTS:
            return None
        acl = wished.of(owner, owner)
        lists_count = request.get("ObjectOwnership") != Ownership.ENFORCED
        if not lists_count and any(grant.user != owner for grant in acl.grants):
            raise S3Error("InvalidBucketAclWithObjectOwnership", _OWNER_ALONE)
        return stored(acl, owner, {})


# Of a bucket these say nothing, and S3 takes no notice of them.
_FOR_OBJECTS = ("bucket-owner-read", BUCKET_OWNER_FULL_CONTROL)


def stored(acl: Acl, owner: str, settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """
    The document of a list that a thing of `owner` gets; None for the private one.

    Raises:
        AccessDenied: the list is public, and the bucket blocks that.
    """
    if acl.is_public and block_of(settings).block_public_acls:
        raise AccessDenied("the bucket's public access block refuses public lists")
    return None if acl == private(owner) else acl.document()


def check_lists_count(settings: Mapping[str, Any]) -> None:
    """
    Raises:
        S3Error: AccessControlListNotSupported: lists mean nothing in this bucket.
    """
    if ownership_of(settings) is Ownership.ENFORCED:
        raise S3Error("AccessControlListNotSupported", _OWNER_ALONE)


def ownership_named(name: Any) -> Ownership:
    """
    Raises:
        S3Error: InvalidArgument: there is no ownership of this name.
    """
    try:
        return Ownership(name)
    except ValueError:
        raise S3Error(
            "InvalidArgument",
            f"ObjectOwnership is one of {', '.join(Ownership)}",
            ArgumentName="x-amz-object-ownership",
            ArgumentValue=str(name)[:200],
        ) from None


def _gives_all_to(wished: WishedAcl, bucket_owner: str) -> bool:
    """Whether it is the one list that says what holds anyway."""
    all_is = (Grant(Permission.FULL_CONTROL, user=bucket_owner),)
    return wished.canned == BUCKET_OWNER_FULL_CONTROL or (
        not wished.canned and wished.grants == all_is
    )


def _invalid(error: InvalidGrant) -> S3Error:
    return S3Error(
        "InvalidArgument", str(error), ArgumentName=error.name, ArgumentValue=error.value[:200]
    )
