"""The body of an upload, of an object or of a part, and what its request says of it."""

from __future__ import annotations

from functools import partial

from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge
from godos.model.objects import PutRequest
from godos.model.versions import PLAIN, UNCONDITIONAL, Attributes, WriteCondition
from godos.web.bounded import BoundedBody
from godos.web.errors import MissingContentLength
from godos.web.s3.call import Call, Request
from godos.web.s3.operations.checksum_members import announced, trailing_digests
from godos.web.s3.operations.encryption_members import encryption_of

# Source: Amazon S3 User Guide, "Uploading objects"; the same for a part.
EVENTS = {False: "ObjectCreated:Put", True: "ObjectCreated:Post"}  # True: by a browser's form
MAX_SINGLE_PUT = 5 << 30  # bytes


def upload_body(call: Call) -> IBody:
    """
    The body, which fails when more comes of it than one upload may have.

    Raises:
        MissingContentLength: nothing tells where it ends.
        EntityTooLarge: its announced length is too large.
    """
    # what is stored is hashed anyway: `upload_request` says which SHA-256 was signed
    body, exchange = call.caller.unverified_body, call.exchange
    length = body.length
    if length is None:
        return BoundedBody(body, MAX_SINGLE_PUT)
    if length > MAX_SINGLE_PUT:
        raise EntityTooLarge(f"one PUT takes at most {MAX_SINGLE_PUT} bytes, not {length}")
    if (
        length == 0
        and exchange.header(b"content-length") is None
        and exchange.header(b"transfer-encoding") is None
    ):
        raise MissingContentLength("the length of the body is not known")
    return body


def upload_request(
    call: Call,
    request: Request,
    attributes: Attributes = PLAIN,
    condition: WriteCondition = UNCONDITIONAL,
) -> PutRequest:
    """
    What an upload asks for, beside the name.

    Raises:
        InvalidDigest, BadDigest, InvalidRequest, InvalidArgument, …: its members make no
            sense.
    """
    told = announced(call, request)
    return PutRequest(
        attributes=attributes,
        md5=told.md5,
        sha256=told.sha256,
        condition=condition,
        payload_sha256=call.caller.sha256,
        checksums=told.checksums,
        checksum=told.checksum,
        trailing=partial(trailing_digests, call) if told.in_trailer else None,
        encryption=encryption_of(request),
        event=EVENTS[call.caller.by_form],
    )
