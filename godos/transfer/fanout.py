"""One body to several nodes at once, at the pace of the slowest that still counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from godos.model.errors import GodosError, NodeFull, NotEnoughNodes
from godos.model.fragments import Pieces

# Seconds that a straggler is waited for once enough others are done: long enough for a
# disk that stalls, short enough that a hung node does not hang every upload.
STRAGGLER = 2.0


class FanOut:
    """
    The same step on several targets: opens, writes, seals, puts.

    A target that fails, or lags `straggler` seconds behind `enough` others, is dropped
    for good and listed in `dropped`; `targets` holds the rest.
    """

    _log = Logger()

    def __init__(
        self,
        targets: Mapping[str, Any],
        enough: int,
        clock: IReactorTime,
        straggler: float = STRAGGLER,
    ) -> None:
        self.targets = dict(targets)
        self.dropped: dict[str, Failure] = {}
        self.enough = enough
        self.clock = clock
        self.straggler = straggler

    def each(self, what: str, step: Callable[[str, Any], Deferred[Any]]) -> Deferred[None]:
        """
        Do `step(name, target)` on all targets; fires when each is done or dropped.

        Never fails: `require` tells whether enough are left.
        """
        return _Step(self, what, step).start()

    def write(self, pieces: Pieces) -> Deferred[None]:
        """Give `pieces` to every upload."""
        return self.each("write", lambda _, upload: upload.write(pieces))

    def drop(self, name: str, what: str, failure: Failure) -> None:
        """Leave a target out from now on."""
        self.dropped[name] = failure
        self.targets.pop(name, None)
        if failure.check(GodosError, CancelledError) is None:
            self._log.failure("{what} on node {node} failed", failure, what=what, node=name)
        else:
            self._log.warn(
                "{what} on node {node} failed: {error}",
                what=what,
                node=name,
                error=failure.value if failure.check(GodosError) else "it was too slow",
            )

    def require(self, wanted: int) -> None:
        """
        Go on only with at least `wanted` targets.

        Raises:
            NodeFull: a disk had no room; the client's request is what does not fit.
            NotEnoughNodes: otherwise; says what happened to each.
        """
        if len(self.targets) >= wanted:
            return
        for node, failure in sorted(self.dropped.items()):
            if isinstance(failure.value, NodeFull):
                raise NodeFull(f"node {node}: {failure.value}")
        reasons = "; ".join(f"{node}: {why.value}" for node, why in sorted(self.dropped.items()))
        raise NotEnoughNodes(
            f"a durable write needs {wanted} nodes, and {len(self.targets)} took part"
            + (f" ({reasons})" if reasons else "")
        )


class _Step:
    """One step of a fan-out: counts who is done, and times the stragglers."""

    def __init__(self, fan: FanOut, what: str, step: Callable[[str, Any], Deferred[Any]]) -> None:
        self._fan = fan
        self._what = what
        self._step = step
        self._open: dict[str, Deferred[Any]] = {}
        self._done = 0
        self._late: Any = None
        self._result: Deferred[None] = Deferred(lambda _: self._cancel())

    def start(self) -> Deferred[None]:
        work = [(name, self._step(name, target)) for name, target in self._fan.targets.items()]
        self._open = dict(work)
        for name, one in work:
            one.addCallbacks(self._succeeded, self._failed, (name,), {}, (name,), {})
        self._settle()
        return self._result

    def _succeeded(self, _: Any, name: str) -> None:
        self._open.pop(name, None)
        self._done += 1
        self._settle()

    def _failed(self, failure: Failure, name: str) -> None:
        self._open.pop(name, None)
        self._fan.drop(name, self._what, failure)
        self._settle()

    def _settle(self) -> None:
        if self._result.called:
            return
        if not self._open:
            self._stop_timer()
            self._result.callback(None)
        elif self._done >= self._fan.enough and self._late is None:
            self._late = self._fan.clock.callLater(self._fan.straggler, self._cancel_open)

    def _cancel_open(self) -> None:
        for work in list(self._open.values()):
            work.cancel()

    def _cancel(self) -> None:
        """Whoever waited does not care any more: end the work; the rest happens by itself."""
        self._stop_timer()
        self._result.errback(CancelledError())
        self._cancel_open()

    def _stop_timer(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()
