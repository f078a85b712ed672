"""Random values of the shapes of S3's description, and what is left of them on the wire."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

# What XML 1.0 can hold.
XML_TEXT = st.text(
    st.one_of(
        st.sampled_from("\t\n &<>\"'|]%+é\u2028\U0001f600"),
        st.characters(min_codepoint=0x20, max_codepoint=0xFFFD, exclude_categories=("Cs",)),
        st.characters(min_codepoint=0x10000),
    ),
    max_size=12,
)
TOKEN = st.text(string.ascii_lowercase + string.digits + "-_.", min_size=1, max_size=10)
HEADER_TEXT = st.text(string.ascii_letters + string.digits + ' !"#%&()*+,/:;<=>?@[]', max_size=12)
HEADER_TEXT = HEADER_TEXT.map(str.strip)
LIST_ITEM = HEADER_TEXT.filter(bool)
MILLISECONDS = st.integers(0, 4_102_444_800_000)  # to the year 2100
INTEGERS = {
    "integer": st.integers(-(2**31) + 1, 2**31 - 1),
    "long": st.integers(-(2**63) + 1, 2**63 - 1),
}


def timestamps(shape: Any) -> st.SearchStrategy[datetime]:
    """Whole seconds where the form has no more."""
    location = shape.serialization.get("location")
    form = shape.serialization.get("timestampFormat", "rfc822" if location else "iso8601")
    step = 1000 if form == "rfc822" or location else 1
    return MILLISECONDS.map(
        lambda millis: datetime.fromtimestamp((millis - millis % step) / 1000, UTC)
    )


def values(shape: Any, text: st.SearchStrategy[str] = XML_TEXT) -> st.SearchStrategy[Any]:
    """Values of a shape as boto3 takes and gives them."""
    match shape.type_name:
        case "structure":
            return structures(shape, lambda _, inner: values(inner, text))
        case "list":
            return st.lists(values(shape.member, text), max_size=3)
        case "map":
            return st.dictionaries(TOKEN, HEADER_TEXT, max_size=3)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return timestamps(shape)
        case "string":
            return text
    return INTEGERS[shape.type_name]


def structures(
    shape: Any, value: Callable[[str, Any], st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """Some of a structure's members, and always those that are required; of a union, one."""
    members = shape.members
    if shape.is_tagged_union:
        return st.sampled_from(sorted(members)).flatmap(
            lambda name: st.fixed_dictionaries({name: value(name, members[name])})
        )

    def of(name: str) -> st.SearchStrategy[Any]:
        strategy = value(name, members[name])
        if name in shape.required_members and members[name].type_name == "list":
            return strategy.filter(bool)  # an empty one without tags of its own is not there
        return strategy

    required = {name: of(name) for name in shape.required_members if name in members}
    optional = {name: of(name) for name in members if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def told(shape: Any, value: Any) -> Any:
    """
    What the wire tells of a value: times as seconds since the epoch, and nothing of empty
    lists that have no tags of their own.
    """
    match shape.type_name:
        case "structure":
            return {
                name: told(shape.members[name], inner)
                for name, inner in value.items()
                if inner != [] or not shape.members[name].serialization.get("flattened")
            }
        case "list":
            return [told(shape.member, item) for item in value]
        case "timestamp":
            return value.timestamp()
    return value
