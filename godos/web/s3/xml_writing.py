"""
Documents of answers, written by their shapes, each compiled once into closures.

Elements come in the order of the result's members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from godos.web.s3.roots import NAMESPACE
from godos.web.s3.scalars import WRITERS, write_http_date, write_iso
from godos.web.s3.xml_reading import element_name
from godos.web.s3.xml_text import escape, escape_all, escape_attribute

if TYPE_CHECKING:
    from botocore.model import Shape, StructureShape

Write = Callable[[Any], str]
WriteAll = Callable[[Sequence[Any]], Iterable[str]]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_FEW = 4  # values that are cheaper written one by one


@frozen(eq=False)
class _Writer:
    """
    Writes an element: `text` what is between its tags for one value, `texts` for many.

    Where the tags depend on the value, `opening` and `closing` are empty.
    """

    opening: str
    closing: str
    text: Write
    texts: WriteAll

    def element(self, value: Any) -> str:
        """The whole element."""
        return f"{self.opening}{self.text(value)}{self.closing}"


def _each(text: Write) -> WriteAll:
    return lambda values: map(text, values)


def _each_once(text: Write) -> WriteAll:
    """For values of which many are one and the same object, as on the pages of listings."""

    def write(values: Sequence[Any]) -> Iterable[str]:
        written: dict[int, str] = {}
        for value in values:
            if id(value) not in written:
                written[id(value)] = text(value)
        return [written[id(value)] for value in values]

    return write


def scalar_writer(shape: Shape) -> Write:
    """The text of a value, not yet escaped."""
    if shape.type_name == "timestamp":
        is_http = shape.serialization.get("timestampFormat") == "rfc822"
        return write_http_date if is_http else write_iso
    return WRITERS[shape.type_name]


def _writer(name: str, shape: Shape) -> _Writer:
    """The writer of an element with everything that is in it."""
    if shape.type_name == "structure":
        return _structure(name, shape)  # type: ignore[arg-type]
    if shape.type_name == "list":
        return _list(name, shape)
    opening, closing = f"<{name}>", f"</{name}>"
    if shape.type_name == "string":
        return _Writer(opening, closing, escape, escape_all)
    write = scalar_writer(shape)  # of what needs no escaping
    return _Writer(opening, closing, write, _each(write))


def _list(name: str, shape: Shape) -> _Writer:
    item: Shape = shape.member  # type: ignore[attr-defined]
    flattened = shape.serialization.get("flattened")
    item_name = element_name(name, shape) if flattened else item.serialization.get("name", "member")
    write = _writer(item_name, item)
    between = write.closing + write.opening

    def text(values: Sequence[Any]) -> str:
        if not values:
            return ""
        texts = map(write.text, values) if len(values) < _FEW else write.texts(values)
        return f"{write.opening}{between.join(texts)}{write.closing}"

    opening, closing = ("", "") if flattened else (f"<{name}>", f"</{name}>")
    return _Writer(opening, closing, text, _each_once(text))


def _structure(name: str, shape: StructureShape, namespace: str = "") -> _Writer:
    members, attributes = {}, {}
    for member, inner in shape.members.items():
        if inner.serialization.get("location"):
            continue
        location = element_name(member, inner)
        if inner.serialization.get("xmlAttribute"):
            attributes[member] = location
        else:
            members[member] = _writer(location, inner)
    declared = shape.serialization.get("xmlNamespace")
    if declared and declared.get("prefix"):
        namespace += f' xmlns:{declared["prefix"]}="{declared["uri"]}"'
    content = _content(shape.name, members, attributes)
    if attributes:
        whole = _with_attributes(name, namespace, attributes, content)
        return _Writer("", "", whole, _each(whole))
    return _Writer(f"<{name}{namespace}>", f"</{name}>", content, _contents(members, content))


def _with_attributes(
    name: str, namespace: str, attributes: Mapping[str, str], content: Write
) -> Write:
    def write(value: Mapping[str, Any]) -> str:
        given = "".join(
            f' {location}="{escape_attribute(value[member])}"'
            for member, location in attributes.items()
            if value.get(member) is not None
        )
        return f"<{name}{namespace}{given}>{content(value)}</{name}>"

    return write


def _content(structure: str, members: Mapping[str, _Writer], beside: Mapping[str, str]) -> Write:
    """
    A writer of what is in a structure; members that are None are left out.

    Raises (the writer):
        KeyError: the value has a member that the description does not know: a bug.
    """

    def write(value: Mapping[str, Any]) -> str:
        parts = []
        for member, inner in value.items():
            if inner is None or member in beside:
                continue
            if member not in members:
                raise KeyError(f"{structure} has no {member}")
            parts.append(members[member].element(inner))
        return "".join(parts)

    return write


def _contents(members: Mapping[str, _Writer], content: Write) -> WriteAll:
    """
    A writer of what is in many structures: column by column when all have the same
    members, as the entries of a listing have, which is three times as fast.
    """

    def write(values: Sequence[Mapping[str, Any]]) -> Iterable[str]:
        names = tuple(values[0])
        if len(values) < _FEW or not names or any(tuple(value) != names for value in values):
            return map(content, values)
        columns, template = [], ""
        for name in names:
            column = [value[name] for value in values]
            writer = members.get(name)
            if writer is None or None in column:
                return map(content, values)  # which leaves out what is None, or fails
            columns.append(writer.texts(column))
            template += f"{writer.opening}%s{writer.closing}"
        return map(template.__mod__, zip(*columns, strict=True))

    return write


def compile_document(name: str, shape: Shape) -> Write:
    """
    A writer of documents whose root is `name`, in S3's namespace.

    A root that holds text (of a string shape) is escaped text.
    """
    root = f' xmlns="{NAMESPACE}"'
    if shape.type_name == "structure":
        whole = _structure(name, shape, root).element  # type: ignore[arg-type]
        return lambda value: f"{DECLARATION}{whole(value)}"
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
