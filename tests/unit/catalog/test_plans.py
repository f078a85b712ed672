"""What a write of a version changes, decided without I/O."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from godos.catalog.items import Absent, Action, Check, Put, RevIs, StateIs
from godos.catalog.places import ObjectKey, shared_place
from godos.catalog.plans import (
    dropped,
    put_on_top,
    referenced,
    remove_head,
    remove_older,
    successor,
)
from godos.catalog.records import Head
from godos.model.blobs import SHARED_FROM
from godos.model.names import new_id
from godos.model.versions import (
    NULL_VERSION,
    Bucket,
    ObjectVersion,
    Versioning,
)
from tests.contract.catalog import BOTH, empty, upload

ON = ObjectKey(Bucket("photos", "b" * 32, "ann", 0.0, Versioning.ENABLED), "k")
OFF = ObjectKey(Bucket("photos", "b" * 32, "ann", 0.0), "k")
SUSPENDED = ObjectKey(Bucket("photos", "b" * 32, "ann", 0.0, Versioning.SUSPENDED), "k")


def version(at: ObjectKey, head: Head | None = None, **more: object) -> ObjectVersion:
    """A version on top of `head`."""
    return evolve(successor(at, head, upload(), False), **more)


def shape(actions: Sequence[Action]) -> list[tuple[str, str, object]]:
    """Kind, table letter and condition of each action."""
    shown: list[tuple[str, str, object]] = []
    for action in actions:
        place = action.item.p if isinstance(action, Put) else action.p
        shown.append((type(action).__name__, place[0], action.condition))
    places = [(a.item.p, a.item.s) if isinstance(a, Put) else (a.p, a.s) for a in actions]
    assert len(set(places)) == len(places), "each action has a place of its own"
    return shown


GONE = [("Delete", "R", None), ("Put", "G", None)]


def test_first() -> None:
    """The first version of a key is number 1, and needs that there is none."""
    made = version(ON)
    assert (made.seq, made.is_null) == (1, False)
    assert shape(put_on_top(ON, None, None, made, 0.0)) == [("Put", "O", Absent())]


@pytest.mark.parametrize("at", [OFF, SUSPENDED])
def test_null_over_null(at: ObjectKey) -> None:
    """The null version on top is replaced, and its bytes given up."""
    head = Head(version(at))
    made = version(at, head)
    assert (made.seq, made.version_id) == (2, NULL_VERSION)
    actions = put_on_top(at, head, None, made, 0.0)
    assert shape(actions) == [("Put", "O", RevIs(head.rev)), *GONE]


def test_kept() -> None:
    """With versioning on the head goes to the history, whatever it is."""
    for below in (version(ON), version(OFF), version(ON, is_delete_marker=True)):
        head = Head(below)
        actions = put_on_top(ON, head, None, version(ON, head), 0.0)
        assert shape(actions) == [("Put", "O", RevIs(head.rev)), ("Put", "H", Absent())]


def test_null_over_kept() -> None:
    """With versioning suspended a null version in the history is replaced."""
    null = version(OFF, rev="n" * 32)
    head = Head(version(ON, Head(null)), older=True, null_seq=1)
    actions = put_on_top(SUSPENDED, head, null, version(SUSPENDED, head), 0.0)
    assert shape(actions) == [
        ("Put", "O", RevIs(head.rev)),
        ("Put", "H", Absent()),
        ("Delete", "H", RevIs("n" * 32)),
        *GONE,
    ]


def test_removal_of_the_head() -> None:
    """The next older version takes the head's place, in the same transaction."""
    older = version(ON, rev="o" * 32)
    head = Head(version(ON, Head(older)), older=True)
    assert shape(remove_head(ON, head, [], new_id(), 0.0)) == [
        ("Delete", "O", RevIs(head.rev)),
        *GONE,
    ]
    assert shape(remove_head(ON, head, [older], new_id(), 0.0)) == [
        ("Put", "O", RevIs(head.rev)),
        ("Delete", "H", RevIs("o" * 32)),
        *GONE,
    ]


def test_removal_of_an_older_one() -> None:
    """An older version is removed as it was read; without bytes nothing else goes."""
    older = version(ON)
    kept = [("Delete", "H", RevIs(older.rev))]
    assert shape(remove_older(ON, older, new_id(), 0.0)) == [*kept, *GONE]
    bare = evolve(older, incarnation=None)
    assert shape(remove_older(ON, bare, new_id(), 0.0)) == kept


def test_bytes() -> None:
    """A new blob is made with its reference, and below target with its repair."""
    assert referenced(empty(), 0.0) == []
    new = [("Put", "B", Absent()), ("Put", "R", None)]
    assert shape(referenced(upload(), 0.0)) == new
    below = upload(layout=BOTH[:1])
    assert shape(referenced(below, 0.0)) == [*new, ("Put", "F", None)]


def test_bytes_that_are_there() -> None:
    """A blob that is there gains a reference only while it is live, and a mark of it."""
    new = upload()
    assert new.blob is not None
    again = evolve(new, blob=evolve(new.blob, rev="r" * 32))
    checked, named, marked = referenced(again, 0.0)
    assert shape([checked, named]) == [("Check", "B", StateIs("live")), ("Put", "R", None)]
    assert isinstance(marked, Put)
    assert (marked.item.p, marked.item.s) == shared_place(new.blob.incarnation)


def test_new_content() -> None:
    """A new blob that is worth sharing is named in the content index, a small one is not."""
    small = upload()
    assert small.blob is not None
    kinds = [("Put", "B", Absent()), ("Put", "R", None)]
    assert shape(referenced(small, 0.0)) == kinds
    large = evolve(small, blob=evolve(small.blob, size=SHARED_FROM))
    assert shape(referenced(large, 0.0)) == [*kinds, ("Put", "D", None)]


def test_a_list_of_parts() -> None:
    """A list gains a reference only while it is live, and loses it with a word to the collector."""
    new = evolve(empty(), manifest="c" * 32)
    named = [("Check", "M", StateIs("live")), ("Put", "R", None)]
    assert shape(referenced(new, 0.0)) == named
    (check, put, *_) = referenced(new, 0.0)
    assert isinstance(put, Put)
    made = successor(OFF, None, new, False)
    (delete, work) = dropped(made, new_id(), 0.0)
    assert (delete.p, delete.s) == (put.item.p, put.item.s)
    assert isinstance(work, Put)
    assert work.item.data["kind"] == "m"
    assert work.item.s.endswith(bytes.fromhex("c" * 32))
    assert isinstance(check, Check)
