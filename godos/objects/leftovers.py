"""What an upload leaves on nodes that nobody will ever refer to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from godos.deferreds import Background, deferred
from godos.model.errors import GodosError, NodeUnreachable
from godos.objects.placing import Plan, Target
from godos.transfer.fanout import FanOut


class Leftovers:
    """Clears up after one upload, in the background."""

    _log = Logger()

    def __init__(self, plan: Plan, background: Background) -> None:
        self._plan = plan
        self._background = background

    def abort(self, uploads: Iterable[Any]) -> None:
        """Drop what was staged: `uploads` are `IFragmentUpload`s."""
        for upload in uploads:
            self._background.run("aborting an upload", upload.abort())

    def remove(self, targets: Iterable[Target]) -> None:
        """Remove fragments that became durable, or may have."""
        for target in targets:
            self._background.run("removing a fragment", self._remove_one(target))

    @deferred
    async def _remove_one(self, target: Target) -> None:
        name = self._plan.name(target.index)
        try:
            await target.store.remove(name)
        except GodosError as error:
            self._log.warn(
                "fragment {name} may be left on node {node}, where nobody needs it: {error}",
                name=str(name),
                node=target.store.node_id,
                error=error,
            )


def uncertain(begun: Iterable[Target], fan: FanOut) -> list[Target]:
    """Those that fell silent and so were left out, and may have become durable even so."""
    silent = {
        node
        for node, failure in fan.dropped.items()
        if failure.check(NodeUnreachable, CancelledError)
    }
    return [target for target in begun if target.store.node_id in silent]
