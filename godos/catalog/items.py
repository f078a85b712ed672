"""
The item store: all that the catalog asks of an engine.

Items live at (`p`, `s`): a text partition and a binary sort key inside it, ordered as
bytes.  `transact` is the only way to write.  Everything S3 means is built once above this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from godos.model.errors import GodosError

MAX_ACTIONS = 100  # of one transaction.  Source: DynamoDB, TransactWriteItems
MAX_ITEM = 380_000  # bytes of one item.  DynamoDB allows 400 KB with names and keys


class Item(NamedTuple):
    """
    One row.  `data` is what the catalog keeps in JSON.

    `rev` and `state` are held beside it because conditions compare them; `expires`
    (seconds since the epoch) lets an engine tidy the row away, sooner or later or never.

    A plain tuple, because a listing makes a thousand of them.
    """

    p: str
    s: bytes
    data: Mapping[str, Any]
    rev: str | None = None
    state: str | None = None
    expires: int | None = None


@frozen
class Absent:
    """No item stands at the place."""


@frozen
class Present:
    """An item stands at the place, whatever its rev."""


@frozen
class RevIs:
    """An item stands at the place, and carries this rev."""

    rev: str


@frozen
class StateIs:
    """An item stands at the place, and carries this state."""

    state: str


Condition = Absent | Present | RevIs | StateIs


@frozen
class Put:
    """Write the item, replacing what stood there."""

    item: Item
    condition: Condition | None = None


@frozen
class Delete:
    """Remove what stands at the place; nothing there is no error (unless conditioned)."""

    p: str
    s: bytes
    condition: Condition | None = None


@frozen
class Check:
    """Write nothing, but let the transaction fail unless the condition holds."""

    p: str
    s: bytes
    condition: Condition


Action = Put | Delete | Check


@frozen
class Page:
    """Items in order; `cursor` is the `start` (or, in reverse, the `stop`) of the next page."""

    items: tuple[Item, ...]
    cursor: bytes | None


@frozen
class ScanPage:
    """Items in no order; pass `cursor` to go on, None was the last page."""

    items: tuple[Item, ...]
    cursor: str | None


class ConditionFailed(GodosError):
    """
    Conditions of a transaction did not hold, and nothing was written.

    `standing` maps the index of each action that was in the way to the item that stands
    at its place (None: no item).
    """

    def __init__(self, standing: Mapping[int, Item | None]) -> None:
        super().__init__(f"conditions {sorted(standing)} of a transaction did not hold")
        self.standing = standing


class TokenReused(Exception):
    """Another transaction has carried this token: a bug of the caller.  Nothing was written."""


class IItemStore(Interface):
    """
    An engine.  All its Deferreds may fail with CatalogUnavailable: no definite answer in
    the engine's time-outs, or closed.  Reads may be repeated; of a write it is then unknown
    whether it happened, and only the same actions with the same token may be sent again.

    They fail with ValueError when an argument breaks a limit of `godos.catalog.rows`, which
    are the same for all engines: p and s are never empty, p has at most 2048 bytes of UTF-8,
    s 1024, an item MAX_ITEM and all items of a transaction 4 MB.
    """

    def get(p: str, s: bytes) -> Deferred[Item | None]:
        """The item as of the last transaction that was acknowledged before the call."""

    def get_many(places: Sequence[tuple[str, bytes]]) -> Deferred[Sequence[Item | None]]:
        """Several at once (at most 100), in the order asked; no snapshot across them."""

    def query(
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,
    ) -> Deferred[Page]:
        """
        Items of partition `p` with start <= s < stop (None: to the end), in byte order,
        or from the end when `reverse`.

        A page may hold fewer than `limit`, even none, and still have a cursor.  Without
        `strong` it may be a second old where that is cheaper.
        """

    def transact(actions: Sequence[Action], token: str) -> Deferred[None]:
        """
        Do all actions or none; when it fires they are durable.

        Args:
            actions: at most 100, each at another place.
            token: id of this operation (32 hex digits).  The same actions with the same
                token within 10 minutes are done once, and answered alike where the engine
                can tell; where it cannot, conditions decide.

        Fails:
            ConditionFailed: with what stood in the way.
            TokenReused: where the engine can tell.
        """

    def scan(cursor: str | None = None, limit: int = 1000) -> Deferred[ScanPage]:
        """All items, for export and checks."""

    def close() -> Deferred[None]:
        """Finish what runs, and let go.  Idempotent."""
