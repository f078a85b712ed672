"""Conditions of policies: one row for each thing that the language's description says."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.policies_conditions import condition
from godos.protocol.policies_facts import LATER, Values
from godos.protocol.policies_logic import Truth, every, negate, some
from godos.protocol.policies_operators import OPERATORS, moment
from godos.protocol.policies_templates import template


@frozen
class Known:
    """Facts that are given by a table."""

    of: dict[str, Values] = field(factory=dict)

    def values(self, key: str) -> Values:
        return self.of.get(key, ())


def holds(operator: str, wanted: str | list[str], *values: str, **more: Values) -> Truth:
    """Whether `aws:key` with these values meets the condition."""
    texts = [wanted] if isinstance(wanted, str) else wanted
    read = condition(operator, "aws:Key", [template(text, True) for text in texts])
    facts = {f"aws:{key}": value for key, value in more.items()}
    return read.holds(Known({"aws:key": values, **facts}))


TABLE: list[tuple[str, str | list[str], tuple[str, ...], bool]] = [
    ("StringEquals", "a", ("a",), True),
    ("StringEquals", "a", ("A",), False),
    ("StringEquals", ["b", "a"], ("a",), True),
    ("StringEquals", "a*", ("ab",), False),
    ("StringEquals", "a*", ("a*",), True),
    ("StringEquals", "a", (), False),
    ("StringEquals", "a", ("b", "a"), True),
    ("StringNotEquals", "a", ("a",), False),
    ("StringNotEquals", "a", ("b",), True),
    ("StringNotEquals", ["a", "b"], ("b",), False),
    ("StringNotEquals", "a", (), True),
    ("StringNotEquals", "a", ("b", "a"), False),
    ("StringEqualsIgnoreCase", "Ab", ("aB",), True),
    ("StringNotEqualsIgnoreCase", "Ab", ("aB",), False),
    ("StringLike", "pub*", ("public",), True),
    ("StringLike", "pub?", ("public",), False),
    ("StringNotLike", "pub*", ("public",), False),
    ("StringNotLike", "pub*", ("private",), True),
    ("StringLikeIfExists", "a", (), True),
    ("StringLikeIfExists", "a", ("b",), False),
    ("StringNotEqualsIfExists", "a", ("a",), False),
    ("NumericEquals", "10", ("10.0",), True),
    ("NumericNotEquals", "10", ("11",), True),
    ("NumericLessThan", "10", ("9",), True),
    ("NumericLessThan", "10", ("10",), False),
    ("NumericLessThanEquals", "10", ("10",), True),
    ("NumericLessThanEquals", "10", (), False),
    ("NumericGreaterThan", "10", ("11",), True),
    ("NumericGreaterThanEquals", "10", ("9",), False),
    ("DateGreaterThan", "2020-01-01T00:00:00Z", ("2020-01-01T00:00:01Z",), True),
    ("DateLessThan", "2020-01-01T00:00:00Z", ("2020-01-01T00:00:01Z",), False),
    ("DateEquals", "2020-01-01T01:00:00+01:00", ("2020-01-01T00:00:00Z",), True),
    ("DateNotEquals", "0", ("1970-01-01T00:00:00Z",), False),
    ("DateLessThanEquals", "2020-01-01", ("2019-12-31T23:59:59Z",), True),
    ("DateGreaterThanEquals", "2020-01-01", ("2019-12-31T23:59:59Z",), False),
    ("Bool", "true", ("true",), True),
    ("Bool", "TRUE", ("false",), False),
    ("Bool", "false", ("false",), True),
    ("BoolIfExists", "true", (), True),
    ("IpAddress", "10.0.0.0/8", ("10.1.2.3",), True),
    ("IpAddress", "10.0.0.0/8", ("11.1.2.3",), False),
    ("IpAddress", "10.0.0.1", ("10.0.0.1",), True),
    ("IpAddress", "10.0.0.0/8", ("::ffff:10.1.2.3",), True),
    ("IpAddress", "::ffff:10.0.0.0/104", ("10.1.2.3",), True),
    ("IpAddress", "2001:db8::/32", ("2001:db8::1",), True),
    ("IpAddress", "2001:db8::/32", ("10.1.2.3",), False),
    ("NotIpAddress", "10.0.0.0/8", ("10.1.2.3",), False),
    ("NotIpAddress", ["10.0.0.0/8", "11.0.0.0/8"], ("11.1.2.3",), False),
    ("NotIpAddress", "10.0.0.0/8", ("12.1.2.3",), True),
    ("ArnLike", "arn:aws:s3:::a*", ("arn:aws:s3:::ab",), True),
    ("ArnEquals", "arn:aws:s3:::a*", ("arn:aws:s3:::ab",), True),
    ("ArnLike", "arn:*:x:::b", ("arn:aws:s3:x:::b",), False),  # a star stays within its part
    ("ArnLike", "*", ("arn:aws:s3:::x",), True),
    ("ArnLike", "arn:aws:s3:::a:*", ("arn:aws:s3:::a:b",), True),
    ("ArnNotLike", "arn:aws:s3:::a*", ("arn:aws:s3:::ab",), False),
    ("ArnNotEquals", "arn:aws:s3:::a*", ("arn:aws:s3:::b",), True),
    ("ArnLike", "arn:aws:s3:::a", ("no arn",), False),
    ("Null", "true", (), True),
    ("Null", "true", ("a",), False),
    ("Null", "false", ("a",), True),
    ("Null", "False", (), False),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
    ("ForAllValues:StringEquals", "a", (), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c", "b"), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c",), False),
    ("ForAnyValue:StringEquals", "a", (), False),
    ("ForAnyValue:StringNotEquals", "a", ("a", "b"), True),
    ("ForAnyValue:StringNotEquals", "a", (), False),
    ("ForAllValues:StringNotEquals", "a", ("b", "c"), True),
    ("ForAllValues:StringNotEquals", "a", ("b", "a"), False),
    ("ForAnyValue:StringLikeIfExists", "a", (), True),
]


@pytest.mark.parametrize(("operator", "wanted", "values", "expected"), TABLE)
def test_a_condition_compares_as_its_operator_says(
    operator: str, wanted: str | list[str], values: tuple[str, ...], expected: bool
) -> None:
    """The table above."""
    assert holds(operator, wanted, *values) is expected


def test_every_operator_is_in_the_table() -> None:
    """No operator is without a row."""
    tested = {row[0].rpartition(":")[2].removesuffix("IfExists") for row in TABLE}
    assert tested == {*OPERATORS, "Null"}


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [
        ("StringEqual", "a"),
        ("stringequals", "a"),
        ("ForSome:StringEquals", "a"),
        ("NullIfExists", "true"),
        ("ForAllValues:Null", "true"),
        ("Null", "perhaps"),
        ("Null", "${aws:username}"),
        ("Bool", "yes"),
        ("NumericEquals", "ten"),
        ("NumericEquals", "nan"),
        ("NumericEquals", "inf"),
        ("DateEquals", "yesterday"),
        ("IpAddress", "10.0.0.0/33"),
        ("IpAddress", "localhost"),
        ("ArnLike", "arn:aws:s3"),
        ("", "a"),
    ],
)
def test_what_can_be_no_condition_is_refused(operator: str, wanted: str) -> None:
    """A policy that nobody could keep is refused when it is written."""
    with pytest.raises(ValueError, match=r"\w"):
        holds(operator, wanted, "x")


@pytest.mark.parametrize(
    ("operator", "wanted", "value"),
    [
        ("NumericNotEquals", "10", "ten"),
        ("DateLessThan", "2020-01-01", "soon"),
        ("NotIpAddress", "10.0.0.0/8", "unix"),
        ("IpAddress", "10.0.0.0/8", ""),
        ("Bool", "true", "yes"),
        ("StringNotEquals", "${aws:missing}", "a"),
        ("StringNotLike", "${aws:several}", "a"),
        ("IpAddress", "${aws:text}", "10.0.0.1"),
    ],
)
def test_what_cannot_be_compared_is_neither_true_nor_false(
    operator: str, wanted: str, value: str
) -> None:
    """It then helps nobody: an Allow does not hold, and a Deny does."""
    assert holds(operator, wanted, value, several=("a", "b"), text=("t",)) is None


def test_a_key_that_is_not_known_yet_leaves_it_open() -> None:
    """The tags of an object decide once it was read, whatever the operator makes of them."""
    for name in ("StringEquals", "StringNotEqualsIfExists", "ForAllValues:StringLike", "Null"):
        read = condition(name, "s3:Tag", [template("true", True)])
        assert read.holds(Known({"s3:tag": LATER})) is None


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        ("home/${aws:username}/*", "home/eve/x", True),
        ("home/${aws:username}/*", "home/bob/x", False),
        ("home/${AWS:USERNAME}/*", "home/eve/x", True),
        ("${aws:nobody, 'all'}", "all", True),
        ("${aws:username, 'all'}", "all", False),
        ("a${*}b", "a*b", True),
        ("a${*}b", "axb", False),
        ("a${?}b", "axb", False),
        ("a${$}{b", "a${b", True),
        ("${aws:star}", "anything", False),
        ("${aws:star}", "*", True),
    ],
)
def test_variables_take_their_values_from_the_request(
    wanted: str, value: str, expected: bool
) -> None:
    """And a wildcard in such a value is no wildcard."""
    assert holds("StringLike", wanted, value, username=("eve",), star=("*",)) is expected


def test_a_star_in_a_value_opens_no_part_of_an_arn() -> None:
    """A user whose id is a star is nobody but themselves."""
    wanted = "arn:aws:iam:::user/${aws:star}"
    assert holds("ArnLike", wanted, "arn:aws:iam:::user/eve", star=("*",)) is False
    assert holds("ArnLike", wanted, "arn:aws:iam:::user/*", star=("*",)) is True


@pytest.mark.parametrize("text", ["${", "${a}", "${aws:x", "${aws:x, y}", "${aws:x, 'y}", "${}"])
def test_what_is_no_variable_is_refused(text: str) -> None:
    """It would otherwise silently match nothing."""
    with pytest.raises(ValueError, match=r"\w"):
        template(text, True)
    assert template(text, False).fixed  # the older version of the language has none


TRUTHS = st.lists(st.sampled_from([True, False, None]), max_size=4)


@given(TRUTHS)
def test_what_is_not_known_changes_no_certain_answer(truths: list[Truth]) -> None:
    """Whatever the unknown turns out to be, an answer that was given stays right."""
    worlds: list[list[bool]] = [[]]
    for truth in truths:
        options = [True, False] if truth is None else [truth]
        worlds = [[*world, option] for world in worlds for option in options]
    for combine, plain in ((every, all), (some, any)):
        outcomes = {plain(world) for world in worlds}
        assert combine(truths) is (outcomes.pop() if len(outcomes) == 1 else None)
    assert some(truths) is negate(every(negate(truth) for truth in truths))


@given(st.text(max_size=30))
def test_no_text_breaks_an_operator(text: str) -> None:
    """Whatever a request carries, and whatever a policy says, there is an answer."""
    for name in OPERATORS:
        value: Any
        try:
            value = holds(name, text.replace("${", ""), text)
        except ValueError:
            continue
        assert value in (True, False, None)
    try:
        moment(text)
    except ValueError:
        return
