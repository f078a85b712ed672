"""Since when each fragment of a node is known to be good: docs/disk-format.rst, "scrub.json"."""

from __future__ import annotations

from attrs import define, frozen

from godos.model.names import FragmentName


@frozen
class Verified:
    """
    How far re-reading a node is.  Times in seconds since the epoch.

    All fragments up to `cursor` were read since `began`, or written later; all others were,
    since `before`; 0.0 is not known.  `damaged` are those that did not verify, and were not
    seen good again.
    """

    began: float = 0.0
    before: float = 0.0
    cursor: FragmentName | None = None
    damaged: frozenset[FragmentName] = frozenset()

    def since(self, name: FragmentName) -> float:
        """Since when that fragment is known to be good; 0.0: not known."""
        if name in self.damaged:
            return 0.0
        return self.began if self.cursor is not None and name <= self.cursor else self.before

    @property
    def all_since(self) -> float:
        """Since when all of them were read."""
        return self.before

    @property
    def share(self) -> float:
        """How much of this pass is done, 0 to 1: names are random, so they tell."""
        return 0.0 if self.cursor is None else place(self.cursor)


def place(name: FragmentName) -> float:
    """Where a name is among all there can be, 0 to 1."""
    return int(name.incarnation, 16) / (1 << 128)


@define
class VerifiedSince:
    """What is known now, for any thread; the scrubber replaces `now` as it goes on."""

    now: Verified = Verified()

    def __call__(self, name: FragmentName) -> float:
        return self.now.since(name)
