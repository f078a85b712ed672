"""What the headers of an upload say, read in one pass, before its body is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from attrs import define, field

from godos.model.errors import BadDigest, EntityTooLarge, InvalidRequest, PreconditionFailed
from godos.model.objects import PutRequest
from godos.model.versions import UNCONDITIONAL, Attributes, WriteCondition
from godos.web import digests
from godos.web.errors import (
    ExpectationFailed,
    InvalidArgument,
    MetadataTooLarge,
    MissingContentLength,
    UnsupportedFeature,
)
from godos.web.exchange import Headers, IExchange
from godos.web.headers import META, STORED, parse_etags

# Source of the limits: Amazon S3 User Guide, "Uploading objects" and "Working with
# object metadata" (user metadata 2 KB in all, headers of a PUT 8 KB in all).
MAX_SINGLE_PUT = 5 << 30  # bytes
MAX_METADATA = 2 << 10  # bytes of names and values, without the prefix
MAX_STORED = 8 << 10  # bytes of stored standard headers

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ANY = WriteCondition(if_none_match_any=True)


@define
class _Draft:
    """What was read of an upload's headers so far."""

    headers: dict[str, str] = field(factory=dict)
    metadata: dict[str, str] = field(factory=dict)
    metadata_size: int = 0
    stored_size: int = 0
    md5: bytes | None = None
    sha256: bytes | None = None
    if_match: str | None = None
    if_none_match_any: bool = False

    @property
    def condition(self) -> WriteCondition:
        if self.if_match is None:
            return _ANY if self.if_none_match_any else UNCONDITIONAL
        if self.if_none_match_any:
            raise InvalidRequest("If-Match and If-None-Match: * cannot both hold; send one")
        return WriteCondition(if_match=self.if_match)

    def announce(self, algorithm: str, digest: bytes) -> None:
        """Take a digest that the body must have; no body has two different ones."""
        if getattr(self, algorithm) not in (None, digest):
            raise BadDigest(f"two headers announce different {algorithm} digests")
        setattr(self, algorithm, digest)


_Reader = Callable[[_Draft, bytes, bytes], None]


def put_request(headers: Headers) -> PutRequest:
    """
    What an upload asks for, beside the name.

    Raises:
        UnsupportedFeature: a header asks for something that would silently not be done.
        InvalidDigest, InvalidArgument, MetadataTooLarge, …: a header makes no sense.
    """
    draft = _read(headers, _PUT)
    attributes = Attributes(draft.headers, draft.metadata)
    return PutRequest(attributes, draft.md5, draft.sha256, draft.condition)


def write_condition(headers: Headers) -> WriteCondition:
    """
    The precondition of a DELETE, or of any other write.

    Raises:
        UnsupportedFeature: a condition that cannot be kept.
    """
    return _read(headers, _CONDITIONS).condition


def refuse_unsupported(headers: Headers) -> None:
    """
    Refuse to make a bucket with properties that it would silently not have.

    Raises:
        UnsupportedFeature: a header asks for one.
    """
    _read(headers, _BUCKET)


def check_length(exchange: IExchange) -> None:
    """
    Refuse an upload whose length alone makes it impossible.

    Raises:
        MissingContentLength, EntityTooLarge: see there.
    """
    length = exchange.body.length
    if length:
        if length > MAX_SINGLE_PUT:
            raise EntityTooLarge(f"one PUT takes at most {MAX_SINGLE_PUT} bytes, not {length}")
    elif (
        length == 0
        and exchange.header(b"content-length") is None
        and exchange.header(b"transfer-encoding") is None
    ):
        raise MissingContentLength("the length of the body is not known")


def check_expectation(exchange: IExchange) -> None:
    """
    Refuse expectations other than `100-continue`, which any letters may spell.

    Raises:
        ExpectationFailed: there is another one.
    """
    expect = exchange.header(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise ExpectationFailed("the only expectation that is understood is 100-continue")


def _read(headers: Headers, readers: Mapping[bytes, _Reader]) -> _Draft:
    draft = _Draft()
    for name, value in headers:
        reader = readers.get(name)
        if reader is not None:
            reader(draft, name, value)
        elif name.startswith(META) and readers is _PUT:
            _metadata(draft, name, value)
    return draft


def _text(name: bytes, value: bytes) -> str:
    if _CONTROL.search(value):
        raise InvalidArgument(f"the header {name.decode()} holds a control character")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"the header {name.decode()} is not UTF-8") from error


def _metadata(draft: _Draft, name: bytes, value: bytes) -> None:
    short = _text(META, name[len(META) :])
    if not short:
        raise InvalidArgument("a metadata header has a name: x-amz-meta-<name>")
    text = _text(name, value)
    # S3 joins repeated ones like this.
    draft.metadata[short] = f"{draft.metadata[short]},{text}" if short in draft.metadata else text
    draft.metadata_size += len(short.encode("utf-8")) + len(value)
    if draft.metadata_size > MAX_METADATA:
        raise MetadataTooLarge(
            f"the x-amz-meta- headers have more than {MAX_METADATA} bytes in all"
        )


def _stored(draft: _Draft, name: bytes, value: bytes) -> None:
    draft.stored_size += len(value)
    if draft.stored_size > MAX_STORED:
        raise MetadataTooLarge(f"the headers to keep have over {MAX_STORED} bytes in all")
    key, text = name.decode(), _text(name, value)
    draft.headers[key] = f"{draft.headers[key]}, {text}" if key in draft.headers else text


def _content_encoding(draft: _Draft, name: bytes, value: bytes) -> None:
    if b"aws-chunked" in value.lower():
        raise UnsupportedFeature(digests.NO_AWS_CHUNKED)
    _stored(draft, name, value)


def _aws_chunked(_: _Draft, __: bytes, ___: bytes) -> None:
    raise UnsupportedFeature(digests.NO_AWS_CHUNKED)


def _announced(draft: _Draft, name: bytes, value: bytes) -> None:
    for algorithm, digest in digests.READERS[name](name, value):
        draft.announce(algorithm, digest)


# -- conditions ------------------------------------------------------------------------
def _if_match(draft: _Draft, _: bytes, value: bytes) -> None:
    tags = parse_etags(value, weak=False)
    if not tags:  # only weak ones came, and those never match
        raise PreconditionFailed("If-Match on a write takes a strong ETag")
    if len(tags) > 1:
        raise UnsupportedFeature("If-Match on a write takes one ETag, or *")
    draft.if_match = tags[0]


def _if_none_match(draft: _Draft, _: bytes, value: bytes) -> None:
    if value != b"*":
        raise UnsupportedFeature("If-None-Match on a write takes * only")
    draft.if_none_match_any = True


# -- what must not be ignored ------------------------------------------------------------
def _refuse(_: _Draft, name: bytes, __: bytes) -> None:
    raise UnsupportedFeature(f"the header {name.decode()} is not supported here; leave it out")


def _only(*taken: bytes) -> _Reader:
    def check(draft: _Draft, name: bytes, value: bytes) -> None:
        if value not in taken:
            _refuse(draft, name, value)

    return check


def _content_range(_: _Draft, __: bytes, ___: bytes) -> None:
    # Source: RFC 9110, section 14.5: a part must not be stored as if it were the whole.
    raise InvalidRequest("objects are written whole; leave out Content-Range")


_CONDITIONS: Mapping[bytes, _Reader] = {
    b"if-match": _if_match,
    b"if-none-match": _if_none_match,
    b"if-unmodified-since": _refuse,
    b"x-amz-if-match-last-modified-time": _refuse,
    b"x-amz-if-match-size": _refuse,
    b"x-amz-expected-bucket-owner": _refuse,
}

# Ignoring one of these would lose something that the client counts on.
_REFUSED = (
    b"x-amz-copy-source",
    b"x-amz-tagging",
    b"x-amz-website-redirect-location",
    b"x-amz-write-offset-bytes",
    b"x-amz-grant-full-control",
    b"x-amz-grant-read",
    b"x-amz-grant-read-acp",
    b"x-amz-grant-write-acp",
    b"x-amz-object-lock-mode",
    b"x-amz-object-lock-retain-until-date",
    b"x-amz-object-lock-legal-hold",
    b"x-amz-server-side-encryption",
    b"x-amz-server-side-encryption-aws-kms-key-id",
    b"x-amz-server-side-encryption-context",
    b"x-amz-server-side-encryption-bucket-key-enabled",
    b"x-amz-server-side-encryption-customer-algorithm",
    b"x-amz-server-side-encryption-customer-key",
    b"x-amz-server-side-encryption-customer-key-md5",
)

_BUCKET: Mapping[bytes, _Reader] = {
    b"x-amz-acl": _only(b"private"),
    b"x-amz-bucket-object-lock-enabled": _only(b"false", b"False"),
    b"x-amz-grant-write": _refuse,
    **{name: _refuse for name in _REFUSED if name.startswith(b"x-amz-grant-")},
}

_PUT: Mapping[bytes, _Reader] = {
    **_CONDITIONS,
    **{name.encode(): _stored for name in STORED},
    b"content-encoding": _content_encoding,
    b"x-amz-decoded-content-length": _aws_chunked,
    b"x-amz-trailer": _aws_chunked,
    **dict.fromkeys(digests.READERS, _announced),
    b"content-range": _content_range,
    b"x-amz-acl": _only(b"private", b"bucket-owner-full-control"),
    b"x-amz-storage-class": _only(b"STANDARD"),
    **dict.fromkeys(_REFUSED, _refuse),
}
