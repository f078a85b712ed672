"""Request targets: what they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import InvalidBucketName, InvalidKey, KeyTooLong
from godos.web.errors import InvalidArgument, InvalidURI
from godos.web.target import is_verb, parse_names, parse_query, parse_target, unquote


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (b"/objects/a", "a"),
        (b"/objects//a", "/a"),
        (b"/objects/a//b", "a//b"),
        (b"/objects/../x", "../x"),
        (b"/objects/./x", "./x"),
        (b"/objects/a%2Fb", "a/b"),
        (b"/objects/%2F", "/"),
        (b"/objects/folder/", "folder/"),
        (b"/objects//", "/"),
        (b"/objects/a%0Ab%00c%7F", "a\nb\0c\x7f"),
        (b"/objects/a+b", "a+b"),
        (b"/objects/a%2Bb", "a+b"),
        (b"/objects/100%25", "100%"),
        (b"/objects/a%252Fb", "a%2Fb"),
        (b"/objects/%C3%A9%e2%82%ac", "é€"),
        ("/objects/é".encode(), "é"),
        (b"/objects/a%3Fb", "a?b"),
        (b"/objects/a;b=c&d", "a;b=c&d"),
        (b"/objects/a#b", "a#b"),
        (b"/objects/http://x/y", "http://x/y"),
        (b"http://store.example:8030/objects/a/b", "a/b"),
        (b"HTTPS://store.example/objects/a", "a"),
    ],
)
def test_names_are_kept(target: bytes, key: str) -> None:
    """A name is what the client wrote, decoded once, and nothing is tidied up."""
    parsed = parse_target(target)
    assert (parsed.bucket, parsed.key) == ("objects", key)
    assert not parsed.query


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_any_name_survives(key: str) -> None:
    """Whatever UTF-8 a name is made of, percent-encoding it gives it back."""
    raw = b"/objects/" + b"".join(b"%%%02X" % byte for byte in key.encode())
    assert parse_target(raw).key == key


@pytest.mark.parametrize("target", [b"/photos", b"/photos/", b"/p%68otos", b"http://h/photos"])
def test_an_empty_key_is_the_bucket(target: bytes) -> None:
    """`/photos` and `/photos/` both name the bucket."""
    parsed = parse_target(target)
    assert (parsed.bucket, parsed.key) == ("photos", "")


@pytest.mark.parametrize("target", [b"/", b"*", b"http://h", b"http://h/", b"/?buckets"])
def test_the_store_itself(target: bytes) -> None:
    """`/` names no bucket."""
    parsed = parse_target(target)
    assert (parsed.bucket, parsed.key) == ("", "")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (b"/objects/%ff", InvalidKey),
        (b"/objects/%C3", InvalidKey),
        (b"/objects/\xff", InvalidKey),
        (b"/objects/100%", InvalidURI),
        (b"/objects/%4", InvalidURI),
        (b"/objects/%zz", InvalidURI),
        (b"/objects/% 1", InvalidURI),
        (b"/objects/%+1", InvalidURI),
        (b"/objects/" + b"a" * 1025, KeyTooLong),
        (b"//x", InvalidBucketName),
        (b"/UPPER/x", InvalidBucketName),
        (b"/-/x", InvalidBucketName),
        (b"/a%2Fb/x", InvalidBucketName),
        (b"/%ff/x", InvalidURI),
        (b"objects/x", InvalidURI),
        (b"", InvalidURI),
        (b"ftp://h/objects/x", InvalidURI),
        (b"/objects/x?prefix=%ff", InvalidURI),
    ],
)
def test_what_names_nothing(target: bytes, error: type[Exception]) -> None:
    """A target that cannot be read is refused, and never read as something near to it."""
    with pytest.raises(error):
        parse_target(target)


def test_the_longest_name() -> None:
    """A name may have 1024 bytes, counted after decoding."""
    assert len(parse_target(b"/objects/" + b"%61" * 1024).key) == 1024


def test_query() -> None:
    """A plus is a space in values only; what has no `=` has an empty value."""
    query = parse_query(b"versions&prefix=a+b%2Bc&&max-keys=2&a+b=1&x=y=z")
    assert query.pairs == (
        ("versions", ""),
        ("prefix", "a b+c"),
        ("max-keys", "2"),
        ("a+b", "1"),
        ("x", "y=z"),
    )
    assert "versions" in query and "Versions" not in query
    assert query.one("prefix") == "a b+c"
    assert query.one("delimiter") is None


def test_a_parameter_twice() -> None:
    """A parameter that came twice says two things, and is not silently one of them."""
    query = parse_query(b"prefix=a&prefix=b")
    assert list(query.names()) == ["prefix", "prefix"]
    with pytest.raises(InvalidArgument, match="prefix came 2 times"):
        query.one("prefix")


def test_only_the_first_question_mark_counts() -> None:
    """Later ones belong to the query."""
    parsed = parse_target(b"/objects/a?prefix=b?c")
    assert parsed.key == "a"
    assert parsed.query.one("prefix") == "b?c"


@given(st.binary(max_size=60))
def test_decoding_never_breaks(raw: bytes) -> None:
    """Any bytes decode or are refused."""
    try:
        assert len(unquote(raw)) <= len(raw)
    except InvalidURI:
        assert b"%" in raw


@pytest.mark.parametrize(
    "target", [b"/", b"/?format=json", b"http://h/", b"http://h", b"/-/", b"/-/x", b"http://h/-/x"]
)
def test_what_the_admin_side_answers(target: bytes) -> None:
    """Reading `/` and all below `/-/` is for the admin resources."""
    assert not is_verb(target, b"GET")
    assert not is_verb(target, b"HEAD")


@pytest.mark.parametrize(
    "target",
    [
        b"/?buckets",
        b"/?format=json&buckets=",
        b"http://h/?buckets",
        b"/-",
        b"/-x/-/",
        b"/objects/-/x",
        b"/objects",
        b"/objects/",
        b"//-/x",
        b"nonsense",
        b"",
        b"/?%zz",
    ],
)
def test_what_the_verbs_answer(target: bytes) -> None:
    """All else is for the verbs, also what cannot be read."""
    assert is_verb(target, b"GET")


def test_other_methods_of_the_store() -> None:
    """Only reading `/` shows the status; the verbs say what else there is."""
    for method in (b"PUT", b"OPTIONS", b"POST"):
        assert is_verb(b"/", method)
        assert is_verb(b"*", method)
        assert not is_verb(b"/-/health", method)


def test_names_after_a_prefix() -> None:
    """Locate takes names from the target in the same way."""
    assert parse_names(b"/objects/a%2F//b") == ("objects", "a///b")
