"""`godos disk unpack` as an operator meets it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from godos.cli import main
from godos.transfer.compression import SHAPE, Packer
from tests.unit.objects.stores import Store
from tests.unit.objects.test_compressed_objects import Body, compress, put, words
from tests.unit.storage.nodes import serving

PLAIN = words(3 * SHAPE.block) + random.Random(1).randbytes(SHAPE.block) + b"end"


def godos(*words: object) -> Result:
    return CliRunner().invoke(main, ["disk", *map(str, words)])


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    packer = Packer()
    (tmp_path / "blob").write_bytes(b"".join([*packer.update([PLAIN]), *packer.finish()]))
    return tmp_path / "blob"


def test_from_a_disk(tmp_path: Path) -> None:
    """The file of a fragment gives the object, with two commands and no server."""
    plain = PLAIN * 3
    with serving(tmp_path / "node") as node:
        store = Store([node])
        compress(store, "zstd")
        put(store, plain, None, Body(plain))
    (file,) = (path for path in (tmp_path / "node" / "objects").rglob("*") if path.is_file())
    dumped = godos("dump", "--payload", file.name, file)
    assert dumped.exit_code == 0
    (tmp_path / "blob").write_bytes(dumped.stdout_bytes)
    assert godos("unpack", tmp_path / "blob").stdout_bytes == plain


def test_the_index(blob: Path) -> None:
    """Where each block is, and whether it is compressed."""
    done = godos("unpack", "--index", blob)
    whole, *blocks = map(json.loads, done.stdout.splitlines())
    assert whole == {"stored": blob.stat().st_size, "size": len(PLAIN)}
    assert [block["compressed"] for block in blocks] == [True, True, True, False, False]
    assert [block["size"] for block in blocks] == [SHAPE.block] * 4 + [3]
    offset = 0
    for number, block in enumerate(blocks):
        assert (block["block"], block["offset"]) == (number, offset)
        offset += block["length"]


def test_damage(blob: Path) -> None:
    """It is told, and the exit code is 1."""
    raw = bytearray(blob.read_bytes())
    for place in (5000, len(raw) - 5, len(raw) - 50):
        raw[place] ^= 1
        blob.write_bytes(raw)
        done = godos("unpack", blob)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"Error: {blob}: ")
        assert done.stderr.count("\n") == 1
        raw[place] ^= 1


@pytest.mark.parametrize("content", [b"", b"x", bytes(28), b"something else " * 100])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    """What is no compressed blob is refused in one line, as is a file that is not there."""
    (tmp_path / "file").write_bytes(content)
    for name in ("file", "nothing"):
        done = godos("unpack", tmp_path / name)
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
