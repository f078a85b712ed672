"""What retentions and legal holds allow."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import ObjectLocked
from godos.model.versions import Lock, LockMode
from godos.protocol.object_lock import DAY, YEAR, check_change, keeps, with_default

NOW = 1_700_000_000.0
LOCKS = st.builds(
    Lock,
    st.sampled_from(LockMode),
    st.floats(NOW - 100, NOW + 100),
    st.booleans(),
)


def default(mode: str, **period: int) -> dict[str, Any]:
    """A bucket's configuration."""
    retention = {"Mode": mode, **period}
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, Lock()),
        ({}, Lock()),
        ({"ObjectLockEnabled": "Enabled"}, Lock()),
        ({"ObjectLockEnabled": "Enabled", "Rule": {}}, Lock()),
        (default("GOVERNANCE", Days=2), Lock(LockMode.GOVERNANCE, NOW + 2 * DAY)),
        (default("COMPLIANCE", Years=1), Lock(LockMode.COMPLIANCE, NOW + YEAR)),
    ],
)
def test_defaults(document: dict[str, Any] | None, expected: Lock) -> None:
    """A version without retention gets the bucket's; a legal hold of its own stays."""
    assert with_default(Lock(), document, NOW) == expected
    held = evolve(expected, legal_hold=True)
    assert with_default(Lock(legal_hold=True), document, NOW) == held


def test_a_retention_of_its_own() -> None:
    """Is kept, also when it is shorter than the bucket's."""
    own = Lock(LockMode.GOVERNANCE, NOW + 1)
    assert with_default(own, default("COMPLIANCE", Years=1), NOW) == own


@given(LOCKS, LOCKS, st.booleans())
def test_nobody_gets_around_a_lock(old: Lock, new: Lock, bypass: bool) -> None:
    """
    A version that is retained is so after every change that is allowed, at least as long
    and as strictly; unless the caller may bypass governance, and it is no more than that.
    """
    try:
        check_change(old, new, NOW, bypass)
    except ObjectLocked:
        return
    for when in (NOW, old.until - 1, old.until + 1):
        if old.mode is LockMode.NONE or max(when, NOW) >= old.until or old.until <= NOW:
            continue
        if old.mode is LockMode.COMPLIANCE:
            assert keeps(new, max(when, NOW), True)
        elif not bypass:
            assert keeps(new, max(when, NOW), False)


@given(LOCKS, st.booleans())
def test_what_keeps(lock: Lock, bypass: bool) -> None:
    """A legal hold always does; a retention until it ends; only governance can be bypassed."""
    retained = lock.mode is not LockMode.NONE and lock.until > NOW
    if lock.legal_hold:
        assert keeps(lock, NOW, bypass)
    elif not retained:
        assert not keeps(lock, NOW, bypass)
    else:
        assert keeps(lock, NOW, bypass) == (lock.mode is LockMode.COMPLIANCE or not bypass)


@given(LOCKS, st.booleans())
def test_legal_holds_come_and_go(lock: Lock, bypass: bool) -> None:
    """Whatever the retention."""
    check_change(lock, evolve(lock, legal_hold=not lock.legal_hold), NOW, bypass)
