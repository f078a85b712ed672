"""What people write after a command, and what they read."""

from __future__ import annotations

import pytest

from godos.cli.parameters import in_words, on_one_line, size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("17B", 17),
        ("20MB", 20_000_000),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("10GiB", 10 << 30),
        ("10 GiB", 10 << 30),
        ("2TiB", 2 << 40),
    ],
)
def test_sizes(text: str, number: int) -> None:
    """With units of both kinds."""
    assert size(text) == number


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "1.5GB", "1 X", "1iB", "1G", "1KB", "٣", "1GiBB"]
)
def test_no_sizes(text: str) -> None:
    """What could be read in two ways is not read."""
    with pytest.raises(ValueError, match="is no size"):
        size(text)


def test_in_words() -> None:
    """In the largest unit of which there is one."""
    assert [in_words(number) for number in (5, 2048, 10 << 30)] == [
        "5 bytes",
        "2.0 KiB",
        "10.0 GiB",
    ]


def test_on_one_line() -> None:
    """Names from outside do nothing to a terminal."""
    assert on_one_line("ä b\n\x1b[2J") == "ä b\\n\\x1b[2J"
