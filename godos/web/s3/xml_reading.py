"""
Documents of requests, read by their shapes.

Nothing is built for what a shape does not know, so a document costs no more memory than
what is taken from it.  There are no entities, no external references, no processing
instructions, and bounds on depth and number of elements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError, ParserCreate

from attrs import define, field, frozen

from godos.web.errors import S3Error
from godos.web.s3.quirks import MALFORMED, OPTIONAL
from godos.web.s3.scalars import READERS, Read

if TYPE_CHECKING:
    from botocore.model import Shape, StructureShape

MAX_DEPTH = 32  # the deepest document of S3, a replication configuration, has 7
MAX_ELEMENTS = 150_000  # 10 000 parts with all their checksums are 140 000
_NAMESPACE_END = " "
_LIST_ITEM = "member"  # source: Smithy, "xmlName": lists whose items have no name


@frozen(eq=False)
class _Element:
    """
    What an element means: text with `read`, else a structure or a list of `elements`.

    `member` is its name in the request; `repeated`: each one is an item of that member.
    """

    member: str
    read: Read | None = None
    elements: Mapping[str, _Element] = field(factory=dict)
    is_list: bool = False
    repeated: bool = False
    attributes: Mapping[str, tuple[str, Read]] = field(factory=dict)
    required: frozenset[str] = frozenset()


def _element(shape: Shape, member: str, repeated: bool = False) -> _Element:
    if shape.type_name == "structure":
        return _structure(shape, member, repeated)  # type: ignore[arg-type]
    if shape.type_name == "list":
        item: Shape = shape.member  # type: ignore[attr-defined]
        name = item.serialization.get("name", _LIST_ITEM)
        return _Element(member, elements={name: _element(item, "")}, is_list=True)
    return _Element(member, READERS[shape.type_name], repeated=repeated)


def _structure(shape: StructureShape, member: str, repeated: bool) -> _Element:
    elements, attributes = {}, {}
    for name, inner in shape.members.items():
        location = element_name(name, inner)
        if inner.serialization.get("xmlAttribute"):
            local = location.rpartition(":")[2]
            attributes[local] = (name, READERS[inner.type_name])
        elif inner.serialization.get("flattened"):
            elements[location] = _element(inner.member, name, repeated=True)  # type: ignore[attr-defined]
        else:
            elements[location] = _element(inner, name)
    required = frozenset(
        name for name in shape.required_members if (shape.name, name) not in OPTIONAL
    )
    return _Element(
        member,
        elements=elements,
        repeated=repeated,
        attributes=attributes,
        required=required,
    )


def element_name(member: str, shape: Shape) -> str:
    """
    The element of a structure's member.

    Items of a flattened list stand in the structure itself, under the item's name if it
    has one.  Source: what botocore writes and reads.
    """
    named: str = shape.serialization.get("name", member)
    if shape.serialization.get("flattened"):
        inner: Shape = shape.member  # type: ignore[attr-defined]
        named = inner.serialization.get("name", named)
    return named


@define(eq=False)
class _Open:
    """An element whose end has not come."""

    element: _Element
    value: Any  # dict of a structure, list, or pieces of text


class _Reading:
    """What expat tells of one document."""

    def __init__(self, root: _Element, code: str) -> None:
        self.request: dict[str, Any] = {}
        self._open = [_Open(root, self.request)]
        self._code = code
        self._skipped = 0  # depth within an element that nobody knows
        self._count = 0

    def refuse(self, reason: str) -> S3Error:
        """What is told about a document that cannot be taken."""
        return S3Error(self._code, f"the document is not taken: {reason}")

    def forbidden(self, *_: Any) -> None:
        """A DOCTYPE or a processing instruction."""
        raise self.refuse("it has a DOCTYPE or a processing instruction; leave it out")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._count += 1
        if len(self._open) + self._skipped > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise self.refuse("it is too deep, or has too many elements")
        local = name.rpartition(_NAMESPACE_END)[2]
        element = None if self._skipped else self._open[-1].element.elements.get(local)
        if element is None:
            if len(self._open) == 1:
                expected = next(iter(self._open[0].element.elements))
                raise self.refuse(f"its root is <{local[:80]}>, and should be <{expected}>")
            self._skipped += 1
            return
        value: Any = {} if element.read is None and not element.is_list else []
        self._open.append(_Open(element, value))
        if element.attributes:
            self._take_attributes(element, attributes, value)

    def _take_attributes(
        self, element: _Element, attributes: dict[str, str], value: dict[str, Any]
    ) -> None:
        for name, text in attributes.items():
            known = element.attributes.get(name.rpartition(_NAMESPACE_END)[2])
            if known is not None:
                value[known[0]] = self._read(known[1], text, known[0])

    def text(self, data: str) -> None:
        """Text, in one or more pieces."""
        if not self._skipped and self._open[-1].element.read is not None:
            self._open[-1].value.append(data)

    def end(self, name: str) -> None:
        """An element ends."""
        if self._skipped:
            self._skipped -= 1
            return
        closed = self._open.pop()
        element, value = closed.element, closed.value
        if element.read is not None:
            value = self._read(element.read, "".join(value), name)
        elif element.required and not element.required <= value.keys():
            missing = ", ".join(sorted(element.required - value.keys()))
            raise self.refuse(f"<{_local(name)}> lacks {missing}")
        self._put(element, value, name)

    def _put(self, element: _Element, value: Any, name: str) -> None:
        around = self._open[-1]
        if around.element.is_list:
            around.value.append(value)
        elif element.repeated:
            around.value.setdefault(element.member, []).append(value)
        elif element.member in around.value:
            raise self.refuse(f"<{_local(name)}> comes twice in one place")
        else:
            around.value[element.member] = value

    def _read(self, read: Read, text: str, name: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise self.refuse(f"<{_local(name)}> {error}") from error


def _local(name: str) -> str:
    return name.rpartition(_NAMESPACE_END)[2][:80]


def compile_document(member: str, shape: Shape) -> Callable[[bytes], dict[str, Any]]:
    """
    A reader of the documents that carry `member`, which answers `{member: value}`.

    It takes values, returns values, and may run in any thread.  Fails with S3Error
    `MalformedXML` (or what `quirks.MALFORMED` says) when the document is not well-formed,
    lacks what the shape requires or holds text of a wrong type.
    """
    root_name: str = shape.serialization.get("name", member)
    code = MALFORMED.get(root_name, "MalformedXML")
    root = _Element("", elements={root_name: _element(shape, member)})

    def read(raw: bytes) -> dict[str, Any]:
        reading = _Reading(root, code)
        # The encoding is said here, so that no declared one is looked for among Python's.
        parser = ParserCreate("utf-8", _NAMESPACE_END)
        parser.buffer_text = True
        parser.StartElementHandler = reading.start
        parser.EndElementHandler = reading.end
        parser.CharacterDataHandler = reading.text
        parser.StartDoctypeDeclHandler = reading.forbidden
        parser.ProcessingInstructionHandler = reading.forbidden
        try:
            parser.Parse(raw, True)
        except ExpatError as error:
            raise reading.refuse(f"it is not well-formed ({error})") from error
        return reading.request

    return read
