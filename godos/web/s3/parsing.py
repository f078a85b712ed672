"""
Path, query and headers of a request, read by the description's members.

The work is proportional to what the request has, not to what the operation knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from godos.web.errors import S3Error
from godos.web.exchange import Headers
from godos.web.s3.quirks import AS_TEXT, LENIENT
from godos.web.s3.scalars import READERS, Read, read_text
from godos.web.target import Query, Target

if TYPE_CHECKING:
    from botocore.model import Shape, StructureShape

SIGNATURE = "X-Amz-Signature"  # in the query: the request was presigned
_AMZ = "x-amz-"
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')


@frozen(eq=False)
class _Member:
    """A member that comes as text, and how it is read."""

    name: str
    read: Read
    lenient: bool = False


@frozen(eq=False)
class Parser:
    """
    What an operation takes from everything but the body.

    `queries` and `headers` are by their names on the wire, headers in lower case; `meta`
    is the prefix of metadata headers and the member that gathers them.
    """

    path: tuple[tuple[str, bool], ...]  # (member, whether it is the key)
    queries: Mapping[str, _Member]
    headers: Mapping[bytes, _Member]
    meta: tuple[bytes, str] | None
    required: frozenset[str]

    def parse(self, target: Target, headers: Headers) -> dict[str, Any]:
        """
        The request's members; those that did not come are absent.

        Raises:
            S3Error: InvalidArgument for text of a wrong type, InvalidRequest when
                something that must come did not.
            InvalidArgument: a parameter came twice.
        """
        request: dict[str, Any] = {
            member: target.key if is_key else target.bucket for member, is_key in self.path
        }
        self._parse_headers(headers, request)
        if target.query:
            self._parse_query(target.query, request)
        if not self.required <= request.keys():
            missing = ", ".join(sorted(self.required - request.keys()))
            raise S3Error("InvalidRequest", f"the request lacks {missing}")
        return request

    def _parse_headers(self, headers: Headers, request: dict[str, Any]) -> None:
        known, prefix = self.headers, None if self.meta is None else self.meta[0]
        for name, value in headers:
            member = known.get(name)
            if member is not None:
                if member.name in request:  # S3 takes repeated headers for one, as HTTP does
                    value = b", ".join(other for given, other in headers if given == name)
                _set(request, member, name.decode(), header_text(name, value))
            elif prefix is not None and name.startswith(prefix):
                self._put_meta(request, name, value)

    def _put_meta(self, request: dict[str, Any], name: bytes, value: bytes) -> None:
        assert self.meta is not None
        prefix, member = self.meta
        short = header_text(prefix, name[len(prefix) :])
        if not short:
            raise S3Error("InvalidArgument", f"metadata has a name: {prefix.decode()}<name>")
        text = header_text(name, value)
        metadata = request.setdefault(member, {})
        # S3 joins repeated ones like this.
        metadata[short] = f"{metadata[short]},{text}" if short in metadata else text

    def _parse_query(self, query: Query, request: dict[str, Any]) -> None:
        known = self.queries
        for name, value in query.pairs:
            member = known.get(name)
            if member is None:
                continue
            if member.name in request:
                query.one(name)  # refuses: it came twice
            # An empty number or date is one that was not given.
            if value or member.read is read_text:
                _set(request, member, name, value)
        if SIGNATURE in query:
            self._add_hoisted(query, request)

    def _add_hoisted(self, query: Query, request: dict[str, Any]) -> None:
        more: dict[str, Any] = {}
        self._parse_headers(hoisted(query), more)
        if self.meta is not None and self.meta[1] in more:
            member = self.meta[1]
            request[member] = {**more.pop(member), **request.get(member, {})}
        for member, value in more.items():
            request.setdefault(member, value)  # a header that came as one goes first


def _set(request: dict[str, Any], member: _Member, name: str, text: str) -> None:
    try:
        request[member.name] = member.read(text)
    except ValueError as error:
        if member.lenient:
            return
        raise S3Error(
            "InvalidArgument",
            f"{name} {error}",
            ArgumentName=name,
            ArgumentValue=text[:256],
        ) from error


def hoisted(query: Query) -> Headers:
    """
    Headers that were moved into the query of a presigned request, as some SDKs do.

    Only a SigV4 signature covers the whole query, so only then they count.
    """
    return [
        (lower.encode("utf-8"), value.encode("utf-8"))
        for name, value in query.pairs
        if (lower := name.lower()).startswith(_AMZ)
    ]


def header_text(name: bytes, value: bytes) -> str:
    """
    A header's value.

    Raises:
        S3Error: InvalidArgument; it is not UTF-8, or holds control characters.
    """
    if _CONTROL.search(value):
        raise S3Error("InvalidArgument", f"the header {_shown(name)} holds a control character")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise S3Error("InvalidArgument", f"the header {_shown(name)} is not UTF-8") from error


def _shown(name: bytes) -> str:
    return name.decode("ascii", "replace")


def compile_parser(shape: StructureShape | None) -> Parser:
    """The parser for an operation's input."""
    path: list[tuple[str, bool]] = []
    queries: dict[str, _Member] = {}
    headers: dict[bytes, _Member] = {}
    meta = None
    required = set()
    for name, member in shape.members.items() if shape is not None else ():
        location = member.serialization.get("location")
        wire: str = member.serialization.get("name", name)
        match location:
            case "uri":
                path.append((name, wire == "Key"))
            case "querystring":
                queries[wire] = _member(name, member)
            case "header":
                headers[wire.lower().encode()] = _member(name, member)
            case "headers":
                meta = wire.lower().encode(), name
            case _:
                continue
        if shape is not None and name in shape.required_members:
            required.add(name)
    return Parser(tuple(path), queries, headers, meta, frozenset(required))


def _member(name: str, shape: Shape) -> _Member:
    return _Member(name, _read_of(name, shape), name in LENIENT)


def _read_of(name: str, shape: Shape) -> Read:
    if name in AS_TEXT:
        return read_text
    if shape.type_name == "list":
        return _list_of(READERS[shape.member.type_name])  # type: ignore[attr-defined]
    return READERS[shape.type_name]


def _list_of(read: Read) -> Callable[[str], list[Any]]:
    def read_list(text: str) -> list[Any]:
        return [read(item) for item in _items(text)]

    return read_list


def _items(text: str) -> list[str]:
    """Items between commas; a quoted one may hold commas."""
    found, place = [], 0
    while place < len(text):
        match = _ITEM.match(text, place)
        if match is None:
            raise ValueError("is a list with commas between its items")
        place = match.end()
        quoted, plain = match.groups()
        item = plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if item:
            found.append(item)
    return found
