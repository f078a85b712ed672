"""What must hold of a version before it is replaced or removed."""

from __future__ import annotations

import pytest
from attrs import evolve

from godos.catalog.conditions import check_condition, check_deletion, check_unlocked
from godos.catalog.places import ObjectKey
from godos.catalog.plans import successor
from godos.catalog.records import Head
from godos.model.errors import NoSuchKey, ObjectLocked, PreconditionFailed
from godos.model.versions import (
    UNCONDITIONAL,
    Attributes,
    Bucket,
    Lock,
    LockMode,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from tests.contract.catalog import upload

ON = ObjectKey(Bucket("photos", "b" * 32, "ann", 0.0, Versioning.ENABLED), "k")
THERE = successor(ON, None, evolve(upload("e"), modified=1000.75), False)  # of 5 bytes
MARKER = evolve(THERE, is_delete_marker=True, etag="", size=0)

ANY, SAME = WriteCondition(if_match="*"), WriteCondition(if_match="e")
OTHER, NEW = WriteCondition(if_match="x"), WriteCondition(if_none_match_any=True)
THEN, SIZED = WriteCondition(modified=1000), WriteCondition(size=5)
LATER, SMALLER = WriteCondition(modified=1001), WriteCondition(size=4)
ALL = WriteCondition(if_match="e", modified=1000, size=5)
EMPTY = WriteCondition(size=0)


@pytest.mark.parametrize(
    ("condition", "nothing", "object_", "marker"),
    [
        (UNCONDITIONAL, None, None, None),
        (ANY, NoSuchKey, None, NoSuchKey),
        (SAME, NoSuchKey, None, NoSuchKey),
        (OTHER, NoSuchKey, PreconditionFailed, NoSuchKey),
        (NEW, None, PreconditionFailed, None),
        (THEN, NoSuchKey, None, NoSuchKey),
        (SIZED, NoSuchKey, None, NoSuchKey),
        (LATER, NoSuchKey, PreconditionFailed, NoSuchKey),
        (SMALLER, NoSuchKey, PreconditionFailed, NoSuchKey),
        (EMPTY, NoSuchKey, PreconditionFailed, NoSuchKey),
        (ALL, NoSuchKey, None, NoSuchKey),
    ],
)
def test_conditions_of_writes(
    condition: WriteCondition,
    nothing: type[Exception] | None,
    object_: type[Exception] | None,
    marker: type[Exception] | None,
) -> None:
    """Conditions hold or not over nothing, an object, and a delete marker."""
    heads = [None, Head(THERE), Head(MARKER)]
    for head, refused in zip(heads, (nothing, object_, marker), strict=True):
        if refused is None:
            check_condition(condition, "k", head)
        else:
            with pytest.raises(refused):
                check_condition(condition, "k", head)


@pytest.mark.parametrize(
    ("condition", "object_", "marker"),
    [
        (UNCONDITIONAL, True, True),
        (ANY, True, True),
        (SAME, True, False),
        (OTHER, False, False),
        (WriteCondition(if_match=""), False, False),
        (NEW, False, False),
        (THEN, True, True),
        (LATER, False, False),
        (SIZED, True, False),
        (EMPTY, False, True),
        (ALL, True, False),
    ],
)
def test_conditions_of_deletions(condition: WriteCondition, object_: bool, marker: bool) -> None:
    """Conditions hold or not of an object, and of a delete marker."""
    for version, holds in ((THERE, object_), (MARKER, marker)):
        if holds:
            check_deletion(condition, version)
        else:
            with pytest.raises(PreconditionFailed):
                check_deletion(condition, version)


def locked(mode: LockMode, until: float = 0.0, legal_hold: bool = False) -> ObjectVersion:
    return evolve(THERE, attributes=Attributes(lock=Lock(mode, until, legal_hold)))


@pytest.mark.parametrize("mode", [LockMode.GOVERNANCE, LockMode.COMPLIANCE])
def test_the_end_of_a_retention(mode: LockMode) -> None:
    """A retention holds before its end, and not from then on."""
    version = locked(mode, 50.0)
    with pytest.raises(ObjectLocked, match=mode.value.lower()):
        check_unlocked(version, 49.999)
    check_unlocked(version, 50.0)


def test_bypassing() -> None:
    """Only governance can be bypassed."""
    check_unlocked(locked(LockMode.GOVERNANCE, 50.0), 0.0, bypass_governance=True)
    for version in (
        locked(LockMode.COMPLIANCE, 50.0),
        locked(LockMode.NONE, legal_hold=True),
        locked(LockMode.GOVERNANCE, 50.0, legal_hold=True),
    ):
        with pytest.raises(ObjectLocked):
            check_unlocked(version, 0.0, bypass_governance=True)
