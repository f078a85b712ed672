"""Access control lists as they are stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.acl import GROUPS, Acl, Grant, Permission, UnreadableAcl, acl_of, read_acl

PERMISSIONS = st.sampled_from(Permission)
GRANTS = st.builds(Grant, PERMISSIONS, user=st.text(min_size=1, max_size=5)) | st.builds(
    Grant, PERMISSIONS, group=st.sampled_from(GROUPS)
)
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["v", "grants", "permission", "user", "group"]), inner, max_size=4
        )
    ),
)


@given(st.lists(GRANTS, max_size=5))
def test_a_list_is_read_as_it_was_written(grants: list[Grant]) -> None:
    """Through JSON, as the catalog keeps it."""
    acl = Acl(tuple(grants))
    assert read_acl(json.loads(json.dumps(acl.document()))) == acl


@given(JSON | JSON.map(lambda grant: {"v": 1, "grants": [grant]}))
def test_a_damaged_list_is_told_from_an_empty_one(document: Any) -> None:
    """It is unreadable, and never a list that happens to grant something else."""
    try:
        acl = read_acl(document)
    except UnreadableAcl:
        return
    assert json.loads(json.dumps(acl.document()))["v"] == document["v"]


def test_without_a_list_the_owner_has_everything() -> None:
    """And nobody else has anything."""
    assert acl_of(None, "eve") == Acl((Grant(Permission.FULL_CONTROL, user="eve"),))


@pytest.mark.parametrize("document", [{"v": 2, "grants": []}, {"grants": []}, {"v": 1}, [], "x"])
def test_a_list_of_another_format_is_not_read(document: Any) -> None:
    """Whoever finds one grants nothing by it."""
    with pytest.raises(UnreadableAcl):
        read_acl(document)


def test_a_list_is_public_when_anybody_can_be_in_its_groups() -> None:
    """Those who have signed are as good as everybody."""
    public = [Acl((Grant(Permission.READ_ACP, group=group),)).is_public for group in GROUPS]
    assert public == [True, True, False]
    assert not Acl((Grant(Permission.READ, user="eve"),)).is_public
