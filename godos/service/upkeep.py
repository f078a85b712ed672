"""How the store looks after itself: repairs, censuses and the long work of operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import succeed

from godos.deferreds import WorkerPool
from godos.model.catalog import ICatalog
from godos.model.names import new_id
from godos.objects.redundancy import Redundancy
from godos.objects.sources import Sources
from godos.objects.upkeep.census import CensusTaker
from godos.objects.upkeep.kinds import job_runner
from godos.objects.upkeep.mending import Mender
from godos.objects.upkeep.pace import Pace
from godos.objects.upkeep.policy_changes import PolicyChanges
from godos.objects.upkeep.repair import Repairer
from godos.service.lifecycle import Step, service_step
from godos.service.pools import pools_step
from godos.service.upkeep_settings import UpkeepSettings

THREADS = 2  # that hash and code what is mended, and write the temporary files of a census


class Upkeep:
    """
    What goes on beside the clients' requests, on whichever server holds the leases.

    Each has an attribute here once the steps have run.

    Args:
        sources: answers how blobs are read, once the steps before have run.
    """

    def __init__(
        self,
        reactor: Any,
        catalog: Callable[[], ICatalog],
        sources: Callable[[], Sources],
        redundancy: Redundancy,
        settings: UpkeepSettings,
    ) -> None:
        self._reactor = reactor
        self._catalog = catalog
        self._sources = sources
        self._redundancy = redundancy
        self._settings = settings
        self._threads = WorkerPool(reactor, "upkeep", THREADS)
        self.mender: Any = None
        self.repairer: Any = None
        self.census: Any = None
        self.jobs: Any = None

    @property
    def steps(self) -> list[Step]:
        """In order."""
        return [
            pools_step(self._reactor, self._threads),
            service_step("repairing what is below target", self._repair),
            service_step("counting fragments on disks", self._count),
            service_step("working on jobs", self._work),
            service_step("comparing policies", self._compare),
        ]

    def _repair(self) -> Any:
        sources, settings = self._sources(), self._settings
        self.mender = Mender(
            self._catalog(),
            sources.members,
            sources,
            self._reactor,
            self._threads,
            Pace(settings.repair_rate, self._reactor),
            sources.background,
            settings.repair_after,
        )
        self.repairer = Repairer(
            self._catalog(), sources.members, self.mender, self._reactor, new_id()
        )
        return succeed(self.repairer)

    def _count(self) -> Any:
        settings = self._settings
        self.census = CensusTaker(
            self._catalog(),
            self._sources().members,
            self._reactor,
            self._threads,
            new_id(),
            every=settings.census_every,
            repair_after=settings.repair_after,
            verify_within=settings.verify_within,
            stray_grace=settings.stray_grace,
        )
        return succeed(self.census)

    def _work(self) -> Any:
        self.jobs = job_runner(
            self._catalog(),
            self._sources().members,
            self.mender,
            self._redundancy,
            self._reactor,
            self._threads,
            new_id(),
        )
        return succeed(self.jobs)

    def _compare(self) -> Any:
        members = self._sources().members
        return succeed(
            PolicyChanges(self._catalog(), members, self._redundancy, self._reactor, new_id())
        )
