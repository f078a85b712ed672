"""
The raw request target: which bucket, which object name, which query.

Names are taken from the bytes on the wire and nothing normalises them: `a//b`, `../x`,
`%2F`, a trailing slash and control characters are names like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from godos.model.names import bucket_name, object_key
from godos.web.errors import InvalidArgument, InvalidURI

_HEX = b"0123456789ABCDEFabcdef"
_BYTES = {bytes((a, b)): bytes((int(chr(a) + chr(b), 16),)) for a in _HEX for b in _HEX}
BUCKETS = "buckets"  # `GET /?buckets` lists the buckets


def unquote(raw: bytes) -> bytes:
    """
    Percent-decode once.  A `+` stays a `+`.

    Raises:
        InvalidURI: a `%` is not followed by two hex digits.
    """
    if b"%" not in raw:
        return raw
    first, *rest = raw.split(b"%")
    decoded = [first]
    for part in rest:
        byte = _BYTES.get(part[:2])
        if byte is None:
            raise InvalidURI("a % in the target is followed by two hex digits; write %25 for a %")
        decoded.append(byte)
        decoded.append(part[2:])
    return b"".join(decoded)


def _text(raw: bytes) -> str:
    try:
        return unquote(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidURI("the target is UTF-8, percent-encoded once") from error


@define
class Query:
    """Parameters in the order they came, repeated ones too; a missing value is empty."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return any(name == given for given, _ in self.pairs)

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def names(self) -> Iterator[str]:
        """The parameters' names in order, repeated ones too."""
        return (name for name, _ in self.pairs)

    def one(self, name: str) -> str | None:
        """
        The value of a parameter that may come at most once; None when it did not come.

        Raises:
            InvalidArgument: it came more than once, and so says two things.
        """
        values = [value for given, value in self.pairs if given == name]
        if len(values) > 1:
            raise InvalidArgument(f"the parameter {name} came {len(values)} times; send it once")
        return values[0] if values else None


_NO_QUERY = Query()


def parse_query(raw: bytes) -> Query:
    """
    Read `a=1&b&c=x+y`: percent-encoded UTF-8, where `+` is a space in values only.

    Raises:
        InvalidURI: a name or value is not percent-encoded UTF-8.
    """
    pairs = []
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_text(name), _text(value.replace(b"+", b" "))))
    return Query(tuple(pairs))


def version_of(query: Query) -> str | None:
    """
    The version that a request names, None for the latest.

    Raises:
        InvalidArgument: the parameter is there, but empty or twice.
    """
    version_id = query.one("versionId") if query else None
    if version_id == "":
        raise InvalidArgument("versionId is empty; name a version, or leave it out")
    return version_id


@define
class Target:
    """`bucket` is empty for the store itself, and `key` for a bucket."""

    bucket: str
    key: str
    query: Query


def split(raw: bytes) -> tuple[bytes, bytes]:
    """
    Path and query of a request target, undecoded; the path starts with a slash.

    The absolute form (`http://host/path`) and `*` are taken too.  Source: RFC 9112,
    section 3.2.

    Raises:
        InvalidURI: it has none of these forms.
    """
    if raw[:1] != b"/":
        raw = _origin_form(raw)
    path, _, query = raw.partition(b"?")
    return path, query


def _origin_form(raw: bytes) -> bytes:
    if raw == b"*":
        return b"/"
    scheme, found, rest = raw.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise InvalidURI("the target starts with a slash: /<bucket>/<key>")
    ends = [place for place in (rest.find(b"/"), rest.find(b"?")) if place >= 0]
    rest = rest[min(ends) :] if ends else b""
    return rest if rest[:1] == b"/" else b"/" + rest


def parse_names(path: bytes) -> tuple[str, str]:
    """
    Bucket and key of `/<bucket>/<key>`: split at the first slash after the bucket, then
    decoded.  An empty key (`/<bucket>/`) is the bucket.

    Raises:
        InvalidURI, InvalidBucketName, InvalidKey, KeyTooLong: they are no names.
    """
    if path == b"/":
        return "", ""
    bucket, _, key = path[1:].partition(b"/")
    return bucket_name(_text(bucket)), object_key(unquote(key)) if key else ""


def parse_target(raw: bytes, bucket: str = "") -> Target:
    """
    Read a raw request target.

    Args:
        bucket: the one that the Host header names, so that the whole path is the key.

    Raises:
        InvalidURI, InvalidBucketName, InvalidKey, KeyTooLong: it names nothing.
    """
    path, query = split(raw)
    if bucket:
        bucket, key = bucket_name(bucket), object_key(unquote(path[1:])) if path != b"/" else ""
    else:
        bucket, key = parse_names(path)
    return Target(bucket, key, parse_query(query) if query else _NO_QUERY)


def is_verb(raw: bytes, method: bytes) -> bool:
    """
    Tell whether a request is for the object and bucket verbs, and not an admin resource.

    Admin resources are all below `/-/`, which no bucket can be named, and reading `/`.
    That shows the server's status, but with `?buckets` it is a verb: the list of buckets.
    """
    if raw[:1] == b"/" and len(raw) > 1 and raw[1:2] not in (b"?", b"-"):
        return True
    try:
        path, query = split(raw)
        if path != b"/":
            return not path.startswith(b"/-/")
        return method not in (b"GET", b"HEAD") or BUCKETS in parse_query(query)
    except InvalidURI:
        return True
