"""Text with `*` and `?`."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.policies_wildcards import Wildcards, plain, tokens, wildcards


def reference(pattern: str, text: str) -> bool:
    """The definition, word for word."""

    @lru_cache(None)
    def matches(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(text)
        if pattern[i] == "*":
            return matches(i + 1, j) or (j < len(text) and matches(i, j + 1))
        return j < len(text) and pattern[i] in ("?", text[j]) and matches(i + 1, j + 1)

    return matches(0, 0)


SHORT = st.text("ab/*?\n.", max_size=12)


@given(SHORT, SHORT)
def test_matching_is_what_the_wildcards_mean(pattern: str, text: str) -> None:
    """A star is any characters, a question mark is one, and all else is itself."""
    assert wildcards(pattern).matches(text) == reference(pattern, text)


@given(st.text())
def test_no_character_of_a_text_is_special_but_two(text: str) -> None:
    """A text without wildcards matches itself and nothing longer."""
    literal = Wildcards([text])
    assert literal.matches(text)
    assert not literal.matches(text + "x")
    assert plain(tokens(text)) == text


@pytest.mark.parametrize("value", ["*", "?", "a*", "**?"])
def test_wildcards_in_a_value_stand_for_themselves(value: str) -> None:
    """What was put in for a variable opens nothing."""
    pattern = Wildcards(["home/", value])
    assert pattern.matches(f"home/{value}")
    assert not pattern.matches("home/else")
    assert not pattern.matches("home/abcd")


def test_a_pattern_of_many_stars_does_not_take_long() -> None:
    """Nobody can keep the server busy with a pattern: this would take years if tried out."""
    assert not wildcards("*a" * 200 + "b").matches("a" * 20_000)
    assert not wildcards("*?a" * 200 + "b").matches("a" * 20_000)
