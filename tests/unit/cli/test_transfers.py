"""What `godos put` sends again, and what `godos get` takes for the object."""

from __future__ import annotations

import os
from hashlib import md5
from pathlib import Path

import click
import pytest

from godos.cli.get import target
from godos.cli.receiving import Check, Expected, Proof, proof
from godos.cli.resuming import LARGEST, MOST_PARTS, PART, Piece, Stored, matching, pieces
from godos.cli.sending import FileChanged, Source, checksum
from godos.cli.store import Place, place_of_object


@pytest.mark.parametrize(
    "size", [1, PART, PART + 1, PART * MOST_PARTS, PART * MOST_PARTS + 1, LARGEST]
)
def test_pieces(size: int) -> None:
    """They are the file, one after the other, equal but for the last, and not too many."""
    found = pieces(size)
    assert [piece.number for piece in found] == list(range(1, len(found) + 1))
    assert len(found) <= MOST_PARTS
    assert len({piece.size for piece in found[:-1]}) <= 1
    end = 0
    for piece in found:
        assert piece.start == end
        end += piece.size
    assert end == size


def test_too_large() -> None:
    """No object is larger than 5 TiB."""
    with pytest.raises(ValueError, match="5 TiB"):
        pieces(LARGEST + 1)


def test_matching() -> None:
    """A part counts with its number, size and MD5, and where the size differs nothing is read."""
    content = b"aaaabbbbccccdd"
    wanted = [Piece(1, 0, 4), Piece(2, 4, 4), Piece(3, 8, 4), Piece(4, 12, 2)]
    read: list[int] = []

    def bytes_of(piece: Piece) -> bytes:
        read.append(piece.number)
        return content[piece.start : piece.start + piece.size]

    def stored(number: int, body: bytes) -> Stored:
        return Stored(number, len(body), md5(body).hexdigest())

    there = [stored(1, b"aaaa"), stored(2, b"xxxx"), stored(4, b"dddd"), stored(9, b"cccc")]
    assert dict(matching(wanted, there, bytes_of)) == {1: md5(b"aaaa").hexdigest()}
    assert read == [1, 2]


@pytest.mark.parametrize("change", ["longer", "shorter", "touched"])
def test_a_file_that_changes(tmp_path: Path, change: str) -> None:
    """It is noticed before there is an object of it."""
    path = tmp_path / "file"
    path.write_bytes(b"12345678")
    fd = os.open(path, os.O_RDONLY)
    try:
        source = Source.of(fd, "file")
        source.check()
        if change == "touched":
            os.utime(path, ns=(0, 1))
        else:
            path.write_bytes(b"123456789" if change == "longer" else b"1234")
        with pytest.raises(FileChanged, match="nothing was stored"):
            source.check()
        if change == "shorter":
            with pytest.raises(FileChanged):
                source.read(Piece(1, 0, 8))
    finally:
        os.close(fd)


MD5 = f'"{md5(b"meow").hexdigest()}"'


@pytest.mark.parametrize(
    ("head", "algorithm"),
    [
        ({"ETag": MD5, "ChecksumCRC64NVME": "x", "ChecksumType": "FULL_OBJECT"}, "crc64nvme"),
        ({"ETag": MD5, "ChecksumSHA256": "x"}, "sha256"),
        ({"ETag": MD5}, "md5"),
        ({"ETag": MD5, "ServerSideEncryption": "AES256"}, "md5"),
        ({"ETag": MD5, "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": MD5, "SSECustomerAlgorithm": "AES256"}, None),
        ({"ETag": '"0af-2"', "ChecksumSHA256": "x-2", "ChecksumType": "COMPOSITE"}, None),
    ],
)
def test_proof(head: dict[str, str], algorithm: str | None) -> None:
    """A checksum of the whole, or an ETag where that is an MD5; never one of parts."""
    found = proof(head)
    assert (found.algorithm if found else None) == algorithm


def checked(wanted: Expected, *blocks: bytes) -> None:
    check = Check(wanted)
    for block in blocks:
        check.update(block)
    check.end()


@pytest.mark.parametrize(
    "sure", [Proof("md5", MD5.strip('"')), Proof("crc64nvme", checksum(b"meow")), None]
)
def test_the_bytes_that_came(sure: Proof | None) -> None:
    """All of them and the right ones, as far as it can be known."""
    wanted = Expected(4, MD5, None, sure)
    checked(wanted, b"me", b"ow")
    with pytest.raises(click.ClickException, match="3 of 4 bytes"):
        checked(wanted, b"meo")
    if sure is not None:
        with pytest.raises(click.ClickException, match="not the object's"):
            checked(wanted, b"meoW")


def test_places() -> None:
    """All behind the bucket is the key, whatever is in it."""
    assert place_of_object("s3://photos//a b/%2F?x#y") == Place("photos", "/a b/%2F?x#y")
    for text in ("photos/cat", "s3://photos", "s3://photos/", "s3:///cat", "http://photos/cat"):
        with pytest.raises(ValueError, match="s3://BUCKET/KEY"):
            place_of_object(text)


def test_where_an_object_goes(tmp_path: Path) -> None:
    """A folder takes it under its own name; what is neither file nor folder is not replaced."""
    pipe, of = tmp_path / "pipe", Place("b", "photos/cat.jpg")
    os.mkfifo(pipe)
    assert target(of, str(tmp_path)) == str(tmp_path / "cat.jpg")
    assert target(of, str(tmp_path / "new")) == str(tmp_path / "new")
    with pytest.raises(click.UsageError, match="is no file"):
        target(of, str(pipe))
