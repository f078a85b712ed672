"""
A document that configures a bucket: kept as S3's members, and given back as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attrs import frozen

from godos.model.errors import GodosError
from godos.model.objects import IBuckets
from godos.web.errors import S3Error
from godos.web.s3.call import Request

Document = Mapping[str, Any]


@frozen
class Documents:
    """
    The documents of one kind, one of each bucket.

    Args:
        name: under which the catalog has them.
    """

    objects: IBuckets
    name: str

    async def find(self, bucket: str) -> Any:
        """The document of a bucket; None when it has none.  Fails: NoSuchBucket."""
        return (await self.objects.settings(bucket)).get(self.name)

    async def get(self, bucket: str, absent: Callable[[str], GodosError]) -> Any:
        """The document of a bucket; fails with `absent(bucket)` when it has none."""
        document = await self.find(bucket)
        if document is None:
            raise absent(bucket)
        return document

    async def put(self, bucket: str, document: Any) -> None:
        """Replace it.  Fails: NoSuchBucket."""
        await self.objects.set_setting(bucket, self.name, document)

    async def delete(self, bucket: str) -> None:
        """Remove it, if there is one.  Fails: NoSuchBucket."""
        await self.objects.set_setting(bucket, self.name, None)


def absence(code: str, what: str) -> Callable[[str], S3Error]:
    """The error of a bucket without a document; `what` names it for a person."""
    return lambda bucket: S3Error(code, f"the bucket {bucket} has no {what}", BucketName=bucket)


def payload(request: Request, member: str) -> Document:
    """The document of a request, which must have brought one."""
    document: Document | None = request.get(member)
    if document is None:
        raise S3Error("MissingRequestBodyError", f"the request's body is a {member}")
    return document


# -- what all documents are checked for ----------------------------------------------------
def malformed(message: str) -> S3Error:
    """A document that is not of S3's form; `message` tells what to change."""
    return S3Error("MalformedXML", message)


def wrong_argument(message: str, name: str, value: Any) -> S3Error:
    """A document of S3's form with a value that makes no sense."""
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=str(value)[:200])


def one_of(document: Document, member: str, values: Collection[str]) -> str:
    """
    The text of `member`, which must be there.

    Raises:
        S3Error: MalformedXML: it is not there, or none of `values`.
    """
    value = document.get(member)
    if value not in values:
        raise malformed(f"{member} is one of {', '.join(values)}")
    return str(value)


def some(document: Document, member: str, most: int) -> Sequence[Any]:
    """
    The list `member` of 1 to `most` entries.

    Raises:
        S3Error: MalformedXML: it has another number.
    """
    entries: Sequence[Any] = document.get(member) or ()
    if not 1 <= len(entries) <= most:
        raise malformed(f"{member} has 1 to {most} entries, and not {len(entries)}")
    return entries


def check_unique(values: Sequence[str], what: str) -> None:
    """
    Raises:
        S3Error: InvalidArgument: one comes twice.
    """
    seen = set()
    for value in values:
        if value in seen:
            raise wrong_argument(f"each {what} must be unique, and {value!r} is not", what, value)
        seen.add(value)
