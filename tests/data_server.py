"""A data server in memory, and a client that knows its secret."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from godos.cluster.fragment_client import HTTPFragmentStore
from godos.cluster.server_client import ServerClient
from godos.deferreds import Background
from godos.protocol.server_auth import Guard, Signer
from godos.web.data import DataServer
from godos.web.server_gate import ServerGate
from godos.web.streaming import StreamingSite
from tests.memory_http import MemoryAgent

ADDRESS = "node.test:8031"
SECRET = b"s" * 32
PATIENCE = 5000.0  # seconds that a server waits for its client
START = 1_700_000_000.0  # seconds since the epoch


def clock_at_start() -> Clock:
    clock = Clock()
    clock.rightNow = START
    return clock


@define
class Cluster:
    """Servers that share a secret, a clock and a network in memory."""

    clock: Clock = field(factory=clock_at_start)
    agent: MemoryAgent = field(factory=MemoryAgent)
    background: Background = field(factory=Background)
    servers: dict[str, DataServer] = field(factory=dict)

    def serve(
        self,
        stores: dict[str, Any],
        address: str = ADDRESS,
        boot: str = "b" * 32,
        secret: bytes = SECRET,
    ) -> StreamingSite:
        """Start a data server, or start it again."""
        gate = ServerGate(Guard(secret, boot), self.clock.seconds, maybeDeferred)
        server = DataServer(stores, gate, self.clock, self.background)
        resource, is_verb = server.app.resource(), server.is_verb
        site = StreamingSite(server.verbs, resource, is_verb, self.clock, patience=PATIENCE)
        self.agent.sites[address.encode()] = site
        self.servers[address] = server
        return site

    def client(self, secret: bytes = SECRET, agent: Any = None) -> ServerClient:
        return ServerClient(agent or self.agent, Signer(secret), self.clock, self.clock.seconds)

    def store(
        self, node: str, client: ServerClient | None = None, address: str = ADDRESS
    ) -> HTTPFragmentStore:
        """The node as another server sees it."""
        return HTTPFragmentStore(node, address, client or self.client(), maybeDeferred)
