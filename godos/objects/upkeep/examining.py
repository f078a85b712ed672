"""What has become of the fragments of a blob: every one is read, and not only asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from godos.cluster.members import IMembers
from godos.cluster.together import together
from godos.deferreds import deferred, within
from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import (
    FragmentDamaged,
    GodosError,
    NodeFailed,
    NodeUnreachable,
    NoSuchFragment,
    WrongNode,
)
from godos.model.members import NodeState
from godos.model.names import FragmentName
from godos.objects.upkeep.genuine import is_fragment_of, of_generation
from godos.protocol.placement import rank

REPAIR_AFTER = 600.0  # seconds of silence after which a node's fragments are made anew elsewhere
ASK = 5.0  # seconds for a node to say what it holds
READ_BACK = 60.0  # seconds for a node to read a fragment back, and
SLOWEST = 4 << 20  # bytes a second beyond that
MOST_ASKED = 32  # nodes outside the layout that are asked for fragments


class State(StrEnum):
    """Of a fragment that is, or was, somewhere."""

    GOOD = "good"  # it was read back whole, or its node says it is there
    MISSING = "missing"  # its node says so
    DAMAGED = "damaged"  # it fails its checks, or is of other bytes
    SILENT = "silent"  # its node does not answer, since not long
    GONE = "gone"  # its node is not registered, has failed, or is silent for long


@frozen
class Finding:
    """
    What became of the fragment at `placed`.

    `header` is the fragment's, where it was read.  `known`: its node is registered.
    """

    placed: Placed
    state: State
    reason: str = ""
    header: FragmentHeader | None = field(default=None, repr=False)
    known: bool = True

    @property
    def shard(self) -> int:
        """As `Placed.shard`."""
        return self.placed.shard


class Examiner:
    """
    Asks nodes for what they have of a blob.

    Args:
        repair_after: seconds of silence after which a node counts as gone.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        repair_after: float = REPAIR_AFTER,
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._repair_after = repair_after

    async def read_back(self, blob: Blob, places: Iterable[Placed]) -> list[Finding]:
        """What became of the fragments of this blob at `places`, in that order."""
        return await together(self._examine(blob, placed) for placed in dict.fromkeys(places))

    async def ask(self, blob: Blob, places: Iterable[Placed]) -> list[Finding]:
        """
        Likewise, but nodes are believed what they say they hold: nothing is read.

        Enough where fragments only move: what becomes of the others is for repair.
        """
        return await together(self._asked(blob, placed) for placed in dict.fromkeys(places))

    async def elsewhere(
        self, blob: Blob, generation: int, wanted: Collection[int], but: Collection[str] = ()
    ) -> list[Finding]:
        """
        Good fragments for the shards `wanted` of a generation that the layout does not name.

        Such are left by work that was broken off.  Asks nodes that live, the most probable
        ones first; who does not answer has none.

        Args:
            but: nodes that have a fragment of the blob already, and so need no other.
        """
        live = [node for node in self._members.live() if node.id not in but]
        likely = rank(blob.incarnation, live)[:MOST_ASKED]
        held = await together(self._held(blob, node.id) for node in likely)
        found = {
            placed
            for some in held
            for placed in some
            if of_generation(placed.index, generation) and placed.shard in wanted
        }
        ordered = sorted(found.difference(blob.layout), key=lambda one: (one.index, one.node))
        findings = await self.read_back(blob, ordered)
        return [finding for finding in findings if finding.state is State.GOOD]

    async def origin(self, blob: Blob, places: Iterable[Placed]) -> bytes:
        """The origin block of the first of these fragments that tells it; or b""."""
        for placed in dict.fromkeys(places):
            header = await self._header(blob, placed)
            if header is not None and header.origin:
                return header.origin
        return b""

    async def stand(self, blob: Blob) -> bool:
        """Whether each fragment of the layout still is one of this blob; by its header alone."""
        headers = await together(self._header(blob, placed) for placed in blob.layout)
        return all(
            header is not None and is_fragment_of(blob, header.name, header) for header in headers
        )

    @deferred
    async def _header(self, blob: Blob, placed: Placed) -> FragmentHeader | None:
        store = self._members.fragments(placed.node)
        if store is None:
            return None
        name = FragmentName(blob.incarnation, placed.index)
        try:
            reader = await within(ASK, store.open(name, 0, 1), self._clock)
        except CancelledError:
            raise
        except Exception as error:
            self._in_vain(placed.node, error)
            return None
        header: FragmentHeader = reader.header
        await reader.close()
        return header

    @deferred
    async def _held(self, blob: Blob, node: str) -> list[Placed]:
        """The blob's fragments that a node says it has."""
        store = self._members.fragments(node)
        if store is None:
            return []
        try:
            held = await within(ASK, store.holds([blob.incarnation]), self._clock)
        except CancelledError:
            raise
        except Exception as error:
            self._in_vain(node, error)
            return []
        return [Placed(index, node) for index in held.get(blob.incarnation, ())]

    def _in_vain(self, node: str, error: Exception) -> None:
        """A node did not tell; whatever its reason is, the others may do without it."""
        if isinstance(error, GodosError | TimeoutError):
            self._log.debug("node {node} was asked in vain: {error}", node=node, error=error)
        else:
            self._log.failure("node {node} failed", Failure(error), node=node)

    @deferred
    async def _asked(self, blob: Blob, placed: Placed) -> Finding:
        absent, store = await self._absent(placed)
        if absent is not None:
            return absent
        try:
            held = await within(ASK, store.holds([blob.incarnation]), self._clock)
        except CancelledError:
            raise
        except Exception as error:
            return self._failed(placed, error)
        if placed.index not in held.get(blob.incarnation, ()):
            return Finding(placed, State.MISSING, "the node does not have it")
        return Finding(placed, State.GOOD)

    @deferred
    async def _examine(self, blob: Blob, placed: Placed) -> Finding:
        absent, store = await self._absent(placed)
        if absent is not None:
            return absent
        name = FragmentName(blob.incarnation, placed.index)
        patience = READ_BACK + blob.size / SLOWEST
        try:
            header = await within(patience, store.verify(name), self._clock)
        except CancelledError:
            raise
        except Exception as error:
            return self._failed(placed, error)
        if not is_fragment_of(blob, name, header):
            return Finding(placed, State.DAMAGED, "the fragment belongs to other bytes")
        return Finding(placed, State.GOOD, header=header)

    async def _absent(self, placed: Placed) -> tuple[Finding | None, Any]:
        """Why its node need not be asked, or None and the node's fragments."""
        rows = {node.id: node for node in self._members.registered()}
        row, store = rows.get(placed.node), self._members.fragments(placed.node)
        if row is None or store is None:
            return await self._unseen(placed), None
        if row.state is NodeState.FAILED:
            return Finding(placed, State.GONE, f"the node left service: {row.reason}"), None
        if self._members.alive(placed.node):
            return None, store
        # one that hangs is not asked: that takes a minute
        silence = self._members.silence(placed.node)
        why = f"the node has been silent for {silence:.0f} s"
        state = State.GONE if silence >= self._repair_after else State.SILENT
        return Finding(placed, state, why), None

    async def _unseen(self, placed: Placed) -> Finding:
        """The node has left, or is only unknown here: the catalog can tell."""
        if await self._catalog.node(placed.node) is None:
            return Finding(placed, State.GONE, "the node is not registered", known=False)
        return Finding(placed, State.SILENT, "the node is not known here yet")

    def _failed(self, placed: Placed, error: Exception) -> Finding:
        """What it means that a fragment could not be read back."""
        why = str(error) or type(error).__name__
        if isinstance(error, NoSuchFragment):
            return Finding(placed, State.MISSING, why)
        if isinstance(error, FragmentDamaged):
            return Finding(placed, State.DAMAGED, why)
        if isinstance(error, NodeFailed):
            return Finding(placed, State.GONE, why)
        if isinstance(error, NodeUnreachable | WrongNode):
            self._members.suspect(placed.node)
        elif not isinstance(error, GodosError | TimeoutError):  # a bug: its node is left alone
            self._log.failure("node {node} failed", Failure(error), node=placed.node)
        return Finding(placed, State.SILENT, why)
