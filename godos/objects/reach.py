"""What reading needs of the server around it."""

from __future__ import annotations

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.deferreds import Background, InThread
from godos.model.catalog import ICatalog
from godos.model.locating import ILocator
from godos.objects.blob_rows import BlobRows
from godos.objects.hedging import Hedging
from godos.objects.reports import Reports

PATIENCE = 10.0  # seconds for a node to give its next bytes before it is given up


class Reach:
    """
    Shared by all reads of a server.

    Args:
        in_thread: where stripes are decoded; by default that happens at once, which takes
            some 0.2 ms a stripe.
        hedging: when another node is asked for the same bytes.
    """

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        locator: ILocator,
        clock: IReactorTime,
        background: Background,
        in_thread: InThread = maybeDeferred,
        hedging: Hedging | None = None,
    ) -> None:
        self.catalog = catalog
        self.rows = BlobRows(catalog, clock)
        self.members = members
        self.locator = locator
        self.clock = clock
        self.background = background
        self.in_thread = in_thread
        self.hedging = Hedging(clock) if hedging is None else hedging
        self.reports = Reports(self.rows, catalog, clock, background)
