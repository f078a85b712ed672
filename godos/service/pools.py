"""The worker pools of a daemon, as steps of its life."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool

from godos.deferreds import WorkerPool, deferred
from godos.service.lifecycle import Step


def stop_pool(reactor: Any, pool: WorkerPool) -> Deferred[None]:
    """
    End a pool, in a thread of the reactor's: a disk that hangs must not hang the reactor.
    """
    return deferToThreadPool(reactor, reactor.getThreadPool(), pool.stop)


def pools_step(reactor: Any, *pools: WorkerPool) -> Step:
    """Let these pools work."""

    def start() -> Deferred[None]:
        for pool in pools:
            pool.start()
        return succeed(None)

    @deferred
    async def stop() -> None:
        for pool in pools:
            await stop_pool(reactor, pool)

    return Step("running worker threads", start, stop)
