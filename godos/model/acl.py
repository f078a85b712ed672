"""
Access control lists: who was granted what on a bucket or an object.

Source: Amazon S3 User Guide, "Access control list (ACL) overview".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

from godos.model.users import ALL_USERS, AUTHENTICATED_USERS

LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS = (ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY)
PUBLIC = (ALL_USERS, AUTHENTICATED_USERS)
FORMAT = 1
MAX_GRANTS = 100


class Permission(StrEnum):
    """What can be granted; `FULL_CONTROL` is all the others."""

    READ = "READ"
    WRITE = "WRITE"
    READ_ACP = "READ_ACP"
    WRITE_ACP = "WRITE_ACP"
    FULL_CONTROL = "FULL_CONTROL"


class UnreadableAcl(ValueError):
    """A stored document is no access control list of a format that is known."""


@frozen
class Grant:
    """`permission` for the user with the canonical id `user`, or for `group`; one is empty."""

    permission: Permission
    user: str = ""
    group: str = ""

    @property
    def is_public(self) -> bool:
        """Whether more or less everybody has it: those who can sign are no closed circle."""
        return self.group in PUBLIC

    def covers(self, wanted: Permission) -> bool:
        """Whether who has it may do what `wanted` stands for."""
        return self.permission in (wanted, Permission.FULL_CONTROL)


@frozen
class Acl:
    """All grants on one thing.  The owner has no grant unless it is written."""

    grants: tuple[Grant, ...]

    @property
    def is_public(self) -> bool:
        """Whether something is granted to everybody."""
        return any(grant.is_public for grant in self.grants)

    def document(self) -> dict[str, Any]:
        """The form that is stored: JSON-able, and `read_acl` reads it."""
        return {"v": FORMAT, "grants": [_grant_document(grant) for grant in self.grants]}


def private(owner: str) -> Acl:
    """What holds where nothing was stored: the owner has everything."""
    return Acl((Grant(Permission.FULL_CONTROL, user=owner),))


def acl_of(document: Mapping[str, Any] | None, owner: str) -> Acl:
    """
    The list of a thing that belongs to `owner`; None is the private one.

    Raises:
        UnreadableAcl: the document is damaged, or of a newer format.
    """
    return private(owner) if document is None else read_acl(document)


def read_acl(document: Mapping[str, Any]) -> Acl:
    """
    Read what `Acl.document` wrote.

    Raises:
        UnreadableAcl: it is none.
    """
    if not isinstance(document, Mapping) or document.get("v") != FORMAT:
        raise UnreadableAcl("an access control list is of a format that is not known here")
    grants = document.get("grants")
    if not isinstance(grants, Iterable):
        raise UnreadableAcl("an access control list has no grants")
    return Acl(tuple(_read_grant(grant) for grant in grants))


def _grant_document(grant: Grant) -> dict[str, str]:
    whom = {"user": grant.user} if grant.user else {"group": grant.group}
    return {"permission": grant.permission.value, **whom}


def _read_grant(document: Any) -> Grant:
    if not isinstance(document, Mapping):
        raise UnreadableAcl("a grant is an object")
    user, group = document.get("user", ""), document.get("group", "")
    if not isinstance(user, str) or not isinstance(group, str) or bool(user) == bool(group):
        raise UnreadableAcl("a grant is for a user, or for a group")
    try:
        return Grant(Permission(document.get("permission", "")), user, group)
    except ValueError as error:
        raise UnreadableAcl("a grant is of a permission that is not known here") from error
