"""What servers of a cluster say to each other over HTTP, signed with its secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from godos.cluster.fragment_client import HTTPFragmentStore, ask_holdings
from godos.cluster.server_client import ServerClient
from godos.deferreds import InThread, deferred
from godos.model.members import Cluster, Node
from godos.model.names import new_id
from godos.protocol.answering import HeldBy
from godos.protocol.server_auth import Guard
from godos.service.lifecycle import Step
from godos.web.server_gate import ServerGate

LOCATED = "/-/located"  # where an API server takes a reply that another one received


class Talk:
    """
    Asks other servers, and lets them in; after its step has run.

    Args:
        digests: where large bodies are hashed.
    """

    def __init__(self, reactor: Any, cluster: Callable[[], Cluster], digests: InThread) -> None:
        self._reactor = reactor
        self._cluster = cluster
        self._digests = digests
        self._client: Any = None

    @property
    def step(self) -> Step:
        """Begin to talk."""
        return Step("talking to other servers", self._begin, self._end)

    def _begin(self) -> Deferred[None]:
        self._client = ServerClient.pooled(self._reactor, self._secret)
        return succeed(None)

    @deferred
    async def _end(self) -> None:
        await self._client.close()

    @property
    def _secret(self) -> bytes:
        return bytes.fromhex(self._cluster().secret)

    def gate(self) -> ServerGate:
        """The way in for other servers' requests."""
        guard = Guard(self._secret, new_id())
        return ServerGate(guard, self._reactor.seconds, self._digests)

    def fragments(self, node: Node) -> HTTPFragmentStore:
        """The fragments of a node elsewhere."""
        return HTTPFragmentStore(node.id, node.address, self._client, self._digests)

    @deferred
    async def ask(self, address: str, names: Sequence[str]) -> HeldBy:
        """What the nodes at `address` hold; see `AskServer`."""
        return (await ask_holdings(self._client, address, names)).nodes

    @deferred
    async def hand_over(self, address: str, reply: Mapping[str, Any]) -> None:
        """Give a reply to the API server that waits for it."""
        await self._client.call("POST", address, LOCATED, reply)
