"""What clients talk to: the use cases over catalog and nodes, and HTTP above them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from godos.cluster.members import IMembers
from godos.deferreds import Background, InThread, deferred
from godos.model.catalog import ICatalog
from godos.model.locating import ILocator
from godos.objects.get import Getter
from godos.objects.objects import Objects
from godos.objects.placing import Placer
from godos.objects.put import Putter
from godos.objects.sources import Sources
from godos.service.lifecycle import Step
from godos.web.access import allow_anyone
from godos.web.admin import Admin, Ready
from godos.web.counters import AccessLog, Counters
from godos.web.objects import ObjectVerbs
from godos.web.streaming import StreamingSite
from godos.web.target import is_verb


class Front:
    """
    The use cases, and the site that serves them.

    Args:
        policy: answers the policy of new objects.
        digests: where bodies are hashed.
    """

    def __init__(
        self,
        reactor: Any,
        catalog: ICatalog,
        members: IMembers,
        locator: ILocator,
        policy: Callable[[], str],
        digests: InThread,
    ) -> None:
        self._reactor = reactor
        self._background = Background()
        placer = Placer(members, reactor, policy)
        putter = Putter(catalog, placer, digests, reactor.seconds, self._background)
        sources = Sources(catalog, members, locator, reactor, self._background)
        self.objects = Objects(catalog, putter, Getter(catalog, sources), locator)

    def site(self, ready: Ready, access_log: AccessLog) -> StreamingSite:
        """The HTTP site; `ready` answers why it cannot serve."""
        counters = Counters()
        verbs = ObjectVerbs(
            self.objects,
            allow_anyone,
            self._reactor,
            self._reactor.seconds,
            counters,
            access_log,
        )
        admin = Admin(self.objects, allow_anyone, verbs.serve, ready, counters, self._reactor)
        site = StreamingSite(verbs.serve, admin.app.resource(), is_verb, self._reactor)
        site.noisy = False  # we tell ourselves where we listen
        return site

    @property
    def finishing(self) -> Step:
        """Its stop waits for what requests left to be done, such as removing an upload."""
        return finishing_step(self._background)


def finishing_step(background: Background) -> Step:
    """Start nothing; at the end wait for this background work."""

    def start() -> Deferred[None]:
        return succeed(None)

    @deferred
    async def stop() -> None:
        await background.idle()

    return Step("finishing what requests left behind", start, stop, background.cancel)
