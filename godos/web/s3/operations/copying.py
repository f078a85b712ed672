"""The operation that copies an object, and the sources of copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from godos.model.errors import (
    AccessDenied,
    GodosError,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchKey,
    NoSuchVersion,
    NotModified,
    PreconditionFailed,
)
from godos.model.objects import ByteRange, CopyRequest, CopySource, GetRequest, IObjects
from godos.model.objects import Permit as VersionPermit
from godos.model.versions import Attributes, ObjectVersion
from godos.web.access import Action
from godos.web.errors import InvalidArgument
from godos.web.s3.call import Call, Permit, Request, Result, Route, Table
from godos.web.s3.operations.attribute_members import (
    REDIRECT,
    new_attributes,
    refuse_unsupported,
)
from godos.web.s3.operations.checksum_members import algorithm_of, checksum_members
from godos.web.s3.operations.conditions import read_condition, write_condition
from godos.web.s3.operations.encryption_members import (
    customer_key,
    encryption_members,
    encryption_of,
)
from godos.web.s3.operations.leave import allow_extras, allow_new
from godos.web.s3.operations.naming import SourceName, source_name
from godos.web.s3.operations.owners import Ownership
from godos.web.s3.operations.version_members import quoted

_COPY, _REPLACE = "COPY", "REPLACE"

# What makes a copy of an object onto itself a change of it.
_CHANGES = (
    "StorageClass",
    "WebsiteRedirectLocation",
    "ServerSideEncryption",
    "SSECustomerAlgorithm",
    "ChecksumAlgorithm",
)


class CopyOperations:
    """
    Args:
        ownership: who will own the copy, and its ACL.
        now: seconds since the epoch.
    """

    def __init__(self, objects: IObjects, ownership: Ownership, now: Callable[[], float]) -> None:
        self._objects = objects
        self._ownership = ownership
        self._now = now

    def table(self) -> Table:
        """The operations by their names."""
        return {"CopyObject": Route(self.copy_object, Action.PUT)}

    async def copy_object(self, call: Call, request: Request) -> Result:
        """Make an object of another's bytes."""
        refuse_unsupported(call.exchange, request)
        name, target = source_name(request), call.target
        if "AnnotationDirective" in request:
            raise InvalidRequest("x-amz-object-annotation-directive is not supported here")
        _refuse_no_change(call, request, name)
        source, permit = await copy_source(call, request, name)
        condition = write_condition(request)
        wanted = CopyRequest(
            attributes=await self._attributes(call, request, name),
            condition=condition,
            encryption=encryption_of(request),
            checksum=algorithm_of(request["ChecksumAlgorithm"])
            if "ChecksumAlgorithm" in request
            else "",
        )
        try:
            copied, made = await self._objects.copy(source, target.bucket, target.key, wanted)
        except (NoSuchKey, NoSuchVersion):
            if condition.if_match is None:  # else it may be the copy that there is none of
                permit.absent()
            raise
        except (NotModified, MethodNotAllowed) as error:
            raise not_copied(error) from error
        return _told(copied, made)

    async def _attributes(
        self, call: Call, request: Request, name: SourceName
    ) -> Callable[[ObjectVersion], Attributes]:
        """Makes the copy's attributes from the source's, as the directives say."""
        new_metadata = _directive(request, "MetadataDirective") == _REPLACE
        new_tags = _directive(request, "TaggingDirective") == _REPLACE
        if "Tagging" in request and not new_tags:
            raise InvalidRequest("x-amz-tagging needs x-amz-tagging-directive: REPLACE")
        await allow_extras(call, request)
        may_take_tags = None if new_tags else await _may_take_tags(call, name)
        owner, acl = await self._ownership.of_upload(call, request)
        asked = new_attributes(request, owner, acl, self._now())

        def attributes(source: ObjectVersion) -> Attributes:
            kept, made = source.attributes, asked
            if not new_metadata:
                headers = {n: v for n, v in kept.headers.items() if n != REDIRECT}
                if REDIRECT in asked.headers:
                    headers[REDIRECT] = asked.headers[REDIRECT]
                made = evolve(made, headers=headers, metadata=kept.metadata)
            if may_take_tags is not None and kept.tags:
                may_take_tags(source)
                made = evolve(made, tags=kept.tags)
            return made

        return attributes


async def _may_take_tags(call: Call, name: SourceName) -> VersionPermit:
    """
    Raises AccessDenied when the caller may not read the source's tags or tag the copy.

    It is asked now and told later, for only the source's version tells if it has tags.
    """
    action = Action.GET_TAGGING if name.version_id is None else Action.GET_VERSION_TAGGING
    try:
        permit = await call.allow(action, name.bucket, name.key, name.version_id)
        await allow_new(call, Action.PUT_TAGGING)
    except AccessDenied as error:
        refusal = error

        def refuse(_: ObjectVersion) -> None:
            raise refusal

        return refuse
    return permit.version


async def copy_source(
    call: Call, request: Request, name: SourceName, wanted: ByteRange | None = None
) -> tuple[CopySource, Permit]:
    """
    The source of a copy, and the permit to read it.

    Args:
        wanted: of which bytes.

    Raises:
        AccessDenied: the caller may not read it.
    """
    action = Action.GET if name.version_id is None else Action.GET_VERSION
    permit = await call.allow(action, name.bucket, name.key, name.version_id)
    return (
        CopySource(
            name.bucket,
            name.key,
            GetRequest(
                version_id=name.version_id,
                range=wanted,
                condition=read_condition(request, "CopySource"),
                customer_key=customer_key(request, "CopySource"),
                permit=permit.version,
            ),
        ),
        permit,
    )


def not_copied(error: NotModified | MethodNotAllowed) -> GodosError:
    """Why a source that could not be read was not copied."""
    if isinstance(error, NotModified):
        return PreconditionFailed("the source is the one that the client has")
    return InvalidRequest("the source of a copy is a delete marker; name another version")


def _directive(request: Request, member: str) -> str:
    directive: str = request.get(member, _COPY)
    if directive not in (_COPY, _REPLACE):
        raise InvalidArgument(f"a directive is {_COPY} or {_REPLACE}, not {directive[:40]}")
    return directive


def _refuse_no_change(call: Call, request: Request, name: SourceName) -> None:
    target = call.target
    if (name.bucket, name.key, name.version_id) != (target.bucket, target.key, None):
        return
    if _REPLACE in (request.get("MetadataDirective"), request.get("TaggingDirective")):
        return
    if any(member in request for member in _CHANGES):
        return
    raise InvalidRequest(
        "this would copy an object onto itself without changing its metadata, tags, storage "
        "class, website redirect location, checksum or encryption"
    )


def copied_version_members(source: ObjectVersion) -> dict[str, Any]:
    """Which version was copied, where there are several."""
    return {} if source.is_null else {"CopySourceVersionId": source.version_id}


def _told(source: ObjectVersion, made: ObjectVersion) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "CopyObjectResult": {
            "ETag": quoted(made.etag),
            "LastModified": made.modified,
            **checksum_members(made.checksums, made.checksum_type),
        },
        **copied_version_members(source),
        **encryption_members(made.attributes.encryption),
    }
    if not made.is_null:
        told["VersionId"] = made.version_id
    return told
