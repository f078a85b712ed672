"""What an operation is given, and how it is registered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, frozen

from godos.model.bodies import IBody
from godos.model.multipart import MultipartUpload
from godos.model.users import Principal
from godos.model.versions import ObjectVersion
from godos.web.access import Action
from godos.web.answers import Answer
from godos.web.exchange import IExchange
from godos.web.target import Target

if TYPE_CHECKING:
    from godos.web.s3.callers import Caller

Request = Mapping[str, Any]  # members of S3's description -> values
Result = Mapping[str, Any] | Answer | None


class Permit(Protocol):
    """
    The part of a decision that waits for the object.

    Unless it is `settled` an operation must show its object before it answers.
    """

    @property
    def settled(self) -> bool:
        """Whether nothing waits for the object."""

    def version(self, version: ObjectVersion, /) -> None:
        """Raises AccessDenied when this version's ACL or tags forbid it."""

    def upload(self, upload: MultipartUpload, /) -> None:
        """Raises AccessDenied when it takes having begun this upload, and another did."""

    def created(self) -> None:
        """Raises AccessDenied when the object is only being made, and that is not enough."""

    def absent(self) -> None:
        """Raises AccessDenied when the caller may not know that a key does not exist."""


class _HoldsNothingBack:
    """The permit of who needs to be asked no more."""

    settled = True

    def version(self, version: ObjectVersion, /) -> None:
        """Any will do."""

    def upload(self, upload: MultipartUpload, /) -> None:
        """Any will do."""

    def created(self) -> None:
        """Any will do."""

    def absent(self) -> None:
        """That is no secret."""


HOLDS_NOTHING_BACK: Permit = _HoldsNothingBack()


class Allow(Protocol):
    """
    Ask whether the caller of this request may do one more thing.

    Raises:
        AccessDenied: they may not.
    """

    async def __call__(
        self, action: Action, bucket: str = "", key: str = "", version_id: str | None = None
    ) -> Permit: ...


@define(eq=False)
class Call:
    """
    One request: its names read, its caller known and allowed to do the route's action.

    `caller.body` is the body as it is to be stored: decoded, and checked against the
    signature while it passes.
    """

    exchange: IExchange
    target: Target
    operation: str
    caller: Caller
    permit: Permit
    allow: Allow

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.caller.principal

    @property
    def body(self) -> IBody:
        """The decoded body."""
        return self.caller.body

    @property
    def version_id(self) -> str | None:
        """The version that the request names, None for the latest."""
        return self.target.query.one("versionId")


Function = Callable[[Call, Any], Awaitable[Result]]


@frozen
class Route:
    """
    An operation of ours, and what its caller must be allowed to do.

    `action` None: the operation itself asks `call.allow`.  `with_version` is the action
    when the request names a version.
    """

    function: Function
    action: Action | None
    with_version: Action | None = None


Table = Mapping[str, Route]  # by the operation's name
