"""When lifecycle rules apply, and to which versions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.versions import Attributes, ObjectVersion
from godos.protocol.lifecycle import (
    DAY,
    REAL_DAYS,
    Calendar,
    Filter,
    Rule,
    abort_of,
    expiration_of,
    is_abandoned,
    rules_of,
)
from godos.protocol.lifecycle_review import Due, Fate, Review

MIDNIGHT = 1_388_534_400.0  # 1 January 2014
SHORT = Calendar(10.0)


def version(
    key: str = "k",
    modified: float = 0.0,
    size: int = 5,
    marker: bool = False,
    latest: bool = True,
    **tags: str,
) -> ObjectVersion:
    return ObjectVersion(
        "b",
        key,
        f"{key}@{modified}",
        1,
        "etag",
        size,
        modified,
        None,
        "reference",
        "rev",
        is_null=False,
        is_delete_marker=marker,
        is_latest=latest,
        attributes=Attributes(tags=tags),
    )


def rules(*documents: dict[str, Any]) -> tuple[Rule, ...]:
    return rules_of({"Rules": [{"Status": "Enabled", "ID": "r", **each} for each in documents]})


# -- days --------------------------------------------------------------------------------
def test_days_end_at_midnight() -> None:
    """As in S3's example: made on 1 January at 10:30, three days end on 5 January at 0:00."""
    made = MIDNIGHT + 10.5 * 3600
    assert REAL_DAYS.after(made, 3) == MIDNIGHT + 4 * DAY
    assert REAL_DAYS.after(MIDNIGHT, 3) == MIDNIGHT + 3 * DAY


def test_short_days_end_when_they_are_over() -> None:
    """A day that was shortened to try rules out is as long as it says."""
    assert SHORT.after(MIDNIGHT + 3, 2) == MIDNIGHT + 23


@given(st.floats(0, 4e9), st.integers(1, 4000))
def test_nothing_expires_early(start: float, days: int) -> None:
    """Never before the days are over, and at most a day later, at midnight."""
    end = REAL_DAYS.after(start, days)
    assert start + days * DAY <= end < start + (days + 1) * DAY
    assert end % DAY == 0


# -- filters -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("document", "covered", "not_covered"),
    [
        ({}, version(), None),
        ({"Prefix": "k"}, version("key"), version("a")),
        ({"Filter": {}}, version(), None),
        ({"Filter": {"Prefix": "a/"}}, version("a/b"), version("a")),
        ({"Filter": {"Tag": {"Key": "t", "Value": "1"}}}, version(t="1", u="2"), version(t="2")),
        ({"Filter": {"ObjectSizeGreaterThan": 5}}, version(size=6), version(size=5)),
        ({"Filter": {"ObjectSizeLessThan": 5}}, version(size=4), version(size=5)),
        ({"Filter": {"ObjectSizeGreaterThan": 0}}, version(size=1), version(size=0)),
        (
            {"Filter": {"And": {"Prefix": "k", "Tags": [{"Key": "t", "Value": "1"}]}}},
            version(t="1"),
            version("a", t="1"),
        ),
        (
            {
                "Filter": {
                    "Tag": {"Key": "t", "Value": "1"},
                    "And": {"Tags": [{"Key": "u", "Value": "2"}]},
                }
            },
            version(t="1", u="2"),
            version(u="2"),
        ),
        (
            {"Filter": {"ObjectSizeGreaterThan": 3, "And": {"ObjectSizeGreaterThan": 7}}},
            version(size=8),
            version(size=5),
        ),
    ],
)
def test_filters(
    document: dict[str, Any], covered: ObjectVersion, not_covered: ObjectVersion | None
) -> None:
    """A version is covered when all holds that the rule says."""
    [rule] = rules(document)
    assert rule.filter.covers(covered)
    assert not_covered is None or not rule.filter.covers(not_covered)


def test_markers_have_names_alone() -> None:
    """A delete marker has neither tags nor a size, and no such filter covers it."""
    marker = version(marker=True, size=0)
    assert Filter(("k",)).covers(marker)
    assert not Filter(smaller_than=5).covers(marker)
    assert not Filter(tags=(("t", "1"),)).covers(marker)


def test_rules_that_are_off() -> None:
    """A disabled rule is none, and neither is there one without a document."""
    assert rules({"Status": "Disabled"}) == ()
    assert rules_of(None) == ()


# -- what clients are told -----------------------------------------------------------------
def test_the_header_of_an_object() -> None:
    """It names the earliest end and the rule, whose name is percent-encoded."""
    found = rules(
        {"ID": "late", "Expiration": {"Days": 9}},
        {"ID": "ä b", "Expiration": {"Days": 1}},
        {"ID": "of others", "Expiration": {"Days": 1}, "Prefix": "x"},
    )
    assert expiration_of(found, version(modified=MIDNIGHT + 1)) == (
        'expiry-date="Fri, 03 Jan 2014 00:00:00 GMT", rule-id="%C3%A4%20b"'
    )
    dated = rules({"Expiration": {"Date": MIDNIGHT}})
    assert expiration_of(dated, version()) == (
        'expiry-date="Wed, 01 Jan 2014 00:00:00 GMT", rule-id="r"'
    )


def test_what_has_no_header() -> None:
    """What no rule expires; older versions and delete markers never have one."""
    found = rules({"Expiration": {"Days": 1}, "Filter": {"Tag": {"Key": "t", "Value": "1"}}})
    assert expiration_of(found, version(t="1")) is not None
    assert expiration_of(found, version(t="2")) is None
    assert expiration_of(found, version(t="1", latest=False)) is None
    assert expiration_of(rules({"Expiration": {"Days": 1}}), version(marker=True)) is None
    assert expiration_of(rules({"Expiration": {"ExpiredObjectDeleteMarker": True}}), version()) is (
        None
    )


def test_an_end_that_no_date_can_name() -> None:
    """Objects that expire in millions of years can be read until then; others say when."""
    far = {"ID": "far", "Expiration": {"Days": 2**31 - 1}}
    assert expiration_of(rules(far), version()) is None
    told = expiration_of(rules(far, {"ID": "near", "Expiration": {"Days": 1}}), version())
    assert told is not None
    assert told.endswith('rule-id="near"')


def test_uploads_that_were_given_up() -> None:
    """The earliest rule for the name counts; tags and sizes are none of an upload's."""
    abort = "AbortIncompleteMultipartUpload"
    found = rules(
        {"ID": "a", abort: {"DaysAfterInitiation": 3}},
        {"ID": "b", abort: {"DaysAfterInitiation": 2}, "Prefix": "k"},
    )
    assert abort_of(found, "k", MIDNIGHT) == (MIDNIGHT + 2 * DAY, "b")
    assert abort_of(found, "x", MIDNIGHT) == (MIDNIGHT + 3 * DAY, "a")
    assert abort_of((), "x", MIDNIGHT) is None
    assert is_abandoned(found, "k", 0.0, SHORT, 20.0)
    assert not is_abandoned(found, "x", 0.0, SHORT, 20.0)


# -- which versions are due ------------------------------------------------------------------
def review(found: tuple[Rule, ...], now: float, *versions: ObjectVersion) -> list[Due]:
    """All that is due, with days of 10 seconds."""
    looking, due = Review(found, SHORT, now), []
    for each in versions:
        due += looking.next(each)
    return due + looking.end()


def test_the_latest_version_expires() -> None:
    """It is deleted as a client would; one that is younger or of another name stays."""
    found = rules({"Expiration": {"Days": 1}, "Prefix": "k"})
    old, young, other = version("k1"), version("k2", 15.0), version("x")
    assert review(found, 20.0, old, young, other) == [Due(Fate.EXPIRE, old)]
    assert review(found, 9.9, old) == []


def test_a_date_expires_all_that_is_there() -> None:
    """From that time on, whatever their age."""
    found = rules({"Expiration": {"Date": 100.0}})
    each = version(modified=99.0)
    assert review(found, 99.9, each) == []
    assert review(found, 100.0, each) == [Due(Fate.EXPIRE, each)]


def test_older_versions_go_after_they_were_displaced() -> None:
    """Their age counts from when the next version came, not from when they were made."""
    found = rules({"NoncurrentVersionExpiration": {"NoncurrentDays": 2}})
    latest, second, third = version(modified=50.0), version(modified=30.0), version(modified=0.0)
    assert review(found, 60.0, latest, second, third) == [Due(Fate.REMOVE, third)]
    assert review(found, 70.0, latest, second, third) == [
        Due(Fate.REMOVE, second),
        Due(Fate.REMOVE, third),
    ]


def test_some_older_versions_are_kept_by_number() -> None:
    """The newest of them stay however old; markers among them are not counted."""
    found = rules(
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}}
    )
    versions = [version(modified=float(9 - n), marker=n == 2) for n in range(6)]
    due = review(found, 1000.0, *versions)
    assert [each.version.modified for each in due] == [5.0, 4.0]
    assert {each.fate for each in due} == {Fate.REMOVE}


def test_a_marker_that_hides_nothing() -> None:
    """It goes by its own action, or as old as expired objects; one that hides something stays."""
    alone = version("a", marker=True)
    hiding, hidden = version("b", marker=True), version("b")
    lone = rules({"Expiration": {"ExpiredObjectDeleteMarker": True}})
    assert review(lone, 1.0, alone, hiding, hidden) == [Due(Fate.REMOVE, alone)]
    assert review(lone, 1.0, hiding, hidden, alone) == [Due(Fate.REMOVE, alone)]
    aged = rules({"Expiration": {"Days": 5}})
    assert review(aged, 49.0, alone) == []
    assert review(aged, 50.0, alone) == [Due(Fate.REMOVE, alone)]
    tagged = rules({"Expiration": {"Days": 5}, "Filter": {"Tag": {"Key": "t", "Value": "1"}}})
    assert review(tagged, 50.0, alone) == []


def test_an_object_under_a_marker_is_not_expired_again() -> None:
    """A deleted object is no latest version: no second marker comes on top."""
    found = rules({"Expiration": {"Days": 1}})
    assert review(found, 1000.0, version(modified=1.0, marker=True), version()) == []


# A whole bucket at random, compared with what the rules say of each version by itself.
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 100),
        st.booleans(),
        st.integers(0, 3),
        st.booleans(),
    ),
    unique_by=lambda each: each[:2],
    max_size=12,
)
RULES = st.lists(
    st.builds(
        Rule,
        id=st.just("r"),
        filter=st.builds(
            Filter,
            prefixes=st.sampled_from([(), ("a",)]),
            tags=st.sampled_from([(), (("t", "1"),)]),
            larger_than=st.sampled_from([None, 1]),
        ),
        days=st.sampled_from([None, 1, 4]),
        lone_markers=st.booleans(),
        noncurrent_days=st.sampled_from([None, 1, 4]),
        newer_noncurrent=st.integers(0, 2),
    ),
    max_size=3,
)


def by_itself(
    rule: Rule, history: list[ObjectVersion], place: int, now: float
) -> tuple[Fate, ObjectVersion] | None:
    """What one rule wants of one version, given all of its key, newest first."""
    each = history[place]
    if not rule.filter.covers(each):
        return None
    aged = rule.days is not None and each.modified + 10 * rule.days <= now
    if place == 0 and each.is_delete_marker:
        alone = len(history) == 1
        return (Fate.REMOVE, each) if alone and (rule.lone_markers or aged) else None
    if place == 0:
        return (Fate.EXPIRE, each) if aged else None
    newer = sum(not other.is_delete_marker for other in history[1:place])
    displaced = history[place - 1].modified
    if rule.noncurrent_days is None or newer < rule.newer_noncurrent:
        return None
    return (Fate.REMOVE, each) if displaced + 10 * rule.noncurrent_days <= now else None


@given(HISTORIES, RULES, st.integers(0, 200))
def test_any_bucket(history: list[Any], found: list[Rule], now: int) -> None:
    """Whatever the bucket and the rules: due is exactly what some rule wants gone, each once."""
    listed = [
        version(key, float(modified), size, marker, **({"t": "1"} if tagged else {}))
        for key, modified, marker, size, tagged in sorted(
            history, key=lambda each: (each[0], -each[1])
        )
    ]
    assert all((a.key, -a.modified) < (b.key, -b.modified) for a, b in pairwise(listed))
    expected = set()
    for key in "abc":
        own = [each for each in listed if each.key == key]
        for place in range(len(own)):
            wanted = (by_itself(rule, own, place, float(now)) for rule in found)
            expected |= {(fate, each.version_id) for fate, each in filter(None, wanted)}
    due = review(tuple(found), float(now), *listed)
    assert len(due) == len(expected)
    assert {(each.fate, each.version.version_id) for each in due} == expected
