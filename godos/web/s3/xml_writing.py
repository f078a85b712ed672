"""
Documents of answers, written by their shapes, each compiled once into closures.

Elements come in the order of the result's members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from godos.web.s3.roots import NAMESPACE
from godos.web.s3.scalars import WRITERS, write_http_date, write_iso
from godos.web.s3.xml_reading import element_name

if TYPE_CHECKING:
    from botocore.model import Shape, StructureShape

Write = Callable[[Any], str]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile('[&<>"\r]|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
_ATTRIBUTE = re.compile('[&<>"\r\n\t]|[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
_ESCAPES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\r": "&#13;",
    "\n": "&#10;",
    "\t": "&#9;",
}


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0], "\ufffd")


def escape(text: str) -> str:
    """
    Text of an element.  What XML 1.0 cannot hold becomes U+FFFD.

    S3 sends a reference such as `&#x8;` there, and boto3, like every XML 1.0 parser, then
    reads nothing of the whole answer.
    """
    return _SPECIAL.sub(_escaped, text) if _SPECIAL.search(text) else text


def _escape_attribute(text: str) -> str:
    return _ATTRIBUTE.sub(_escaped, text)


def scalar_writer(shape: Shape) -> Write:
    """The text of a value, not yet escaped."""
    if shape.type_name == "timestamp":
        is_http = shape.serialization.get("timestampFormat") == "rfc822"
        return write_http_date if is_http else write_iso
    return WRITERS[shape.type_name]


def _element(name: str, shape: Shape) -> Write:
    """A writer of one element with everything that is in it."""
    if shape.type_name == "structure":
        return _structure(name, shape)  # type: ignore[arg-type]
    if shape.type_name == "list":
        return _list(name, shape)
    opening, closing = f"<{name}>", f"</{name}>"
    if shape.type_name == "string":
        return lambda value: f"{opening}{escape(value)}{closing}"
    write = scalar_writer(shape)  # of what needs no escaping
    return lambda value: f"{opening}{write(value)}{closing}"


def _list(name: str, shape: Shape) -> Write:
    item: Shape = shape.member  # type: ignore[attr-defined]
    if shape.serialization.get("flattened"):
        write = _element(element_name(name, shape), item)
        return lambda values: "".join(map(write, values))
    write = _element(item.serialization.get("name", "member"), item)
    opening, closing = f"<{name}>", f"</{name}>"
    return lambda values: f"{opening}{''.join(map(write, values))}{closing}"


def _structure(name: str, shape: StructureShape, namespace: str = "") -> Write:
    elements, attributes = {}, {}
    for member, inner in shape.members.items():
        location = element_name(member, inner)
        if inner.serialization.get("location"):
            continue
        if inner.serialization.get("xmlAttribute"):
            attributes[member] = location
        else:
            elements[member] = _element(location, inner)
    declared = shape.serialization.get("xmlNamespace")
    if declared and declared.get("prefix"):
        namespace += f' xmlns:{declared["prefix"]}="{declared["uri"]}"'
    content = _content(shape.name, elements, attributes)
    if attributes:
        return _with_attributes(name, namespace, attributes, content)
    opening, closing = f"<{name}{namespace}>", f"</{name}>"
    return lambda value: f"{opening}{content(value)}{closing}"


def _with_attributes(
    name: str, namespace: str, attributes: Mapping[str, str], content: Write
) -> Write:
    def write(value: Mapping[str, Any]) -> str:
        given = "".join(
            f' {location}="{_escape_attribute(value[member])}"'
            for member, location in attributes.items()
            if value.get(member) is not None
        )
        return f"<{name}{namespace}{given}>{content(value)}</{name}>"

    return write


def _content(
    structure: str, elements: Mapping[str, Write], attributes: Mapping[str, str]
) -> Callable[[Mapping[str, Any]], str]:
    """
    A writer of what is in a structure; members that are None are left out.

    Raises (the writer):
        KeyError: the value has a member that the description does not know: a bug.
    """

    def write(value: Mapping[str, Any]) -> str:
        try:
            return "".join(
                [
                    elements[member](inner)
                    for member, inner in value.items()
                    if inner is not None and member not in attributes
                ]
            )
        except KeyError as error:
            unknown = value.keys() - elements.keys() - attributes.keys()
            raise (
                KeyError(f"{structure} has no {', '.join(sorted(unknown))}") if unknown else error
            ) from error

    return write


def compile_document(name: str, shape: Shape) -> Write:
    """
    A writer of documents whose root is `name`, in S3's namespace.

    A root that holds text (of a string shape) is escaped text.
    """
    root = f' xmlns="{NAMESPACE}"'
    if shape.type_name == "structure":
        write = _structure(name, shape, root)  # type: ignore[arg-type]
        return lambda value: f"{DECLARATION}{write(value)}"
    text = scalar_writer(shape)
    return lambda value: f"{DECLARATION}<{name}{root}>{escape(text(value))}</{name}>"


# -- JSON ----------------------------------------------------------------------------------
def compile_json(shape: Shape) -> Callable[[Any], Any]:
    """
    A converter of results into what `json.dumps` takes: S3's member names, lists as
    arrays, times as they stand in XML.
    """
    if shape.type_name == "structure":
        return _json_structure(shape)  # type: ignore[arg-type]
    if shape.type_name == "list":
        item = compile_json(shape.member)  # type: ignore[attr-defined]
        return lambda values: [item(value) for value in values]
    if shape.type_name == "timestamp":
        return scalar_writer(shape)
    return lambda value: value


def _json_structure(shape: StructureShape) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    members = {
        name: compile_json(inner)
        for name, inner in shape.members.items()
        if not inner.serialization.get("location")
    }

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: members[name](inner) for name, inner in value.items() if inner is not None}

    return convert


__all__: Sequence[str] = ("compile_document", "compile_json", "escape", "scalar_writer")
