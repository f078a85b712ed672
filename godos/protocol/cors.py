"""
Which pages of other origins may do what with a bucket.

Source: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)"; the WHATWG Fetch
standard, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen


@frozen
class CorsRule:
    """
    One rule of a bucket; where a pattern has a `*`, it stands for any text.

    Headers are in lower case.  `max_age` is in seconds, None when the rule has none.
    """

    methods: tuple[str, ...]
    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None

    def allowed_origin(self, origin: str) -> str | None:
        """How the answer names `origin`: itself, or `*`; None when it is not allowed."""
        for pattern in self.origins:
            if pattern == "*":
                return "*"
            if matches(pattern, origin):
                return origin
        return None

    def allows_headers(self, names: Iterable[str]) -> bool:
        """Whether a page may send all these headers (in lower case)."""
        return all(any(matches(pattern, name) for pattern in self.headers) for name in names)


@frozen
class CorsRequest:
    """What a page wants; `headers` are the ones it wants to send, in lower case."""

    origin: str
    method: str
    headers: tuple[str, ...] = ()


@frozen
class CorsGrant:
    """What a page is allowed: the rule that says so, and how the answer names the origin."""

    rule: CorsRule
    origin: str


def matches(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, whose one `*` (if any) stands for any text."""
    before, star, after = pattern.partition("*")
    if not star:
        return text == pattern
    fits = len(text) >= len(before) + len(after)
    return fits and text.startswith(before) and text.endswith(after)


def cors_rules(document: Mapping[str, Any] | None) -> tuple[CorsRule, ...]:
    """The rules of a bucket's CORS configuration, in S3's member names."""
    return tuple(_rule(rule) for rule in (document or {}).get("CORSRules", ()))


def _rule(rule: Mapping[str, Any]) -> CorsRule:
    return CorsRule(
        methods=tuple(rule.get("AllowedMethods", ())),
        origins=tuple(rule.get("AllowedOrigins", ())),
        headers=tuple(name.lower() for name in rule.get("AllowedHeaders", ())),
        exposed=tuple(rule.get("ExposeHeaders", ())),
        max_age=rule.get("MaxAgeSeconds"),
    )


def grant(rules: Iterable[CorsRule], request: CorsRequest) -> CorsGrant | None:
    """What the first rule that fits allows; None when no rule does."""
    for rule in rules:
        origin = rule.allowed_origin(request.origin)
        if (
            origin is not None
            and request.method in rule.methods
            and rule.allows_headers(request.headers)
        ):
            return CorsGrant(rule, origin)
    return None
