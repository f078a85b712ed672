"""Which version is meant, and which object is copied."""

from __future__ import annotations

from attrs import frozen

from godos.model.names import bucket_name, object_key
from godos.model.objects import GetRequest
from godos.web.errors import InvalidArgument, InvalidURI
from godos.web.s3.call import Call, Request
from godos.web.target import unquote

_VERSION = "?versionId="


def version_id_of(request: Request) -> str | None:
    """
    The version that a request names, None for the latest.

    Raises:
        InvalidArgument: it is empty.
    """
    version_id: str | None = request.get("VersionId")
    if version_id == "":
        raise InvalidArgument("versionId is empty; name a version, or leave it out")
    return version_id


def attributes_request(call: Call, request: Request) -> GetRequest:
    """A read of what belongs to a version beside its bytes."""
    return GetRequest(version_id_of(request), attributes_only=True, permit=call.permit.version)


@frozen
class SourceName:
    """`version_id` None: the latest."""

    bucket: str
    key: str
    version_id: str | None


def source_name(request: Request) -> SourceName:
    """
    Read `x-amz-copy-source: /<bucket>/<key>?versionId=<id>`, percent-encoded; the first
    slash may be left out.

    Raises:
        InvalidArgument: it has another form.
        InvalidBucketName, InvalidKey, KeyTooLong: it names nothing.
    """
    text: str = request["CopySource"]
    path, found, version_id = text.partition(_VERSION)
    if found and (not version_id or "&" in version_id):
        raise InvalidArgument("x-amz-copy-source has no version after versionId=")
    bucket, slash, key = path.removeprefix("/").partition("/")
    if not slash:
        bucket, slash, key = _split_encoded(path)
    try:
        names = unquote(bucket.encode("utf-8")), unquote(key.encode("utf-8"))
    except InvalidURI as error:
        raise InvalidArgument(f"x-amz-copy-source: {error}") from error
    if not names[1]:
        raise InvalidArgument("x-amz-copy-source is written /<bucket>/<key>, percent-encoded")
    return SourceName(
        bucket_name(names[0].decode("utf-8", "replace")),
        object_key(names[1]),
        unquote(version_id.encode("utf-8")).decode("utf-8", "replace") if found else None,
    )


def _split_encoded(path: str) -> tuple[str, str, str]:
    """Some clients encode the slashes, too."""
    for slash in ("%2F", "%2f"):
        bucket, found, key = path.removeprefix(slash).partition(slash)
        if found:
            return bucket, found, key
    return path, "", ""
