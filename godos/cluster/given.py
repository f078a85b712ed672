"""Data servers at addresses that an operator gave, whatever their rows in the catalog say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.errors import GodosError
from godos.model.members import Node

EVERY = 10.0  # seconds between two rounds of asking

Ask = Callable[[str, Sequence[str]], "Deferred[Mapping[str, Any]]"]


class GivenServers(Periodic):
    """
    Asks each address which nodes it has, again and again, and remembers the answers.

    Nodes may advertise an address that works among themselves only, behind NAT or in
    containers; an API server elsewhere reaches them where it was told to.

    Args:
        ask: signed, so that only servers of this cluster are believed.
    """

    _log = Logger()

    def __init__(self, addresses: Sequence[str], ask: Ask, clock: IReactorTime) -> None:
        super().__init__("asking the servers of --dps", self._ask_all, EVERY, clock, at_once=True)
        self._addresses = addresses
        self._ask = ask
        self._found: dict[str, str] = {}  # node id -> address
        self._counts: dict[str, int | None] = {}  # address -> nodes it had, None: no answer

    def relocate(self, node: Node) -> Node:
        """The row, with the address where the node answered, if it did."""
        address = self._found.get(node.id)
        return node if address is None else evolve(node, address=address)

    @deferred
    async def _ask_all(self) -> None:
        for address in self._addresses:
            try:
                nodes = await self._ask(address, [])
            except GodosError as error:
                self._noted(address, None, str(error))
            else:
                self._found.update(dict.fromkeys(nodes, address))
                self._noted(address, len(nodes), "")

    def _noted(self, address: str, count: int | None, error: str) -> None:
        """Say what changed, and only that."""
        if self._counts.get(address, -1) == count:
            return
        self._counts[address] = count
        if count is None:
            self._log.warn("--dps: {address} is no help now: {error}", address=address, error=error)
        else:
            self._log.info("--dps: {address} has {count} nodes", address=address, count=count)
