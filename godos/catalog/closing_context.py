"""What the steps of closing an import share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from godos.catalog.findings import Findings
from godos.catalog.items import Item
from godos.catalog.places import blob_place, reference_place
from godos.catalog.records import row
from godos.catalog.spool import Spool
from godos.model.versions import Bucket

OWNED = "owned"  # facts (id, reference): something has it
COLLECT = "collect"  # facts (id,): the collector is told of that blob or list


@frozen
class Closing:
    """
    The rows, by now in order up to some step.

    `buckets` are by id; `now` is in seconds since the epoch.
    """

    spool: Spool
    findings: Findings
    buckets: Mapping[str, Bucket]
    now: float
    draw_id: Callable[[], str]

    def drop(self, why: str, what: str, *items: Item) -> None:
        """Rows that do not close."""
        self.spool.drop((item.p, item.s) for item in items)
        self.findings.drop(why, what)

    def has_blob(self, incarnation: str | None) -> bool:
        """None stands for no bytes, which are always there."""
        return incarnation is None or self.spool.has(*blob_place(incarnation))

    def own(self, held: str, reference: str, what: str, missing_is_found: bool = True) -> None:
        """
        Something has this reference to the blob or list `held`.

        Args:
            missing_is_found: where it is not there it is added: who holds bytes that are
                there must not lose them to the collector.
        """
        self.spool.note(OWNED, [(held, reference)])
        place = reference_place(held, reference)
        if missing_is_found and not self.spool.has(*place):
            self.spool.put([row(*place, reference)])
            self.findings.add("references to bytes that are there", what)
