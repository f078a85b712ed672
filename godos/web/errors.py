"""The one table from errors to answers, and the body that tells a client what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from godos.catalog.items import ConditionFailed
from godos.model import errors as model
from godos.model.errors import GodosError, InvalidRequest
from godos.web.s3.codes import STATUSES
from godos.web.s3.xml_text import escape


class InvalidURI(InvalidRequest):
    """The request target cannot be read."""


class InvalidArgument(InvalidRequest):
    """A parameter or header has a value that it cannot have."""


class MetadataTooLarge(InvalidRequest):
    """The metadata of an upload is larger than an object's may be."""


class MissingContentLength(InvalidRequest):
    """An upload says neither how long it is nor that it comes in chunks."""


class UnsupportedFeature(GodosError):
    """The request asks for a part of S3 that this server does not have.  Nothing was done."""


class NoSuchResource(GodosError):
    """There is no admin resource of this name."""


class VerbNotAllowed(GodosError):
    """The resource has no such verb; `allow` lists those that it has."""

    def __init__(self, message: str, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class S3Error(GodosError):
    """
    An error that only S3 has a name for, such as `NoSuchTagSet`.

    Args:
        code: one of `web/s3/codes.py`, which has its status.
        fields: elements of the error's body beside those that every one has, by their
            names in S3 (`ArgumentName`, `BucketName`, `Condition`, …).

    Raises:
        ValueError: there is no such code.
    """

    def __init__(self, code: str, message: str = "", **fields: str | int) -> None:
        super().__init__(message)
        if code not in STATUSES:
            raise ValueError(f"{code} is not among the codes of web/s3/codes.py")
        self.code = code
        self.fields = fields


INTERNAL = (500, "InternalError")
UNAVAILABLE = (503, "ServiceUnavailable")
BUSY = (503, "SlowDown")
FULL = (507, "InsufficientStorage")  # not 503, at which clients send the body again and again

# A subclass that is not listed is answered like its nearest listed ancestor.
ANSWERS: Mapping[type[GodosError], tuple[int, str]] = {
    InvalidRequest: (400, "InvalidRequest"),
    InvalidURI: (400, "InvalidURI"),
    InvalidArgument: (400, "InvalidArgument"),
    MetadataTooLarge: (400, "MetadataTooLarge"),
    MissingContentLength: (411, "MissingContentLength"),
    UnsupportedFeature: (501, "NotImplemented"),
    NoSuchResource: (404, "NoSuchResource"),
    VerbNotAllowed: (405, "MethodNotAllowed"),
    model.InvalidBucketName: (400, "InvalidBucketName"),
    model.InvalidKey: (400, "InvalidURI"),
    model.KeyTooLong: (400, "KeyTooLongError"),
    model.InvalidDigest: (400, "InvalidDigest"),
    model.BadDigest: (400, "BadDigest"),
    model.IncompleteBody: (400, "IncompleteBody"),
    model.BodyStalled: (400, "RequestTimeout"),
    model.EntityTooLarge: (400, "EntityTooLarge"),
    model.InvalidRange: (416, "InvalidRange"),
    model.NoSuchBucket: (404, "NoSuchBucket"),
    model.NoSuchKey: (404, "NoSuchKey"),
    model.NoSuchVersion: (404, "NoSuchVersion"),
    model.MethodNotAllowed: (405, "MethodNotAllowed"),
    model.BucketNotEmpty: (409, "BucketNotEmpty"),
    model.BucketAlreadyExists: (409, "BucketAlreadyExists"),
    model.BucketAlreadyOwnedByYou: (409, "BucketAlreadyOwnedByYou"),
    model.PreconditionFailed: (412, "PreconditionFailed"),
    model.NotModified: (304, "NotModified"),
    model.AccessDenied: (403, "AccessDenied"),
    model.InvalidBucketState: (409, "InvalidBucketState"),
    model.NoSuchUpload: (404, "NoSuchUpload"),
    model.InvalidPart: (400, "InvalidPart"),
    model.InvalidPartOrder: (400, "InvalidPartOrder"),
    model.InvalidPartNumber: (416, "InvalidPartNumber"),
    model.EntityTooSmall: (400, "EntityTooSmall"),
    model.PayloadMismatch: (400, "XAmzContentSHA256Mismatch"),
    model.InvalidEncryption: (400, "InvalidRequest"),
    model.NoSuchEncryptionKey: (400, "KMS.NotFoundException"),
    model.UserExists: (409, "EntityAlreadyExists"),
    model.QuotaExceeded: (403, "QuotaExceeded"),
    model.Unavailable: UNAVAILABLE,
    model.NotEnoughNodes: BUSY,
    model.NodeFull: FULL,
    model.Conflict: BUSY,
    # A missing or damaged fragment never means a missing object.
    model.NoSuchFragment: UNAVAILABLE,
    model.FragmentDamaged: UNAVAILABLE,
    # These have no business in a request: meeting one is a bug.
    model.CannotStart: INTERNAL,
    ConditionFailed: INTERNAL,
    S3Error: INTERNAL,  # never used: each carries its own code
    GodosError: INTERNAL,
}

ADVICE: Mapping[str, str] = {
    "BadDigest": "Nothing was stored. Send the body again.",
    "BucketAlreadyExists": "Choose another name.",
    "BucketAlreadyOwnedByYou": "It is yours: go on and use it.",
    "BucketNotEmpty": "Delete its objects, and all their versions, first.",
    "EntityTooLarge": "Nothing was stored. Send less.",
    "InsufficientStorage": "Nothing was changed. It needs a larger disk, or one more.",
    "IncompleteBody": "Nothing was stored. Send the whole body again.",
    "InternalError": "This is a fault of the server. Give its operator the request id, "
    "under which its log has the details.",
    "InvalidDigest": "Send the base64 of the raw digest, not its hex digits.",
    "InvalidRange": "Ask for bytes below that, or for the whole object.",
    "KeyTooLongError": "Choose a shorter name.",
    "MetadataTooLarge": "Nothing was stored. Keep less in the metadata and more in the object.",
    "MissingContentLength": "Send Content-Length, or Transfer-Encoding: chunked.",
    "NoSuchBucket": "Check its name, or make it with PUT /<bucket>.",
    "NoSuchKey": "Check the name; GET /<bucket>?prefix= lists those that are there.",
    "NoSuchVersion": "GET /<bucket>?versions&prefix= lists those that are there.",
    "PreconditionFailed": "Nothing was changed. Read the object again and decide anew.",
    "RequestTimeout": "Nothing was stored. Send the body again, without long pauses.",
    "ServiceUnavailable": "Try again in a moment.",
    "SlowDown": "Nothing was changed. Try again in a moment.",
}

_NOTHING: Mapping[str, str | int] = {}


def answer_of(error: GodosError) -> tuple[int, str]:
    """Status and S3's code for an error."""
    if isinstance(error, S3Error):
        return STATUSES[error.code], error.code
    return next(ANSWERS[ancestor] for ancestor in type(error).__mro__ if ancestor in ANSWERS)


def sentences(code: str, problem: str) -> str:
    """What went wrong, then what to do about it."""
    problem = problem[:1].upper() + problem[1:]
    if problem and problem[-1] not in ".!?":
        problem += "."
    return " ".join(part for part in (problem, ADVICE.get(code, "")) if part)


def message_of(error: GodosError, code: str) -> str:
    """The message for the client; of a bug it tells nothing but that it is one."""
    return sentences(code, "" if code == INTERNAL[1] else str(error))


def xml_element(name: str, text: str) -> str:
    """An XML element that holds text; what XML 1.0 cannot hold becomes U+FFFD."""
    return f"<{name}>{escape(text)}</{name}>"


def error_fields(error: GodosError) -> Mapping[str, str | int]:
    """What an error says in its body beside code and message."""
    match error:
        case S3Error():
            return error.fields
        case model.PreconditionFailed() if error.condition:
            return {"Condition": error.condition}
    return {}


def error_body(
    code: str,
    message: str,
    resource: str,
    request_id: str,
    as_json: bool,
    more: Mapping[str, str | int] = _NOTHING,
) -> tuple[bytes, bytes]:
    """
    Content-Type and body of an error answer, in S3's form or as JSON with the same names.

    Args:
        more: further elements.

    Source: Amazon S3 API Reference, "REST error responses".
    """
    fields = {"Code": code, "Message": message, **more}
    fields |= {"Resource": resource, "RequestId": request_id}
    if as_json:
        return b"application/json", json.dumps(fields).encode() + b"\n"
    elements = "".join(xml_element(name, str(value)) for name, value in fields.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>\n'
    return b"application/xml", text.encode("utf-8")


def error_headers(error: GodosError) -> list[tuple[bytes, bytes]]:
    """What an error says in the headers of its answer."""
    match error:
        case model.InvalidRange():
            return [(b"Content-Range", b"bytes */%d" % error.size)]
        case model.NoSuchKey() if error.delete_marker is not None:
            return [
                (b"x-amz-delete-marker", b"true"),
                (b"x-amz-version-id", error.delete_marker.encode()),
            ]
        case VerbNotAllowed():
            return [(b"Allow", error.allow.encode())]
        case model.MethodNotAllowed():  # the version asked for is a delete marker
            return [(b"Allow", b"DELETE"), (b"x-amz-delete-marker", b"true")]
        case model.Unavailable() if not isinstance(error, model.NodeFull):
            return [(b"Retry-After", b"1")]
    return []
