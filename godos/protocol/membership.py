"""
Who is alive, judged by the reader's own clock.

A member lives while its beat changes.  Clocks of different machines are never compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from attrs import define, field


@define
class _Pulse:
    beat: Hashable
    changed: float
    suspected: bool = False


@define
class Pulses:
    """
    The beats of all members of one kind.  Sans-IO: told the beats and the time.

    Args:
        patience: seconds without a changed beat after which a member is taken for dead.
    """

    patience: float
    _pulses: dict[str, _Pulse] = field(factory=dict)

    def observed(self, beats: Mapping[str, Hashable], now: float) -> None:
        """
        Take note of the beats of all registered members, as read at `now`.

        A first sight counts as a change: a starting server must not call all others dead.
        """
        pulses = {}
        for member, beat in beats.items():
            known = self._pulses.get(member)
            same = known is not None and known.beat == beat
            pulses[member] = known if known is not None and same else _Pulse(beat, now)
        self._pulses = pulses

    def suspect(self, member: str) -> None:
        """It did not answer: take it for dead until its beat changes."""
        pulse = self._pulses.get(member)
        if pulse is not None:
            pulse.suspected = True

    def alive(self, member: str, now: float) -> bool:
        """Whether it is registered, beats, and was not found silent since."""
        pulse = self._pulses.get(member)
        return pulse is not None and not pulse.suspected and now - pulse.changed < self.patience

    def silence(self, member: str, now: float) -> float:
        """Seconds since its beat was last seen to change; 0 of one that is not registered."""
        pulse = self._pulses.get(member)
        return 0.0 if pulse is None else now - pulse.changed
