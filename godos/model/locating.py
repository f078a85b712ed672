"""The question who holds a blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface


@frozen
class Holder:
    """`node`, reached at `address`, says it holds the fragments `indexes` of a blob."""

    node: str
    address: str
    indexes: tuple[int, ...]


@frozen
class Located:
    """
    What is known of one blob.  `complete`: every registered node answered, so that an
    empty `holders` is a true negative; otherwise it means "unknown".
    """

    holders: tuple[Holder, ...]
    complete: bool
    silent: tuple[str, ...] = field(default=())  # ids of nodes that did not answer


class ILocator(Interface):
    """Find blobs whose layout is out of date.  A positive is a hint, proved by reading."""

    def locate(incarnations: Sequence[str]) -> Deferred[Mapping[str, Located]]:
        """Never fails for a silent node; answers within the locate time-out (5 s)."""

    def forget(incarnation: str) -> None:
        """What was found is not to be believed any more: ask anew next time."""
