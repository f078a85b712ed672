"""Rules about pages of other origins."""

from __future__ import annotations

from fnmatch import translate
from re import fullmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.cors import CorsRequest, CorsRule, cors_rules, grant, matches

TEXT = st.text("ab.", max_size=6)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("a*b", "ab", True),
        ("a*b", "a", False),
        ("aba*ba", "aba", False),  # the two ends do not overlap
        ("aba*ba", "ababa", True),
        ("a", "A", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    """A star stands for any text; all else for itself."""
    assert matches(pattern, text) is fits


@given(TEXT, TEXT, TEXT)
def test_patterns_like_those_of_shells(before: str, after: str, text: str) -> None:
    """With one star they fit what a shell's pattern fits."""
    pattern = f"{before}*{after}"
    assert matches(pattern, text) == bool(fullmatch(translate(pattern), text))
    assert matches(pattern, before + text + after)


def test_rules_of_a_document() -> None:
    """Headers are read without regard to case; a bucket without a document has no rules."""
    assert cors_rules(None) == ()
    document = {
        "CORSRules": [
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["X-A"]}
        ]
    }
    assert cors_rules(document) == (CorsRule(("GET",), ("*",), ("x-a",)),)


def test_the_first_rule_that_fits() -> None:
    """A rule fits when origin, method and all headers do; the first one counts."""
    narrow = CorsRule(("GET",), ("http://a",), ("x-a",), max_age=1)
    wide = CorsRule(("GET", "PUT"), ("http://*", "*"), ("*",))
    rules = (narrow, wide)
    assert grant(rules, CorsRequest("http://a", "GET", ("x-a",))).rule is narrow  # type: ignore[union-attr]
    for request in (
        CorsRequest("http://b", "GET"),
        CorsRequest("http://a", "PUT"),
        CorsRequest("http://a", "GET", ("x-a", "x-b")),
    ):
        found = grant(rules, request)
        assert found is not None and found.rule is wide and found.origin == request.origin
    anybody = grant(rules, CorsRequest("file", "GET"))
    assert anybody is not None and anybody.origin == "*"
    assert grant(rules, CorsRequest("file", "DELETE")) is None
    assert grant((), CorsRequest("file", "GET")) is None
