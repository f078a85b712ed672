"""Results as answers: status, headers, and a body that is a document, text or an object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from godos.model.objects import IObjectRead
from godos.web.answers import JSON_TYPE, NOSNIFF, Answer
from godos.web.dates import http_date
from godos.web.s3.quirks import AS_TEXT, ROOT_IS_MEMBER
from godos.web.s3.roots import ROOTS
from godos.web.s3.scalars import DATES
from godos.web.s3.xml_writing import compile_document, compile_json

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape, StructureShape

XML_TYPE = (b"Content-Type", b"application/xml")
CONTENT_LENGTH = "ContentLength"
CONTENT_RANGE = "ContentRange"
PARTIAL = 206

WriteHeader = Callable[[Any], bytes]


# -- headers -------------------------------------------------------------------------------
def _header_date(seconds: float) -> bytes:
    return http_date(int(seconds // 1))


def _header_text(value: str) -> bytes:
    return value.encode("utf-8")


def _header_writer(member: str, shape: Shape) -> WriteHeader:
    if member in AS_TEXT or shape.type_name == "string":
        return _header_text
    match shape.type_name:
        case "boolean":
            return lambda value: b"true" if value else b"false"
        case "timestamp":
            form: str = shape.serialization.get("timestampFormat", "rfc822")
            write = DATES[form]
            return _header_date if form == "rfc822" else lambda value: write(value).encode()
        case "list":
            return lambda values: ", ".join(values).encode("utf-8")
    return lambda value: b"%d" % value


# -- bodies --------------------------------------------------------------------------------
@frozen(eq=False)
class _Document:
    """
    A body that is a document of `members`, or of the one member `payload`.

    `write` and `convert` take the payload's value, or a mapping of the members.
    """

    members: frozenset[str]
    payload: str | None
    write: Callable[[Any], str]
    convert: Callable[[Any], Any]

    def fill(self, answer: Answer, body: Mapping[str, Any], as_json: bool) -> None:
        """Give the answer its body and Content-Type."""
        value: Any = body
        if self.payload is not None:
            value = body.get(self.payload)
            if value is None:
                return
        if as_json:
            text = json.dumps(self.convert(value), ensure_ascii=False) + "\n"
            answer.headers.append(JSON_TYPE)
        else:
            text = self.write(value)
            answer.headers.append(XML_TYPE)
        answer.headers.append(NOSNIFF)
        answer.body = text.encode("utf-8", "replace")


@frozen(eq=False)
class _Text:
    """A body that is the text of the member `payload`, which is JSON in S3 (a policy)."""

    payload: str

    @property
    def members(self) -> frozenset[str]:
        return frozenset((self.payload,))

    def fill(self, answer: Answer, body: Mapping[str, Any], as_json: bool) -> None:  # noqa: ARG002
        """Give the answer its body and Content-Type."""
        answer.headers += (JSON_TYPE, NOSNIFF)
        answer.body = (body.get(self.payload) or "").encode("utf-8")


@frozen(eq=False)
class _Stream:
    """A body that is an object on its way out, the member `payload`."""

    payload: str

    @property
    def members(self) -> frozenset[str]:
        return frozenset((self.payload,))

    def fill(self, answer: Answer, body: Mapping[str, Any], as_json: bool) -> None:  # noqa: ARG002
        """Give the answer the read and its length."""
        stream: IObjectRead | None = body.get(self.payload)
        if stream is not None:
            answer.read, answer.length = stream, stream.stop - stream.start


@frozen(eq=False)
class _Nothing:
    """No body."""

    members: frozenset[str] = frozenset()

    def fill(self, answer: Answer, body: Mapping[str, Any], as_json: bool) -> None:
        """Nothing to give."""


_Body = _Document | _Text | _Stream | _Nothing


def _body_of(model: OperationModel) -> _Body:
    shape = model.output_shape
    if shape is None:
        return _Nothing()
    payload: str | None = shape.serialization.get("payload")
    if payload is not None:
        return _payload(payload, shape.members[payload])
    members = frozenset(
        name for name, inner in shape.members.items() if not inner.serialization.get("location")
    )
    if not members:
        return _Nothing()
    root = ROOTS[model.name]
    alone = ROOT_IS_MEMBER.get(model.name)
    if alone is not None:
        write = compile_document(root, shape.members[alone])
        return _Document(
            members, None, lambda value: write(value.get(alone) or ""), compile_json(shape)
        )
    return _Document(members, None, compile_document(root, shape), compile_json(shape))


def _payload(name: str, shape: Shape) -> _Body:
    if shape.type_name == "blob":
        return _Stream(name)
    if shape.type_name == "string":
        return _Text(name)
    root: str = shape.serialization.get("name", name)
    return _Document(frozenset((name,)), name, compile_document(root, shape), compile_json(shape))


# -- the whole -----------------------------------------------------------------------------
@frozen(eq=False)
class Renderer:
    """What an operation's results become."""

    status: int
    headers: Mapping[str, tuple[bytes, WriteHeader]]
    meta: tuple[str, bytes] | None
    body: _Body

    def render(self, result: Mapping[str, Any] | None, as_json: bool, status: int | None) -> Answer:
        """
        The answer of a result.  Members that are None are left out.

        With a `ContentRange` it is 206, unless a `status` is given.

        Raises:
            KeyError: the result has a member that the description does not know: a bug.
        """
        answer, body = Answer(self.status), {}
        for member, value in (result or {}).items():
            if value is None:
                continue
            header = self.headers.get(member)
            if header is not None:
                answer.headers.append((header[0], header[1](value)))
            elif member in self.body.members:
                body[member] = value
            elif self.meta is not None and member == self.meta[0]:
                self._add_metadata(answer, self.meta[1], value)
            else:
                raise KeyError(f"the answer has no member {member}")
        if result and result.get(CONTENT_RANGE) is not None:
            answer.status = PARTIAL
        if status is not None:
            answer.status = status
        self.body.fill(answer, body, as_json)
        if answer.read is not None:  # whoever sends it says how long it is
            answer.headers = [each for each in answer.headers if each[0] != b"Content-Length"]
        return answer

    def _add_metadata(self, answer: Answer, prefix: bytes, metadata: Mapping[str, str]) -> None:
        for name, text in metadata.items():
            answer.headers.append((prefix + name.encode("utf-8"), text.encode("utf-8")))


def compile_renderer(model: OperationModel, status: int) -> Renderer:
    """The renderer of an operation's output."""
    shape: StructureShape | None = model.output_shape
    headers: dict[str, tuple[bytes, WriteHeader]] = {}
    meta = None
    for name, member in shape.members.items() if shape is not None else ():
        wire: str = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "header":
                headers[name] = wire.encode(), _header_writer(name, member)
            case "headers":
                meta = name, wire.encode()
    return Renderer(status, headers, meta, _body_of(model))
