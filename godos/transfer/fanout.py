"""One body to several nodes at once, at the pace of the slowest that still counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from godos.model.errors import GodosError, NodeFull, NotEnoughNodes, Unavailable
from godos.model.fragments import Pieces

# Seconds that a straggler is waited for once enough others are done: long enough for a
# disk that stalls, short enough that a hung node does not hang every upload.
STRAGGLER = 2.0


class FanOut:
    """
    The same step on several targets: writes, seals, puts.

    A target that fails, or lags `straggler` seconds behind a quorum, is dropped for good
    and listed in `dropped`.  Fewer than `required` left fails the step.
    """

    _log = Logger()

    def __init__(
        self,
        targets: Mapping[str, Any],
        required: int,
        clock: IReactorTime,
        straggler: float = STRAGGLER,
    ) -> None:
        self.targets = dict(targets)
        self.dropped: dict[str, str] = {}  # target -> reason
        self._required = required
        self._clock = clock
        self._straggler = straggler

    def each(self, what: str, step: Callable[[str, Any], Deferred[None]]) -> Deferred[None]:
        """
        Do `step(name, target)` on all targets.

        Fires when each is done or dropped.  Fails with NotEnoughNodes, or with the one
        error that explains it, when fewer than the required ones are left.
        """
        return _Step(self, what, step).start()

    def write(self, pieces: Pieces) -> Deferred[None]:
        """Give `pieces` to every upload."""
        return self.each("write", lambda _, upload: upload.write(pieces))

    def drop(self, name: str, what: str, failure: Failure) -> Any:
        """Leave a target out from now on; answers it."""
        self.dropped[name] = f"{what}: {type(failure.value).__name__}: {failure.getErrorMessage()}"
        if failure.check(GodosError, TimeoutError, CancelledError) is None:
            self._log.failure("{what} on node {node}", failure, what=what, node=name)
        else:
            self._log.warn("node {node} dropped, {why}", node=name, why=self.dropped[name])
        return self.targets.pop(name, None)


class _Step:
    """One step of a fan-out: counts who is done, and times the stragglers."""

    def __init__(self, fan: FanOut, what: str, step: Callable[[str, Any], Deferred[None]]) -> None:
        self._fan = fan
        self._what = what
        self._step = step
        self._open: dict[str, Deferred[None]] = {}
        self._done = 0
        self._errors: list[Failure] = []
        self._late: Any = None
        self._cancelled = False
        self._result: Deferred[None] = Deferred(lambda _: self._cancel())

    def start(self) -> Deferred[None]:
        for name, target in list(self._fan.targets.items()):
            work = self._step(name, target)
            self._open[name] = work
            work.addCallbacks(self._succeeded, self._failed, (name,), {}, (name,), {})
        if not self._fan.targets:
            self._settle()
        return self._result

    def _succeeded(self, _: None, name: str) -> None:
        self._open.pop(name, None)
        self._done += 1
        self._settle()

    def _failed(self, failure: Failure, name: str) -> None:
        self._open.pop(name, None)
        self._errors.append(failure)
        self._fan.drop(name, self._what, failure)
        self._settle()

    def _settle(self) -> None:
        if self._cancelled or self._result.called:
            return
        waiting = len(self._fan.targets) - self._done
        if self._done + waiting < self._fan._required:
            self._end(self._failure())
        elif not waiting:
            self._end(None)
        elif self._done >= self._fan._required and self._late is None:
            self._late = self._fan._clock.callLater(self._fan._straggler, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        for work in list(self._open.values()):
            work.cancel()

    def _failure(self) -> Failure:
        """A full cluster says so; else what happened to each node."""
        for failure in self._errors:
            if failure.check(Unavailable) is None or failure.check(NodeFull) is not None:
                return failure
        reasons = "; ".join(f"{node}: {why}" for node, why in sorted(self._fan.dropped.items()))
        return Failure(
            NotEnoughNodes(
                f"a durable write needs {self._fan._required} nodes, and {len(self._fan.targets)} "
                f"took part ({reasons or 'no other is alive'})"
            )
        )

    def _end(self, result: Failure | None) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()
        self._result.callback(result)  # callback() of a Failure is errback()  # type: ignore[arg-type]

    def _cancel(self) -> None:
        self._cancelled = True
        if self._late is not None and self._late.active():
            self._late.cancel()
        for work in list(self._open.values()):
            work.cancel()
