"""What can be told from the reason that a blob is to be repaired for."""

from __future__ import annotations

from godos.objects.upkeep.reasons import only_silent, wrongs
from godos.protocol.upkeep import judge
from tests.unit.objects.upkeep.wards import Ward


def test_what_a_census_says_is_understood() -> None:
    """Which nodes are silent, when nothing else is wrong; and how much is."""
    blob = Ward(6, "copies=3").put(10)
    nodes = [placed.node for placed in blob.layout]
    held = {placed.node: {placed.index: 1.0} for placed in blob.layout[2:]}
    silent = judge(blob, held, nodes[2:], nodes).reason
    assert only_silent(silent) == nodes[:2]
    assert wrongs(silent) == 2
    missing = judge(blob, held, nodes[1:], nodes).reason
    assert only_silent(missing) == []
    assert wrongs(missing) == 2


def test_other_reasons_speak_of_no_silent_node() -> None:
    """Whatever they are."""
    for reason in ("below target", "FragmentDamaged on node abc", ""):
        assert only_silent(reason) == []
        assert wrongs(reason) == 1
