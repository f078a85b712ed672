"""Ask several servers over HTTP which blobs their nodes hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from godos.deferreds import deferred
from godos.model.errors import NodeFailed
from godos.protocol.answering import Gathered, HeldBy
from godos.protocol.locate import GRACE

# `ask(address, names)`: one authenticated call to a server, for all nodes that it hosts
AskServer = Callable[[str, Sequence[str]], Deferred[HeldBy]]


class IHolds(Interface):
    """What the nodes of this process hold, or of another one."""

    def holds(names: Sequence[str]) -> Deferred[HeldBy]:
        """For each node that can tell: blob -> indexes of its fragments, empty ones left out."""


@implementer(IHolds)
class LocalStores:
    """
    The nodes of this process.

    Args:
        stores: the `IFragmentStore`s as of now.
    """

    _log = Logger()

    def __init__(self, stores: Callable[[], Iterable[Any]]) -> None:
        self._stores = stores

    @property
    def ids(self) -> Collection[str]:
        """The ids of the nodes."""
        return [store.node_id for store in self._stores()]

    @deferred
    async def holds(self, names: Sequence[str]) -> HeldBy:
        """A node that failed is left out: nobody can say what it holds."""
        answers: dict[str, Mapping[str, Sequence[int]]] = {}
        for store in list(self._stores()):
            try:
                answers[store.node_id] = await store.holds(names)
            except NodeFailed as error:
                self._log.debug("{node} cannot tell: {error}", node=store.node_id, error=error)
        return answers


class Round:
    """
    One call to each of several servers at once.

    `done` fires with what was gathered when all have answered or failed, when `patience`
    seconds have passed, or `GRACE` seconds after every blob of `names` has a holder.
    Cancelling it, like its end, cancels the calls that are still open.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        ask: AskServer,
        names: Sequence[str],
        gathered: Gathered,
        patience: float,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._names = names
        self._gathered = gathered
        self._patience = patience
        self._open: dict[str, Deferred[None]] = {}
        self._timers: list[IDelayedCall] = []
        self._found = False
        self._over = False
        self.done: Deferred[Gathered] = Deferred(self._cancelled)

    def start(self, addresses: Iterable[str]) -> Deferred[Gathered]:
        """Make the calls; answers `done`."""
        self._later(self._patience)
        calls = [(address, self._ask(address, self._names)) for address in sorted(addresses)]
        self._open = {address: call.addCallback(self._heard, address) for address, call in calls}
        for address, call in list(self._open.items()):
            call.addErrback(self._failed, address).addBoth(self._ended, address)
        self._look()
        return self.done

    def _heard(self, answers: HeldBy, address: str) -> None:
        self._gathered.add(address, answers)

    def _failed(self, failure: Failure, address: str) -> None:
        if not self._over:
            self._log.debug(
                "{address} did not say what it holds: {error}", address=address, error=failure.value
            )

    def _ended(self, _: None, address: str) -> None:
        self._open.pop(address, None)
        self._look()

    def _look(self) -> None:
        if not self._open:
            self._finish()
        elif not self._found and self._gathered.found(self._names):
            self._found = True
            self._later(GRACE)

    def _later(self, delay: float) -> None:
        self._timers.append(self._clock.callLater(delay, self._finish))

    def _finish(self) -> None:
        if not self._over:
            self._quiet()
            self.done.callback(self._gathered)

    def _cancelled(self, _: Deferred[Gathered]) -> None:
        self._quiet()

    def _quiet(self) -> None:
        self._over = True
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        for call in list(self._open.values()):
            call.cancel()
