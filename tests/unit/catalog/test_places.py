"""Where rows stand."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.items import MAX_ITEM
from godos.catalog.places import (
    SPREAD,
    ObjectKey,
    collect_partition,
    collect_place,
    collect_stop,
    history_key,
    repair_place,
)
from godos.catalog.rows import MAX_P, MAX_S, check_place
from godos.model.names import new_id
from godos.model.versions import Bucket

BUCKET = Bucket("photos", "b" * 32, "ann", 0.0, shards=7)
SEQS = st.integers(1, 2**64 - 1)
TIMES = st.floats(0, 1e11)


@given(SEQS, SEQS)
def test_newest_first(one: int, two: int) -> None:
    """Older versions stand in the order from new to old."""
    assert (history_key(one) < history_key(two)) == (one > two)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_any_name_has_a_place(key: str) -> None:
    """Every name has a place that engines allow, in one of the bucket's shards."""
    at = ObjectKey(BUCKET, key)
    check_place(*at.head)
    check_place(*at.older(1))
    assert at.head[1] == key.encode()
    assert at.head[0] == f"O#{BUCKET.id}#{sha256(key.encode()).digest()[0] % 7}"
    assert at.history == f"H#{BUCKET.id}#{sha256(key.encode()).hexdigest()[:32]}"


def test_shards_are_all_used() -> None:
    """Keys spread over all shards of their bucket."""
    used = Counter(ObjectKey(BUCKET, f"key {n}").head[0] for n in range(700))
    assert len(used) == 7
    assert min(used.values()) > 50


@given(TIMES, TIMES)
def test_oldest_work_first(one: float, two: float) -> None:
    """Collect rows stand in the order of their times, to the millisecond."""
    blob = new_id()
    first, second = collect_place(blob, one), collect_place(blob, two)
    if int(one * 1000) < int(two * 1000):
        assert first[1] < second[1]
    assert first[1] < collect_stop(one)
    if int(one * 1000) > int(two * 1000):
        assert first[1] >= collect_stop(two)


def test_a_collect_row_names_its_blob() -> None:
    """The blob of a collect row or repair row is read from its place."""
    for _ in range(50):
        blob = new_id()
        p, s = collect_place(blob, 5.0)
        assert s[8:].hex() == blob
        assert p in {collect_partition(number) for number in range(SPREAD)}
        assert repair_place(blob)[1].hex() == blob


def test_limits() -> None:
    """The longest name fits, with its metadata, into what engines allow."""
    assert MAX_S == 1024
    assert len(ObjectKey(BUCKET, "k" * 1024).history) < MAX_P
    assert MAX_ITEM > 100_000
