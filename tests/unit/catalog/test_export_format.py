"""The file that an export is."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.export_format import ExportDamaged, ExportReader, ExportWriter, Header
from godos.catalog.items import Item

HEADER = Header("c" * 32, 3, "sqlite", True, 1_700_000_000.5)
ITEMS = [
    Item(f"p{number}", bytes([number, 255]), {"f": 1, "text": "é\n" * number}, "r", "live", number)
    for number in range(2500)
    if number < 250
]


def written(items: list[Item], header: Header = HEADER) -> bytes:
    sink = io.BytesIO()
    writer = ExportWriter(sink, header)
    writer.write(items)
    writer.end()
    return sink.getvalue()


def read(export: bytes) -> tuple[Header, list[Item]]:
    reader = ExportReader(io.BytesIO(export))
    return reader.header, [item for batch in reader.batches() for item in batch]


def lines(export: bytes) -> list[bytes]:
    text = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(export)).read()
    return text.splitlines(keepends=True)


def compressed(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


def test_there_and_back() -> None:
    """All items are read as they were written, and so is what the export says of itself."""
    assert read(written(ITEMS)) == (HEADER, ITEMS)
    assert read(written([])) == (HEADER, [])
    many = [Item("p", number.to_bytes(4, "big"), {"n": number}) for number in range(3001)]
    assert read(written(many))[1] == many


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.builds(
            Item,
            st.text(min_size=1),
            st.binary(min_size=1, max_size=40),
            st.dictionaries(st.text(), json_values, max_size=4),
            st.none() | st.text(),
            st.none() | st.text(),
            st.none() | st.integers(0, 2**40),
        ),
        max_size=5,
    )
)
def test_any_items(items: list[Item]) -> None:
    """Whatever stands in items, they come back."""
    assert read(written(items))[1] == items


def test_cut_anywhere() -> None:
    """A file that was cut is known as such, wherever it was cut."""
    whole = written(ITEMS)
    for length in range(0, len(whole), 7):
        with pytest.raises(ExportDamaged):
            read(whole[:length])
    text = b"".join(lines(whole)[:-1])
    for cut in (text, text[:-5], b"", lines(whole)[0]):
        with pytest.raises(ExportDamaged):
            read(compressed(cut))


def test_changed_anywhere() -> None:
    """A file in which a byte was changed is known as such."""
    whole, random = written(ITEMS), Random(1)
    for _ in range(200):
        changed = bytearray(whole)
        changed[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        try:
            found = read(bytes(changed))
        except ExportDamaged:
            continue
        assert found == (HEADER, ITEMS)  # a bit that says nothing, of the frame's beginning


def test_lines_that_are_missing_or_added() -> None:
    """Lines cannot be taken away, added, changed or exchanged."""
    first, *rest, last = lines(written(ITEMS))
    for others in (
        rest[1:],
        [*rest, rest[0]],
        [rest[1], rest[0], *rest[2:]],
        [rest[0].replace(b"live", b"dead"), *rest[1:]],
    ):
        with pytest.raises(ExportDamaged, match="changed"):
            read(compressed(first + b"".join(others) + last))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"godos": "other"}, "not an exported catalog"),
        ({"v": 2}, "newer"),
    ],
)
def test_other_files(changes: dict[str, Any], words: str) -> None:
    """What is something else, or newer, is refused with a sentence that says so."""
    first, *rest = lines(written([]))
    header = json.dumps({**json.loads(first), **changes}).encode() + b"\n"
    with pytest.raises(ExportDamaged, match=words):
        read(compressed(header + b"".join(rest)))


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"text\n",
        b"PK\x03\x04" * 100,
        compressed(b"[]\n"),
        compressed(b'{"godos":"catalog","v":1}\n'),
    ],
)
def test_no_export(other: bytes) -> None:
    """Any other file is refused."""
    with pytest.raises(ExportDamaged):
        read(other)
