"""Whose new objects are, and owners as answers tell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from godos.model.objects import IObjects
from godos.model.users import OPEN, ICredentials
from godos.web.access import Action
from godos.web.s3.acls import Acls
from godos.web.s3.call import Call, Request
from godos.web.s3.operations.leave import allow_new

_LISTS = frozenset(
    (
        "ACL",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWriteACP",
    )
)


class Ownership:
    """Whose the objects are that uploads make, and which access control lists they get."""

    def __init__(self, objects: IObjects, acls: Acls) -> None:
        self._objects = objects
        self._acls = acls

    async def of_upload(self, call: Call, request: Request) -> tuple[str, Mapping[str, Any] | None]:
        """
        The owner's id ("" is the bucket's owner), and the list's document (None: private).

        A list that lets others in takes the permission to write one.  Source: Amazon S3 API
        Reference, PutObject, "Permissions".

        Raises: AccessDenied: the caller has it not.  Else see `Acls.of_upload`.
        """
        if call.principal is OPEN and _LISTS.isdisjoint(request):
            return "", None  # nobody is anybody here, and so nothing needs to be read
        name = call.target.bucket
        bucket, settings = await self._objects.bucket(name), await self._objects.settings(name)
        owner, acl = await self._acls.of_upload(request, call.principal, bucket, settings)
        if acl is not None:
            await allow_new(call, Action.PUT_ACL)
        return owner, acl


class Owners:
    """Users by their ids, with the names that people know them by."""

    def __init__(self, credentials: ICredentials) -> None:
        self._credentials = credentials

    async def told(self, user_id: str) -> dict[str, str]:
        """As an `Owner` or `Initiator`; who is gone or never had a name has only an id."""
        user = await self._credentials.by_id(user_id)
        return {"ID": user_id} if user is None else {"ID": user_id, "DisplayName": user.name}
