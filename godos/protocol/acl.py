"""
Access control lists as requests write them, and what they permit.

Three ways to write one: a canned list by its name, grants in headers, and a document.
Source: Amazon S3 User Guide, "Access control list (ACL) overview".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import frozen

from godos.model.acl import GROUPS, LOG_DELIVERY, MAX_GRANTS, Acl, Grant, Permission
from godos.model.errors import InvalidRequest
from godos.model.users import ALL_USERS, AUTHENTICATED_USERS

_READ, _WRITE, _FULL = Permission.READ, Permission.WRITE, Permission.FULL_CONTROL


class MalformedAcl(InvalidRequest):
    """A document is no access control list; `str()` says why."""


class InvalidGrant(InvalidRequest):
    """
    A grant, or the name of a canned list, makes no sense.

    `name` and `value` are those of the argument that does not.
    """

    def __init__(self, message: str, name: str, value: str) -> None:
        super().__init__(message)
        self.name = name
        self.value = value


class Kind(StrEnum):
    """How a request names whom it grants something to."""

    ID = "id"
    EMAIL = "emailAddress"
    GROUP = "uri"


@frozen
class Wish:
    """A grant as a request asks for it, before it is known who that is."""

    permission: Permission
    kind: Kind
    name: str


# -- canned lists ------------------------------------------------------------------------
_FOR_GROUPS: Mapping[str, tuple[Grant, ...]] = {
    "private": (),
    "public-read": (Grant(_READ, group=ALL_USERS),),
    "public-read-write": (Grant(_READ, group=ALL_USERS), Grant(_WRITE, group=ALL_USERS)),
    "authenticated-read": (Grant(_READ, group=AUTHENTICATED_USERS),),
    "aws-exec-read": (),  # for images of machines that AWS starts: nobody of that name is here
    "log-delivery-write": (
        Grant(_WRITE, group=LOG_DELIVERY),
        Grant(Permission.READ_ACP, group=LOG_DELIVERY),
    ),
}
_FOR_BUCKET_OWNER = {"bucket-owner-read": _READ, "bucket-owner-full-control": _FULL}
BUCKET_OWNER_FULL_CONTROL = "bucket-owner-full-control"


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """
    A canned list, for a thing of `owner` in a bucket of `bucket_owner`.

    Raises:
        InvalidGrant: there is none of this name.
    """
    grants = [*_FOR_GROUPS.get(name, ()), Grant(_FULL, user=owner)]
    if name in _FOR_BUCKET_OWNER:
        if bucket_owner != owner:
            grants.append(Grant(_FOR_BUCKET_OWNER[name], user=bucket_owner))
    elif name not in _FOR_GROUPS:
        raise InvalidGrant(
            f"there is no canned list {name[:80]!r}; there are "
            + ", ".join((*_FOR_GROUPS, *_FOR_BUCKET_OWNER)),
            "x-amz-acl",
            name,
        )
    return Acl(tuple(grants))


# -- grants in headers -------------------------------------------------------------------
# The members of requests by what they grant, in the order in which they are shown.
GRANT_MEMBERS: Mapping[str, tuple[Permission, str]] = {
    "GrantRead": (_READ, "x-amz-grant-read"),
    "GrantWrite": (_WRITE, "x-amz-grant-write"),
    "GrantReadACP": (Permission.READ_ACP, "x-amz-grant-read-acp"),
    "GrantWriteACP": (Permission.WRITE_ACP, "x-amz-grant-write-acp"),
    "GrantFullControl": (_FULL, "x-amz-grant-full-control"),
}
_GRANTEE = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^",]*))\s*')
_KINDS = {kind.value.lower(): kind for kind in Kind}


def has_grants(request: Mapping[str, Any]) -> bool:
    """Whether a request writes grants in its headers."""
    return any(member in request for member in GRANT_MEMBERS)


def header_wishes(request: Mapping[str, Any]) -> tuple[Wish, ...]:
    """
    The grants of a request's headers, such as `id="…", uri="…"`.

    Args:
        request: a request with S3's member names (`GrantRead`, …).

    Raises:
        InvalidGrant: one cannot be read.
    """
    return tuple(
        wish
        for member, (permission, header) in GRANT_MEMBERS.items()
        if member in request
        for wish in _grantees(request[member], permission, header)
    )


def _grantees(text: str, permission: Permission, header: str) -> Iterator[Wish]:
    place = 0
    while True:
        match = _GRANTEE.match(text, place)
        kind = _KINDS.get(match[1].lower()) if match else None
        name = ((match[2] or match[3] or "").strip()) if match else ""
        ended = match is not None and (match.end() == len(text) or text[match.end()] == ",")
        if match is None or kind is None or not name or not ended:
            raise InvalidGrant(
                'a grant is written id="…", emailAddress="…" or uri="…", several with commas',
                header,
                text,
            )
        yield Wish(permission, kind, name)
        if match.end() == len(text):
            return
        place = match.end() + 1


# -- documents ---------------------------------------------------------------------------
_TYPES = {
    "CanonicalUser": (Kind.ID, "ID"),
    "AmazonCustomerByEmail": (Kind.EMAIL, "EmailAddress"),
    "Group": (Kind.GROUP, "URI"),
}


def document_wishes(document: Mapping[str, Any]) -> tuple[str, tuple[Wish, ...]]:
    """
    The owner's id and the grants of an `AccessControlPolicy` of a request.

    Raises:
        MalformedAcl: it is none.
    """
    owner = document.get("Owner", {}).get("ID")
    if not owner:
        raise MalformedAcl("the list names no Owner with an ID")
    grants = document.get("Grants", [])
    if len(grants) > MAX_GRANTS:
        raise MalformedAcl(f"a list has at most {MAX_GRANTS} grants")
    return owner, tuple(_wish(grant) for grant in grants)


def _wish(grant: Mapping[str, Any]) -> Wish:
    grantee = grant.get("Grantee", {})
    kind = grantee.get("Type")
    if kind not in _TYPES:
        raise MalformedAcl(f"a Grantee's xsi:type is one of {', '.join(_TYPES)}")
    read, member = _TYPES[kind]
    if not grantee.get(member):
        raise MalformedAcl(f"a Grantee of the type {kind} has {member}")
    try:
        return Wish(Permission(grant.get("Permission", "")), read, grantee[member])
    except ValueError:
        raise MalformedAcl(f"a Permission is one of {', '.join(Permission)}") from None


def check_group(uri: str, argument: str = "Group/URI") -> str:
    """
    The URI of a group that there is.

    Raises:
        InvalidGrant: there is none.
    """
    if uri not in GROUPS:
        raise InvalidGrant("there is no such group; there are " + ", ".join(GROUPS), argument, uri)
    return uri


def rendered(acl: Acl, name_of: Callable[[str], str]) -> Sequence[Mapping[str, Any]]:
    """
    `Grants` of an answer, those of groups first.

    Args:
        name_of: the display name of a user, or "".
    """
    ordered = sorted(acl.grants, key=lambda grant: not grant.group)
    return [
        {"Grantee": _grantee(grant, name_of), "Permission": grant.permission.value}
        for grant in ordered
    ]


def _grantee(grant: Grant, name_of: Callable[[str], str]) -> Mapping[str, str]:
    if grant.group:
        return {"Type": "Group", "URI": grant.group}
    name = name_of(grant.user)
    named = {"DisplayName": name} if name else {}
    return {"Type": "CanonicalUser", "ID": grant.user, **named}
