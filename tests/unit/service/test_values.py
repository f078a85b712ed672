"""What people may write in options, and what they are told when they may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel

from godos.service import values
from godos.service.values import Address, DynamoState, SqliteState


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:8030", Address("localhost", 8030)),
        (":8030", Address(None, 8030)),
        ("[::1]:0", Address("::1", 0)),
        ("10.0.0.1:65535", Address("10.0.0.1", 65535)),
    ],
)
def test_address(text: str, expected: Address) -> None:
    """A host, no host, or a bracketed IPv6 address, and a port."""
    assert values.address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "8030", "host", "host:", "host:x", ":65536", ":-1", ":٣"),
        *("::1:80", "[host]:1", "[::1:80", "a b:1", "http://host:80", "user@host:80"),
    ],
)
def test_no_address(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="is no "):
        values.address(text)


@given(st.text(max_size=40))
def test_address_never_breaks(text: str) -> None:
    """Whatever is written, it is an address or refused with a sentence."""
    try:
        found = values.address(text)
    except ValueError as error:
        assert "is no" in str(error)
    else:
        assert 0 <= found.port <= 65535


def test_servers() -> None:
    """Several servers stand with commas between; each must be reachable."""
    assert values.servers("a:1, [::1]:2,") == ("a:1", "[::1]:2")
    with pytest.raises(ValueError, match="reaches nobody"):
        values.servers("a:1,:2")
    with pytest.raises(ValueError, match="reaches nobody"):
        values.reachable("a:0")


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "ten", ""])
def test_no_time(text: str) -> None:
    """A time is a finite number of seconds."""
    with pytest.raises(ValueError, match="is no time"):
        values.seconds(text)


def test_simple_values() -> None:
    """Times, levels, policies, zones and yes or no."""
    assert values.seconds("0.5") == 0.5
    assert values.level("WARN") is LogLevel.warn
    assert values.policy("auto") == "auto"
    assert values.policy("copies=3") == "copies=3"
    assert values.policy("ec=4+2") == "ec=4+2"
    assert values.zone("rack-1.b") == "rack-1.b"
    assert [values.yes_or_no(text) for text in ("1", "Yes", "off")] == [True, True, False]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (values.level, "loud"),
        (values.policy, "copies=0"),
        (values.policy, "ec=4+0"),
        (values.zone, "a b"),
        (values.yes_or_no, "maybe"),
        (values.path, ""),
        (values.state, "postgres:x"),
        (values.state, "sqlite:"),
        (values.state, "dynamodb:a"),
        (values.state, "dynamodb:table?regoin=x"),
        (values.state, "dynamodb:table?region=a&region=b"),
        (values.state, "dynamodb:table?endpoint=localhost:1"),
        (values.state, "dynamodb:table?endpoint=http://me:pass@localhost:1"),
    ],
)
def test_refused(parse: object, text: str) -> None:
    """Each refusal says what would have been right."""
    with pytest.raises(ValueError, match=r".{15}"):
        parse(text)  # type: ignore[operator]


def test_passwords_are_not_repeated() -> None:
    """An endpoint with a password is refused, since others see command lines, and not shown."""
    with pytest.raises(ValueError, match="password") as refused:
        values.state("dynamodb:table?endpoint=https://me:hush@localhost:1")
    assert "hush" not in str(refused.value)


def test_state() -> None:
    """The catalog is a file of this machine or a table, with where to find it."""
    assert values.state("sqlite:/x/y.sqlite") == SqliteState(Path("/x/y.sqlite"))
    assert values.state("dynamodb:godos") == DynamoState("godos")
    assert values.state(
        "dynamodb:godos?region=eu-west-1&endpoint=http://127.0.0.1:8000"
    ) == DynamoState("godos", "eu-west-1", "http://127.0.0.1:8000")


def test_relative_paths_count_from_the_folder() -> None:
    """A relative path is anchored wherever it hides; an absolute one stays."""
    folder = Path("/srv")
    assert values.anchored((Path("a"), Path("/b")), folder) == (Path("/srv/a"), Path("/b"))
    assert values.anchored(SqliteState(Path("s")), folder) == SqliteState(Path("/srv/s"))
    assert values.anchored("text", folder) == "text"
