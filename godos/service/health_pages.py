"""The pages on which a store tells how it is, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from godos.cluster.members import IMembers
from godos.deferreds import Background
from godos.model.catalog import ICatalog
from godos.objects.collection import Collector
from godos.objects.upkeep.explain import Explainer
from godos.objects.upkeep.status import StatusReporter
from godos.objects.upkeep.sweeping import Sweeper
from godos.service.upkeep import Upkeep
from godos.web.access import Authorise
from godos.web.upkeep_pages import UpkeepPages


def health_pages(
    reactor: Any,
    catalog: ICatalog,
    members: IMembers,
    authorise: Authorise,
    upkeep: Upkeep,
    collector: Callable[[], Collector],
    background: Background,
) -> UpkeepPages:
    """
    Args:
        upkeep: of this server, once its steps have run.
        collector: likewise.
        background: where goes on what an operator asked for.
    """
    return UpkeepPages(
        authorise,
        reactor,
        StatusReporter(catalog, members, reactor, lambda: upkeep.repairer, lambda: upkeep.census),
        Explainer(catalog, members, reactor),
        Sweeper(collector, lambda: upkeep.census, reactor, background).sweep,
    )
