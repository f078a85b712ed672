"""
Tags: from a header, from a document, and back.

Source: Amazon S3 User Guide, "Categorizing your storage using tags".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from godos.web.errors import InvalidArgument, InvalidURI, S3Error
from godos.web.s3.call import Request
from godos.web.target import parse_query

MAX_OBJECT_TAGS = 10
MAX_NAME = 128  # characters
MAX_VALUE = 256  # characters

# Letters, digits and spaces of any script, and these.
_TAKEN = re.compile(r"[\w\s+\-=.:/@]*")

Pairs = Iterable[tuple[str, str]]


def checked_tags(pairs: Pairs, most: int = MAX_OBJECT_TAGS) -> dict[str, str]:
    """
    Tags by name.

    Raises:
        S3Error: InvalidTag, with the rule that they break.
    """
    tags: dict[str, str] = {}
    for name, value in pairs:
        if name in tags:
            raise S3Error("InvalidTag", "each tag comes once", TagKey=name)
        _check_text(name, MAX_NAME, "tag's name", name)
        _check_text(value, MAX_VALUE, "tag's value", name)
        if not name:
            raise S3Error("InvalidTag", "a tag has a name")
        if name.lower().startswith("aws:"):
            raise S3Error("InvalidTag", "names that start with aws: are not yours", TagKey=name)
        tags[name] = value
    if len(tags) > most:
        raise S3Error("InvalidTag", f"there are at most {most} tags, not {len(tags)}")
    return tags


def _check_text(text: str, most: int, what: str, name: str) -> None:
    if len(text) > most:
        raise S3Error("InvalidTag", f"a {what} has at most {most} characters", TagKey=name[:most])
    if not _TAKEN.fullmatch(text):
        raise S3Error(
            "InvalidTag",
            f"a {what} is made of letters, digits, spaces and + - = . _ : / @",
            TagKey=name,
        )


def header_tags(request: Request) -> Mapping[str, str]:
    """
    The tags of `x-amz-tagging: a=1&b=2`, percent-encoded; none without it.

    Raises:
        InvalidArgument: it is not percent-encoded UTF-8, or names a tag twice.
        S3Error: InvalidTag, see `checked_tags`.
    """
    text = request.get("Tagging")
    if not text:
        return {}
    try:
        pairs = parse_query(text.replace("+", " ").encode("utf-8")).pairs
    except InvalidURI as error:
        raise _bad_header() from error
    if len({name for name, _ in pairs}) < len(pairs):
        raise _bad_header()
    return checked_tags(pairs)


def _bad_header() -> InvalidArgument:
    return InvalidArgument("x-amz-tagging is written a=1&b=2, percent-encoded UTF-8, each tag once")


def document_tags(tag_set: Sequence[Request] | None, most: int = MAX_OBJECT_TAGS) -> dict[str, str]:
    """
    The tags of a `TagSet`.

    Raises:
        S3Error: MalformedXML when a tag lacks name or value; InvalidTag.
    """
    if tag_set is None:
        raise S3Error("MalformedXML", "the document has no TagSet")
    if any("Key" not in tag or "Value" not in tag for tag in tag_set):
        raise S3Error("MalformedXML", "each Tag has a Key and a Value")
    return checked_tags(((tag["Key"], tag["Value"]) for tag in tag_set), most)


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a `TagSet`, in the order of their names."""
    return [{"Key": name, "Value": tags[name]} for name in sorted(tags)]
