"""Half-open ranges as inclusive ones."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog import bounds
from godos.catalog.bounds import inclusive
from godos.catalog.rows import MAX_S

_LETTERS = [b"\0", b"\x01", b"\xfe", b"\xff"]


def strings(longest: int) -> list[bytes]:
    """All strings of these letters with up to so many bytes."""
    return [b"".join(some) for n in range(longest + 1) for some in product(_LETTERS, repeat=n)]


def inside(s: bytes, edges: tuple[bytes | None, bytes | None] | None) -> bool:
    """Whether an inclusive range holds `s`."""
    if edges is None:
        return False
    low, high = edges
    return (low is None or low <= s) and (high is None or s <= high)


def test_every_short_range_holds_the_same_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were keys at most two bytes long: all ranges with edges of up to three are right."""
    monkeypatch.setattr(bounds, "MAX_S", 2)
    keys = [s for s in strings(2) if s]
    for start in strings(3):
        for stop in [*strings(3), None]:
            edges = inclusive(start, stop)
            wanted = [s for s in keys if start <= s and (stop is None or s < stop)]
            assert [s for s in keys if inside(s, edges)] == wanted, (start, stop)


def test_edges_are_keys_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges are never empty nor longer than a key may be, and never cross."""
    monkeypatch.setattr(bounds, "MAX_S", 2)
    for start in strings(3):
        for stop in [*strings(3), None]:
            low, high = inclusive(start, stop) or (None, None)
            assert all(edge is None or 1 <= len(edge) <= 2 for edge in (low, high))
            assert low is None or high is None or low <= high


keys_ = st.binary(min_size=1, max_size=6) | st.sampled_from(
    [b"\xff" * MAX_S, b"\0" * MAX_S, b"k" * MAX_S, b"\xff" * (MAX_S - 1), b"k" * (MAX_S - 1)]
)
edges_ = st.binary(max_size=6) | keys_.map(lambda s: s + b"\0") | keys_


@given(keys_, edges_, st.none() | edges_)
def test_long_ranges_hold_the_same_keys(s: bytes, start: bytes, stop: bytes | None) -> None:
    """With keys of up to 1024 bytes, and cursors behind them, too."""
    wanted = start <= s and (stop is None or s < stop)
    assert inside(s, inclusive(start, stop)) == wanted
