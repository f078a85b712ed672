"""Who gave which bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from godos.model.blobs import Placed
from godos.objects.givers import Givers

A, B, C = (Placed(number, "n") for number in range(3))


def test_all_who_gave_bytes_from_there_on() -> None:
    """Also who began before, and went on; and each byte is blamed on somebody once."""
    givers = Givers()
    givers.gave(0, A)
    givers.gave(10, A)
    givers.gave(20, B)
    givers.gave(30, B, C)
    assert givers.since(25) == {B, C}
    assert givers.since(40) == {B}
    givers.gave(25, C)
    assert givers.since(0) == {A, B, C}
    assert givers.since(0) == frozenset()


def test_the_first_byte_of_a_giver() -> None:
    """Who gave only what is before is not blamed."""
    givers = Givers()
    givers.gave(0, A)
    givers.gave(20, B)
    assert givers.since(20) == {B}
    assert givers.since(5) == {A}


@given(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=300), st.data())
def test_memory_is_bounded(turns: list[Placed], data: st.DataObject) -> None:
    """However often they change; what was given lately is remembered."""
    givers = Givers()
    for position, placed in enumerate(turns):
        givers.gave(position, placed)
    position = data.draw(st.integers(max(0, len(turns) - 30), len(turns) - 1))
    assert givers.since(position) == set(turns[position:])
