"""Version ids."""

from __future__ import annotations

from string import printable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.version_ids import LENGTH, seq_of, version_id
from godos.model.names import new_id

SEQS = st.integers(1, 2**64 - 1)


@given(SEQS)
def test_an_id_says_where_its_version_is(seq: int) -> None:
    """Each id is 22 characters that need no quoting in a URL, and finds its seq."""
    made = version_id(seq, new_id())
    assert len(made) == LENGTH == 22
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert seq_of(made) == seq


@given(SEQS)
def test_ids_of_one_number_differ(seq: int) -> None:
    """Two versions that had the same number have different ids."""
    assert version_id(seq, new_id()) != version_id(seq, new_id())


@given(SEQS, st.integers(0, LENGTH - 1), st.sampled_from(printable + "é\U0001f600"))
def test_ids_have_one_form(seq: int, place: int, other: str) -> None:
    """A changed id is of another version or no id; none is read as the same version."""
    made = version_id(seq, "ab" * 16)
    changed = made[:place] + other + made[place + 1 :]
    found = seq_of(changed)
    assert found is None or version_id(found, "ab" * 16) == made or changed != made


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "null",
        "A" * 21,
        "A" * 23,
        "A" * 21 + "B",  # spare bits set
        "A" * 20 + "==",
        "A" * 21 + "\n",
        "A" * 21 + "/",
        "é" * 22,
        "é" * 11,
        "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY",
    ],
)
def test_foreign_ids(foreign: str) -> None:
    """What the catalog never gave is recognised as such."""
    assert seq_of(foreign) is None
