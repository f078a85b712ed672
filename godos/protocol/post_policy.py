"""
The policy of a form that a browser posts: what its fields may be, and until when.

Sans-IO.  Source: Amazon S3 API Reference, "Authenticating Requests: Browser-Based Uploads
Using POST", "POST Policy".
"""

from __future__ import annotations

import json
import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from godos.protocol.signatures import SignatureRefused, expired

MAX_POLICY = 20 << 10  # bytes in base64
EQUAL, STARTS_WITH, LENGTH = "eq", "starts-with", "content-length-range"

_EXPIRATION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_WHOLE = 19  # characters of it that are whole seconds
_DIGITS = re.compile("[0-9]{1,18}")
_KEYS = frozenset(("expiration", "conditions"))

# Fields that no condition needs to name: they are what carries the policy, and the file, and
# checksums of that, which can only forbid more.
_EXEMPT = frozenset(("policy", "file", "x-amz-signature", "signature", "awsaccesskeyid"))
_IGNORED = ("x-ignore-", "x-amz-checksum-")


@frozen
class Condition:
    """`field` (in lower case) is `value`, or starts with it."""

    operator: str
    field: str
    value: str

    def holds(self, given: str) -> bool:
        """Whether a field has a value that it may have."""
        if self.operator == EQUAL:
            return given == self.value
        if self.field == "content-type":  # a list of types, of which each must
            return all(one.strip().startswith(self.value) for one in given.split(","))
        return given.startswith(self.value)

    def __str__(self) -> str:
        return json.dumps([self.operator, "$" + self.field, self.value])


@frozen
class PostPolicy:
    """
    `expires` is in seconds since the epoch; the file has `least` to `most` bytes, both
    inclusive, `most` None without bound.
    """

    expires: float
    conditions: tuple[Condition, ...]
    least: int = 0
    most: int | None = None


def read(encoded: str) -> PostPolicy:
    """
    Read a form's `policy` field.

    Raises:
        SignatureRefused: it is no policy.
    """
    if len(encoded) > MAX_POLICY:
        raise _invalid(f"it has more than {MAX_POLICY} bytes")
    try:
        text = a2b_base64(encoded.encode("ascii")).decode("utf-8")
        document = json.loads(text, object_pairs_hook=_members)
    except (NotBase64, ValueError, RecursionError) as error:
        raise _invalid("it is the base64 of a document in JSON") from error
    if not isinstance(document, dict) or document.keys() - _KEYS:
        raise _invalid("it is an object with expiration and conditions")
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        raise _invalid("it has a list of conditions")
    policy = PostPolicy(_expiration(document.get("expiration")), ())
    read_ones = []
    least, most = 0, None
    for condition in conditions:
        if _is_length(condition):
            low, high = _length(condition)
            least, most = max(least, low), high if most is None else min(most, high)
        else:
            read_ones.append(_condition(condition))
    return PostPolicy(policy.expires, tuple(read_ones), least, most)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name one would be lost, and with it what it forbids."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice in one object")
    return members


def _expiration(text: Any) -> float:
    if not isinstance(text, str) or _EXPIRATION.fullmatch(text) is None:
        raise _invalid("it has an expiration, such as 2030-12-31T12:00:00.000Z")
    try:
        return datetime.fromisoformat(text[:_WHOLE] + "+00:00").timestamp()
    except (ValueError, OverflowError) as error:
        raise _invalid("its expiration is no time") from error


def _is_length(condition: Any) -> bool:
    return (
        isinstance(condition, list)
        and bool(condition)
        and isinstance(condition[0], str)
        and condition[0].lower() == LENGTH
    )


def _length(condition: list[Any]) -> tuple[int, int]:
    bounds = [_number(bound) for bound in condition[1:]]
    if len(bounds) != 2:
        raise _invalid(f"{LENGTH} has two numbers")
    return bounds[0], bounds[1]


def _number(given: Any) -> int:
    if isinstance(given, str) and _DIGITS.fullmatch(given):
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise _invalid(f"{LENGTH} has two numbers that are not negative")
    return given


def _condition(condition: Any) -> Condition:
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise _invalid("a simple condition is an object with one property")
        ((field, value),) = condition.items()
        operator = EQUAL
    else:
        if not isinstance(condition, list) or len(condition) != 3:
            raise _invalid('a condition is ["eq" or "starts-with", "$field", "value"]')
        operator, field, value = condition
        if not isinstance(operator, str) or operator.lower() not in (EQUAL, STARTS_WITH):
            raise _invalid("a condition is eq, starts-with or content-length-range")
        if not isinstance(field, str) or field[:1] != "$":
            raise _invalid("a condition names its field with a $ before it")
        operator, field = operator.lower(), field[1:]
    if not isinstance(value, str):
        raise _invalid("the value of a condition is a text")
    return Condition(operator, field.lower(), value)


def check(policy: PostPolicy, fields: Mapping[str, str], bucket: str, now: float) -> None:
    """
    Compare a form with its policy.

    Args:
        fields: by their names in lower case, in their final form: with `${filename}` in the
            key replaced.
        bucket: that the form was posted to, whatever its field says.

    Raises:
        SignatureRefused: the policy has expired, or does not allow this form.
    """
    if now > policy.expires:
        raise expired(policy.expires, now)
    given = {**fields, "bucket": bucket}
    for condition in policy.conditions:
        if not condition.holds(given.get(condition.field, "")):
            raise _denied(f"condition failed: {condition}")
    covered = {condition.field for condition in policy.conditions}
    extra = [name for name in given if name not in covered and not is_exempt(name)]
    if extra:
        raise _denied(f"extra input fields: {', '.join(sorted(extra))}")


def is_exempt(name: str) -> bool:
    """Whether a field, named in lower case, needs no condition."""
    return name in _EXEMPT or name.startswith(_IGNORED)


def _invalid(what: str) -> SignatureRefused:
    return SignatureRefused("InvalidPolicyDocument", f"the form's policy is not valid: {what}")


def _denied(what: str) -> SignatureRefused:
    return SignatureRefused("AccessDenied", f"invalid according to the form's policy: {what}")
