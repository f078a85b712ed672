"""Showing the files of a storage directory, sound and damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from struct import pack, pack_into
from typing import Any

import pytest
from crc32c import crc32c

from godos.model.errors import FragmentDamaged, NoSuchFragment
from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage import footer
from godos.storage.dump import NotOurs, open_dump
from godos.storage.files import LocalFiles
from godos.storage.records import FIRST_RECORD, SECOND_COPY, VolumeHeader
from tests.contract.fragment_store import content, header_of
from tests.simulation.node import now
from tests.unit.storage.nodes import flip, serving, stored

SMALL, LARGE = FragmentName("12" * 16, 3), FragmentName("ab" * 16, 0)
SIZE = 9 * BLOCK + 5


class Measured(LocalFiles):
    """Notes the largest read."""

    largest = 0

    def read(self, fd: int, size: int, offset: int) -> bytes:
        self.largest = max(self.largest, size)
        return super().read(fd, size, offset)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A small fragment that was replaced, one that was removed, and a large one."""
    with serving(tmp_path / "node") as store:
        stored(store, 5000, SMALL)
        stored(store, 100, FragmentName("34" * 16, 0))
        stored(store, 200, SMALL)
        now(store.remove(FragmentName("34" * 16, 0)))
        stored(store, SIZE, LARGE)
    return tmp_path / "node"


def volume(node: Path) -> Path:
    (found,) = (node / "volumes").iterdir()
    return found


def large(node: Path) -> Path:
    return node / "objects" / "ab" / str(LARGE)


def lines(path: Path, sound: bool = True) -> list[dict[str, Any]]:
    """What is shown of a file, as JSON brings it over."""
    files = LocalFiles()
    shown = open_dump(files, str(path))
    try:
        found = [json.loads(json.dumps(line)) for line in shown.lines()]
        assert shown.sound == sound
        return found
    finally:
        files.close(shown.fd)


def payload(path: Path, name: FragmentName) -> bytes:
    files = LocalFiles()
    shown = open_dump(files, str(path))
    try:
        return b"".join(shown.payload(name))
    finally:
        files.close(shown.fd)


# -- volumes ----------------------------------------------------------------------------
def test_volume(node: Path) -> None:
    """Its header first, then each record in order, until the zeros."""
    header, *records = lines(volume(node))
    assert (header["type"], header["number"]) == ("volume", f"{1:016x}")
    assert header["headers_ok"] == [True, True]
    assert [(each["type"], each["name"]) for each in records if each["type"] != "mark"] == [
        ("fragment", str(SMALL)),
        ("fragment", "34" * 16 + ".0"),
        ("fragment", str(SMALL)),
        ("tombstone", str(SMALL)),
        ("tombstone", "34" * 16 + ".0"),
    ]
    first, second, newest, replaced, removed = (each for each in records if each["type"] != "mark")
    assert (replaced["killed"], removed["killed"]) == (first["sequence"], second["sequence"])
    assert first["offset"] == FIRST_RECORD
    assert second["offset"] == FIRST_RECORD + first["size"]
    assert newest["length"] == newest["blob_size"] == 200
    assert newest["blob_sha256"] == header_of(content(200)).blob_sha256
    assert newest["origin"] == {"key": "k"}
    assert all(each["ok"] for each in records)


def test_volume_with_damage(node: Path) -> None:
    """A bad payload, a bad head and a bad header are shown where they are."""
    _, first, second, *_ = lines(volume(node))
    flip(volume(node), SECOND_COPY + 20)
    flip(volume(node), second["offset"] - 100)
    flip(volume(node), second["offset"] + 20)
    header, damaged, gap, *_ = lines(volume(node), sound=False)
    assert header["headers_ok"] == [True, False]
    assert (damaged["ok"], damaged["what"]) == (False, "block 0 of its payload fails its check")
    assert (gap["type"], gap["offset"]) == ("gap", second["offset"])
    assert gap["stop"] == second["offset"] + second["size"]
    assert first["name"] == damaged["name"]


def test_volume_without_a_header(node: Path) -> None:
    """Its records cannot be told from rubbish."""
    flip(volume(node), 20)
    flip(volume(node), SECOND_COPY + 20)
    with pytest.raises(NotOurs, match="both copies of its header"):
        lines(volume(node))


@pytest.mark.parametrize("size", [10, 80, 100, SECOND_COPY, FIRST_RECORD, FIRST_RECORD + 100])
def test_volume_cut_short(node: Path, size: int) -> None:
    """Whatever is left of it is shown, or it is said that nothing can be."""
    raw = volume(node).read_bytes()
    volume(node).write_bytes(raw[:size])
    if size < 80:
        with pytest.raises(NotOurs):
            lines(volume(node))
    else:
        assert lines(volume(node), sound=size == FIRST_RECORD)[0]["size"] == size


@pytest.mark.parametrize("place", ["name", "description", "kind", "length"])
def test_any_flipped_bit_of_a_head(node: Path, place: str) -> None:
    """No length in a damaged head is believed."""
    at = {"kind": 4, "name": 10, "length": 57, "description": 90}[place]
    flip(volume(node), FIRST_RECORD + at)
    _, gap, *rest = lines(volume(node), sound=False)
    assert (gap["type"], gap["offset"]) == ("gap", FIRST_RECORD)
    assert rest[0]["name"] == "34" * 16 + ".0"


def test_payload_of_a_small_fragment(node: Path) -> None:
    """The newest record counts."""
    assert payload(volume(node), SMALL) == content(200)
    with pytest.raises(NoSuchFragment):
        payload(volume(node), LARGE)


def test_damaged_payload_of_a_small_fragment(node: Path) -> None:
    """No byte comes out that fails its check."""
    newest = next(each for each in lines(volume(node)) if each.get("length") == 200)
    flip(volume(node), newest["offset"] + newest["size"] - 20)
    with pytest.raises(FragmentDamaged):
        payload(volume(node), SMALL)


# -- large fragments ------------------------------------------------------------------------
def test_large_fragment(node: Path) -> None:
    """What its trailer says, on one line."""
    (line,) = lines(large(node))
    assert (line["type"], line["name"], line["length"]) == ("object", str(LARGE), SIZE)
    assert (line["blocks"], line["ok"], line["codec"]) == (10, True, "raw")
    assert line["origin"] == {"key": "k"}


def test_origin_that_is_no_json(tmp_path: Path) -> None:
    """Encrypted origins are shown in hex."""
    header = header_of(b"", LARGE, b"\xff\x00")
    path = tmp_path / "any"
    path.write_bytes(footer.encode(header, []))
    (line,) = lines(path)
    assert line["origin"] == {"hex": "ff00"}


def test_large_fragment_with_damage(node: Path) -> None:
    """The first damaged block is told."""
    flip(large(node), 4 * BLOCK + 1)
    (line,) = lines(large(node), sound=False)
    assert (line["ok"], line["at"]) == (False, 4 * BLOCK)
    with pytest.raises(FragmentDamaged, match="block 4"):
        payload(large(node), LARGE)


def test_payload_of_a_large_fragment(node: Path) -> None:
    """All its bytes, if it is the right one."""
    assert payload(large(node), LARGE) == content(SIZE)
    with pytest.raises(NoSuchFragment, match="holds fragment"):
        payload(large(node), SMALL)


@pytest.mark.parametrize("back", [1, 30, 79, 81, 120])
def test_damaged_trailer(node: Path, back: int) -> None:
    """It is told, and nothing of it is believed."""
    flip(large(node), large(node).stat().st_size - back)
    with pytest.raises((FragmentDamaged, NotOurs)):
        lines(large(node))


@pytest.mark.parametrize("field", ["length", "described"])
def test_lengths_that_lie(tmp_path: Path, field: str) -> None:
    """A footer that verifies, and says huge lengths, makes nobody read them."""
    size = 1 << 40
    raw = bytearray(footer.encode(header_of(b"", LARGE), []))
    at = len(raw) - footer.FOOTER
    rest = size - footer.FOOTER
    if field == "length":
        pack_into(">Q", raw, at + 40, (1 << 63) - 1)
    else:  # all of this sparse file would be its description, and the lengths add up
        size = (1 << 32) - 1 + footer.FOOTER
        pack_into(">I", raw, at + 36, (1 << 32) - 1)
        rest = size - footer.FOOTER
    raw[-4:] = pack(">I", crc32c(raw[at:-4]))
    path = tmp_path / "lies"
    with path.open("wb") as file:
        os.truncate(path, rest)
        file.seek(rest)
        file.write(raw[at:])
    files = Measured()
    shown = open_dump(files, str(path))
    with pytest.raises(FragmentDamaged):
        list(shown.lines())
    files.close(shown.fd)
    assert files.largest < 1 << 20


# -- small files -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    ['{"format": 1, "reason": "r"}', '{"format": 1, "node": "x"}'],
)
def test_marks(tmp_path: Path, text: str) -> None:
    """The JSON files are shown as they are."""
    (tmp_path / "any").write_text(text)
    assert lines(tmp_path / "any") == [json.loads(text)]


def test_node_json(node: Path) -> None:
    """A node's identity."""
    (line,) = lines(node / "node.json")
    assert (line["format"], line["cluster"], len(line["node"])) == (1, None, 32)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        b"null",
        b"hello",
        b"[" * 50_000,
        b"\xff" * 200,
        bytes(100_000),
        b'{"node": 1}' + b" " * 1_100_000,
    ],
)
def test_strange_files(tmp_path: Path, raw: bytes) -> None:
    """A file that is none of ours is refused."""
    (tmp_path / "any").write_bytes(raw)
    with pytest.raises(NotOurs):
        lines(tmp_path / "any")
    with pytest.raises(NotOurs):
        payload(tmp_path / "any", SMALL)


def test_index(node: Path) -> None:
    """The index is left to SQLite's own tools."""
    with pytest.raises(NotOurs, match="SQLite"):
        lines(node / "index.sqlite")


@pytest.mark.parametrize("name", ["none", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    """What is not there, or no file, is refused."""
    with pytest.raises(NotOurs):
        lines(tmp_path / name)


def test_newer_volume(node: Path) -> None:
    """A volume of a newer format is not read as if it were of ours."""
    header = VolumeHeader(1, bytes(16), bytes(16), 1, format=2)
    volume(node).write_bytes(header.encode())
    with pytest.raises(NotOurs, match="newer godos"):
        lines(volume(node))
