"""Coded blobs on nodes in memory whose answers a test can hold back, break or falsify."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock

from godos.deferreds import Background
from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.fragments import STRIPE
from godos.model.policy import Policy
from godos.objects.blob_read import BlobRead
from godos.objects.sources import Sources
from godos.transfer.erasure import code_of
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import AskAll, Cluster, now

INCARNATION = "ab" * 16
PIECE = 48 << 10  # bytes that a node gives at a time


def content(size: int, salt: int = 0) -> bytes:
    """Bytes that are not the same in any two stripes."""
    return b"".join(_word(number, salt) for number in range(size // 32 + 1))[:size]


@lru_cache(1 << 20)
def _word(number: int, salt: int) -> bytes:
    return sha256(b"%d %d" % (number, salt)).digest()


def shards_of(data: bytes, policy: Policy) -> list[bytes]:
    """The payload of each fragment."""
    if not policy.coded:
        return [data] * policy.width
    code, shards = code_of(policy.data, policy.parity), [bytearray() for _ in range(policy.width)]
    for place in range(0, len(data), STRIPE):
        for shard, piece in zip(shards, code.encode(data[place : place + STRIPE]), strict=True):
            shard += piece
    return [bytes(shard) for shard in shards]


class Node(MemoryFragments):
    """
    A node whose readers give `PIECE` bytes at a time.

    While `hangs` it answers nothing.  Of a fragment it gives at most `gives` bytes before it
    hangs (`ends` is None) or fails with `ends`.  `open_readers` counts those not closed.
    """

    def __init__(self, node_id: str) -> None:
        super().__init__(node_id)
        self.hangs = False
        self.gives: int | None = None
        self.ends: Exception | None = None
        self.opened: list[tuple[int, int | None]] = []
        self.readers: list[Reader] = []
        self.held: list[Deferred[None]] = []  # what waits for `answer`

    def turn(self) -> Deferred[None]:
        """Fires when the node may answer."""
        turn: Deferred[None] = Deferred()
        if self.hangs:
            self.held.append(turn)
        else:
            turn.callback(None)
        return turn

    def answer(self) -> None:
        """Answer what was held back."""
        held, self.held = self.held, []
        for turn in held:
            if not turn.called:
                turn.callback(None)

    def open(self, name: Any, start: int, stop: int | None) -> Deferred[Any]:
        self.opened.append((start, stop))
        return self.turn().addCallback(lambda _: self._opened(name, start, stop))

    def _opened(self, name: Any, start: int, stop: int | None) -> Deferred[Any]:
        opening: Deferred[Any] = super().open(name, start, stop)
        return opening.addCallback(self._kept)

    def _kept(self, reader: Any) -> Reader:
        self.readers.append(Reader(self, reader))
        return self.readers[-1]

    @property
    def open_readers(self) -> int:
        return sum(not reader.closed for reader in self.readers)


class Reader:
    """Gives what the node has in small pieces."""

    def __init__(self, node: Node, reader: Any) -> None:
        self.header = reader.header
        self.closed = False
        self._node, self._reader = node, reader
        self._rest, self._given = b"", 0

    def read(self) -> Deferred[bytes]:
        assert not self.closed
        node, most = self._node, PIECE
        if node.gives is not None:
            most = min(most, node.gives - self._given)
            if most <= 0:
                return Deferred() if node.ends is None else fail(node.ends)
        return node.turn().addCallback(lambda _: self._piece(most))

    def _piece(self, most: int) -> Deferred[bytes] | bytes:
        if not self._rest:
            return self._reader.read().addCallback(self._more, most)
        return self._cut(most)

    def _more(self, data: bytes, most: int) -> bytes:
        self._rest = data
        return self._cut(most)

    def _cut(self, most: int) -> bytes:
        piece, self._rest = self._rest[:most], self._rest[most:]
        self._given += len(piece)
        return piece

    def close(self) -> Deferred[None]:
        self.closed = True
        return self._reader.close()


class Rows:
    """What reading asks of a catalog."""

    def __init__(self, row: Blob | None) -> None:
        self.row = row
        self.read = 0
        self.repairs: list[str] = []
        self.corrected: list[tuple[Placed, ...]] = []

    def blob(self, _: str) -> Deferred[Blob | None]:
        self.read += 1
        return succeed(self.row)

    def want_repair(self, incarnation: str, reason: str) -> Deferred[None]:
        self.repairs.append(reason)
        return succeed(None)

    def correct_layout(self, blob: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        self.corrected.append(layout)
        if self.row is None or self.row.rev != blob.rev:
            return succeed(None)
        self.row = evolve(self.row, layout=layout, rev=blob.rev + "+")
        return succeed(self.row)


class World:
    """One blob, its fragments on as many nodes as it has, and what reads it."""

    def __init__(self, policy: str, data: bytes, spare: int = 0, shards: Any = None) -> None:
        self.policy, self.data = Policy.parse(policy), data
        self.nodes = [Node(f"{n:032x}") for n in range(self.policy.width + spare)]
        self.clock = Clock()
        self.cluster = Cluster(self.nodes)
        self.locator = AskAll(self.cluster)
        self.background = Background()
        self.blob = self.lay(self.policy)
        self.rows = Rows(self.blob)
        catalog: Any = self.rows
        self.sources = Sources(
            catalog, self.cluster, self.locator, self.clock, self.background, maybeDeferred
        )
        self.store(self.blob, shards)

    def lay(self, policy: Policy, generation: int = 0) -> Blob:
        """The row of the blob as stored on the first nodes."""
        layout = tuple(Placed(generation + n, node.node_id) for n, node in enumerate(self.nodes))[
            : policy.width
        ]
        digest = sha256(self.data).hexdigest()
        return Blob(INCARNATION, len(self.data), digest, policy, layout, rev="r")

    def store(self, blob: Blob, shards: Sequence[bytes] | None = None) -> None:
        """Put the fragments of a layout where it says."""
        payloads = shards_of(self.data, blob.policy) if shards is None else shards
        for placed in blob.layout:
            payload = payloads[placed.shard]
            header = FragmentHeader(
                blob.name(placed.shard), len(payload), blob.size, blob.sha256, str(blob.policy)
            )
            self.cluster.stores[placed.node].keep(header, payload)

    # -- reading ----------------------------------------------------------------------------
    def read(self, start: int = 0, stop: int | None = None) -> BlobRead:
        return self.sources.read(self.blob, start, len(self.data) if stop is None else stop)

    def next(self, read: BlobRead, most: float = 0.0) -> bytes:
        """The next bytes, which come within `most` seconds."""
        work = Deferred.fromCoroutine(read.read())
        began = self.clock.seconds()
        while not work.called and self.clock.seconds() - began < most:
            self.clock.advance(0.01)
        piece: bytes = now(work)
        return piece

    def rest(self, read: BlobRead, most: float = 0.0) -> bytes:
        """All bytes that follow, each piece within `most` seconds; nothing may be left open."""
        pieces = []
        while piece := self.next(read, most):
            pieces.append(piece)
        self.close(read)
        return b"".join(pieces)

    def close(self, read: BlobRead) -> None:
        """Close it; nothing may be left open."""
        now(Deferred.fromCoroutine(read.close()))
        self.check_closed()

    def whole(self, start: int = 0, stop: int | None = None, most: float = 0.0) -> bytes:
        """All bytes of a range."""
        return self.rest(self.read(start, stop), most)

    def check_closed(self) -> None:
        """Nobody left a reader open, nor a timer."""
        assert [node.open_readers for node in self.nodes] == [0] * len(self.nodes)
        assert self.clock.getDelayedCalls() == []
