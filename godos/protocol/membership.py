"""
Who is alive, judged by the reader's own clock.

A node lives while its beat changes.  Clocks of different machines are never compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, field

from godos.model.members import Node


@define
class _Pulse:
    beat: tuple[str, int]
    changed: float
    suspected: bool = False


@define
class Membership:
    """
    What one process believes of the nodes.  Sans-IO: told the rows and the time.

    Args:
        patience: seconds without a changed beat after which a node is taken for dead.
    """

    patience: float
    nodes: dict[str, Node] = field(factory=dict)
    _pulses: dict[str, _Pulse] = field(factory=dict)

    def observed(self, rows: Iterable[Node], now: float) -> None:
        """Take note of all NODE rows as read at `now` (monotonic seconds)."""
        self.nodes = {node.id: node for node in rows}
        self._pulses = {
            node.id: self._pulse(self._pulses, node, now) for node in self.nodes.values()
        }

    @staticmethod
    def _pulse(known: Mapping[str, _Pulse], node: Node, now: float) -> _Pulse:
        """A first sight counts as a beat: a starting server must not call all nodes dead."""
        beat = (node.boot_id, node.beat)
        pulse = known.get(node.id)
        return pulse if pulse is not None and pulse.beat == beat else _Pulse(beat, now)

    def suspect(self, node_id: str) -> None:
        """The node did not answer: take it for dead until its beat changes."""
        pulse = self._pulses.get(node_id)
        if pulse is not None:
            pulse.suspected = True

    def alive(self, node_id: str, now: float) -> bool:
        """Whether the node is registered, beats, and was not found silent since."""
        pulse = self._pulses.get(node_id)
        return pulse is not None and not pulse.suspected and now - pulse.changed < self.patience

    def live(self, now: float) -> list[Node]:
        """The nodes that are alive, in the order of their ids."""
        return [node for id_, node in sorted(self.nodes.items()) if self.alive(id_, now)]
