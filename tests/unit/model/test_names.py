"""Names."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import InvalidBucketName, InvalidKey, KeyTooLong
from godos.model.names import FragmentName, bucket_name, is_id, new_id, object_key


def test_ids_are_ids_and_differ() -> None:
    """Thousands of them, also those drawn ahead."""
    ids = [new_id() for _ in range(3000)]
    assert len(set(ids)) == 3000
    assert all(is_id(one) for one in ids)


def test_a_forked_child_draws_its_own() -> None:
    """Ids drawn ahead by the parent are not given by the child."""
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 100).decode()
    assert is_id(theirs)
    assert theirs not in {new_id() for _ in range(300)}


@pytest.mark.parametrize("name", ["objects", "a-b.c", "123", "x" * 63])
def test_bucket_names(name: str) -> None:
    """What S3 takes."""
    assert bucket_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "x" * 64,
        "Upper",
        "a_b",
        "-ab",
        "ab-",
        "a..b",
        "1.2.3.4",
        "xn--a",
        "a-s3alias",
        "a/b",
    ],
)
def test_names_that_are_no_bucket(name: str) -> None:
    """What S3 refuses."""
    with pytest.raises(InvalidBucketName):
        bucket_name(name)


@given(st.text(min_size=1, max_size=256))
def test_any_text_is_a_key(text: str) -> None:
    """Nothing is normalised; control characters are characters."""
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        return
    assert object_key(raw) == text


def test_keys_that_are_none() -> None:
    """Empty, too long by a byte, or not UTF-8."""
    assert object_key(b"x" * 1024)
    with pytest.raises(KeyTooLong):
        object_key("ü".encode() * 512 + b"x")
    for raw in (b"", b"\xff", b"\xed\xa0\x80"):
        with pytest.raises(InvalidKey):
            object_key(raw)


def test_fragment_names() -> None:
    """Hex digits and an index, written in one way only."""
    name = FragmentName("0" * 32, 12)
    assert FragmentName.parse(str(name)) == name
    for text in ("", "0" * 32, f"{'0' * 32}.01", f"{'0' * 31}g.1", f"{'0' * 32}.-1", "../x.1"):
        with pytest.raises(ValueError, match="fragment name"):
            FragmentName.parse(text)
