"""A data server that listens on a free loopback port, and what another server sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from godos.cluster.fragment_client import HTTPFragmentStore
from godos.cluster.server_client import ServerClient
from godos.deferreds import Background, deferred
from godos.model.names import new_id
from godos.protocol.server_auth import Guard
from godos.web.data import DataServer
from godos.web.listening import listen
from godos.web.server_gate import ServerGate
from godos.web.streaming import StreamingSite

SECRET = b"s" * 32


class LoopbackNode:
    """
    Serves `stores` until `stop`.

    Args:
        patience: seconds that the server waits for its client, and the client for it.
    """

    def __init__(self, stores: Mapping[str, Any], patience: float = 30.0) -> None:
        clock: Any = reactor
        self.background = Background()
        gate = ServerGate(Guard(SECRET, new_id()), clock.seconds, deferToThread)
        self.server = DataServer(stores, gate, clock, self.background)
        resource, is_verb = self.server.app.resource(), self.server.is_verb
        self.site = StreamingSite(
            self.server.verbs, resource, is_verb, clock, patience=max(patience, 60.0)
        )
        self._port: Any = listen(clock, self.site, 0, "127.0.0.1")
        self.address = f"127.0.0.1:{self._port.getHost().port}"
        self.client = ServerClient.pooled(clock, SECRET, patience)

    def store(self, node: str) -> HTTPFragmentStore:
        """A node as another server sees it."""
        return HTTPFragmentStore(node, self.address, self.client, deferToThread)

    @deferred
    async def stop(self) -> None:
        """Close the port and all connections; nothing may be left in flight."""
        await self.client.close()
        await maybeDeferred(self._port.stopListening)
        self.server.uploads.drop_all()
        await self.site.quiesce(1.0)
        await self.background.idle()
        assert len(self.server.uploads) == 0
        assert self.site.connections == 0


def moment(seconds: float = 0.0) -> Deferred[None]:
    """Let the reactor go on."""
    waited: Deferred[None] = deferLater(reactor, seconds, lambda: None)  # type: ignore[arg-type]
    return waited


@deferred
async def until(condition: Any, seconds: float = 20.0) -> None:
    """Wait for something that must come true soon."""
    clock: Any = reactor
    end = clock.seconds() + seconds
    while not condition():
        assert clock.seconds() < end, "it did not happen in time"
        await moment(0.01)
