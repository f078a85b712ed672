"""A fragment on its way from its node."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail

from godos.deferreds import deferred
from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.errors import FragmentDamaged, NodeUnreachable
from godos.model.names import FragmentName
from godos.objects.reach import Reach
from godos.protocol.coding import Coding


def belongs(header: FragmentHeader, blob: Blob, placed: Placed) -> bool:
    """Whether what a node has is this fragment of this very blob."""
    name, policy = header.name, blob.policy
    if (
        header.blob_sha256 != blob.sha256
        or header.blob_size != blob.size
        or name.index != placed.index
        or name.incarnation != blob.incarnation
    ):
        return False
    if not policy.coded:  # how many copies there are may have changed since
        return header.length == blob.size and header.policy.startswith("copies=")
    length = Coding(blob.size, policy.data).fragment_length
    return header.length == length and header.policy == str(policy)


class Lane:
    """
    Bytes [start, stop) of one fragment, from one node.

    `late` lanes are not counted on any more, but may still come first.
    """

    def __init__(self, reach: Reach, blob: Blob, placed: Placed, start: int, stop: int) -> None:
        self.placed = placed
        self.store: Any = reach.members.fragments(placed.node)
        self.began = False  # bytes came
        self.late = False
        self.since = 0.0  # since when the next bytes are waited for
        self.due = 0.0  # when something must be decided about it
        # What its speed is compared with: stores of its kind, at their first or at later bytes.
        self.kind: tuple[type, bool] = (type(self.store), False)
        self._blob = blob
        self._start = start
        self.stop = stop
        self._reader: Any = None
        self._clock = reach.clock
        self._ahead: Deferred[bytes] | None = None  # what was asked for in advance
        self._held: list[memoryview] = []  # what was read and not taken yet
        self._holding = 0

    def prepare(self) -> None:
        """Ask for the first bytes, before anybody waits for them."""
        self.since = self._clock.seconds()
        self._ahead = self.read()

    def read(self) -> Deferred[bytes]:
        """The next verified bytes, at most `CHUNK`."""
        if self._reader is not None:
            more: Deferred[bytes] = self._reader.read()
            return more
        if self.store is None:
            return fail(NodeUnreachable("the node is not registered"))
        name = FragmentName(self._blob.incarnation, self.placed.index)
        opening: Deferred[Any] = self.store.open(name, self._start, self.stop)
        # A callback, since a coroutine is a tenth of what reading a small object costs here.
        return opening.addCallback(self._opened)

    def _opened(self, reader: Any) -> Deferred[bytes]:
        self._reader = reader
        if not belongs(reader.header, self._blob, self.placed):
            raise FragmentDamaged("its fragment belongs to other bytes")
        first: Deferred[bytes] = reader.read()
        return first

    @deferred
    async def take(self, length: int) -> bytes | memoryview:
        """Exactly the next `length` bytes."""
        while self._holding < length:
            ahead, self._ahead = self._ahead, None
            data = await (self.read() if ahead is None else ahead)
            if not data:
                raise FragmentDamaged("the fragment ended early")
            self.began = True
            self._held.append(memoryview(data))
            self._holding += len(data)
        self._holding -= length
        return self._cut(length)

    def _cut(self, length: int) -> bytes | memoryview:
        taken = []
        while length:
            piece = self._held.pop(0)
            if len(piece) > length:
                self._held.insert(0, piece[length:])
                piece = piece[:length]
            taken.append(piece)
            length -= len(piece)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def close(self) -> Deferred[None] | None:
        """Let go of the reader.  Never fails."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.addErrback(lambda _: None)  # nobody wants to know any more
            ahead.cancel()
        reader, self._reader = self._reader, None
        self._held = []
        return None if reader is None else reader.close()
