"""A node whose disk is a dictionary: what `IFragmentStore` promises, without the durability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from attrs import define
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.blobs import FragmentHeader, Held
from godos.model.errors import (
    BadDigest,
    EntityTooLarge,
    FragmentDamaged,
    NodeFull,
    NodeUnreachable,
    NoSuchFragment,
)
from godos.model.fragments import (
    BLOCK,
    CHUNK,
    SMALL,
    IFragmentReader,
    IFragmentStore,
    IFragmentUpload,
    Pieces,
)
from godos.model.names import FragmentName
from godos.protocol.fragment_wire import block_checksum, checksum_seed


@define
class _Stored:
    header: FragmentHeader
    payload: bytearray
    checksums: list[int]

    @classmethod
    def of(cls, header: FragmentHeader, payload: bytes) -> _Stored:
        return cls(header, bytearray(payload), list(_checksums(header.name, payload)))

    def good(self, first: int, last: int) -> bool:
        """Whether the blocks that [first, last) touches are what was stored."""
        seed = checksum_seed(self.header.name)
        return all(
            block_checksum(seed, number, memoryview(self.payload)[number * BLOCK :][:BLOCK])
            == self.checksums[number]
            for number in range(first // BLOCK, -(-last // BLOCK))
        )


def _checksums(name: FragmentName, payload: bytes) -> list[int]:
    seed = checksum_seed(name)
    return [
        block_checksum(seed, number, payload[start : start + BLOCK])
        for number, start in enumerate(range(0, len(payload), BLOCK))
    ]


@implementer(IFragmentStore)
class MemoryFragments:
    """
    A node in memory.

    `broken` is what everything fails with while it is set, as a disk that left service does;
    `room` is how many bytes fit; `staged` is the number of uploads not yet sealed or aborted;
    `verified` is what the inventory says of some fragments.
    """

    def __init__(self, node_id: str, room: int = 1 << 40) -> None:
        self.node_id = node_id
        self.room = room
        self.broken: Exception | None = None
        self.staged = 0
        self.fragments: dict[FragmentName, _Stored] = {}
        self.verified: dict[FragmentName, float] = {}

    def damage(self, name: FragmentName, place: int) -> None:
        """Flip a bit of the payload."""
        self.fragments[name].payload[place] ^= 1

    def check(self, size: int = 0) -> None:
        """Raise what an operation that stores `size` bytes fails with, if anything."""
        if self.broken is not None:
            raise self.broken
        if size > self.room:
            raise NodeFull(f"no room for {size} bytes")

    def keep(self, header: FragmentHeader, payload: bytes) -> None:
        """Make a fragment visible."""
        whole = header.length == header.blob_size and header.policy.startswith("copies=")
        wrong = whole and sha256(payload).hexdigest() != header.blob_sha256
        if len(payload) != header.length or wrong:
            raise BadDigest("the payload is not the one of the header")
        self.fragments[header.name] = _Stored.of(header, payload)
        self.room -= len(payload)

    def found(self, name: FragmentName) -> _Stored:
        """The stored fragment, or NoSuchFragment."""
        self.check()
        try:
            return self.fragments[name]
        except KeyError:
            raise NoSuchFragment(f"there is no {name} on node {self.node_id}") from None

    @deferred
    async def put(self, header: FragmentHeader, payload: Pieces) -> None:
        """See `IFragmentStore.put`."""
        data = b"".join(payload)
        self.check(len(data))
        if len(data) > SMALL:
            raise EntityTooLarge("that is no small fragment")
        self.keep(header, data)

    @deferred
    async def upload(self, name: FragmentName, length: int | None) -> MemoryUpload:
        """See `IFragmentStore.upload`."""
        self.check(length or 0)
        return MemoryUpload(self, name)

    @deferred
    async def open(self, name: FragmentName, start: int, stop: int | None) -> MemoryReader:
        """See `IFragmentStore.open`."""
        stored = self.found(name)
        stop = stored.header.length if stop is None else min(stop, stored.header.length)
        return MemoryReader(self, stored, start, stop)

    @deferred
    async def verify(self, name: FragmentName) -> FragmentHeader:
        """See `IFragmentStore.verify`."""
        stored = self.found(name)
        if not stored.good(0, len(stored.payload)):
            raise FragmentDamaged(f"{name} fails its check")
        return stored.header

    @deferred
    async def holds(self, incarnations: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """See `IFragmentStore.holds`."""
        self.check()
        held: dict[str, tuple[int, ...]] = {}
        for name in sorted(self.fragments):
            if name.incarnation in incarnations:
                held[name.incarnation] = (*held.get(name.incarnation, ()), name.index)
        return held

    @deferred
    async def inventory(self, after: FragmentName | None, limit: int) -> Sequence[Held]:
        """See `IFragmentStore.inventory`."""
        self.check()
        names = sorted(name for name in self.fragments if after is None or name > after)
        return [Held(name, self.verified.get(name, 0.0)) for name in names[:limit]]

    @deferred
    async def remove(self, name: FragmentName) -> bool:
        """See `IFragmentStore.remove`."""
        self.check()
        return self.fragments.pop(name, None) is not None


@implementer(IFragmentUpload)
class MemoryUpload:
    """An upload; `pending`, when a test sets it, is what the next write waits for."""

    def __init__(self, store: MemoryFragments, name: FragmentName) -> None:
        self._store = store
        self._name = name
        self._data = bytearray()
        self._over = False
        store.staged += 1

    @deferred
    async def write(self, pieces: Pieces) -> None:
        """See `IFragmentUpload.write`."""
        self._store.check(len(self._data) + sum(map(len, pieces)))
        for piece in pieces:
            self._data += piece

    @deferred
    async def seal(self, header: FragmentHeader) -> None:
        """See `IFragmentUpload.seal`."""
        if self._over:
            raise NodeUnreachable("the upload is over")
        self._store.check(len(self._data))
        self._store.keep(header, bytes(self._data))
        self._end()

    def abort(self) -> Deferred[None]:
        """See `IFragmentUpload.abort`."""
        if not self._over:
            self._end()
        return succeed(None)

    def _end(self) -> None:
        self._over = True
        self._store.staged -= 1
        self._data = bytearray()


@implementer(IFragmentReader)
class MemoryReader:
    """A reader."""

    def __init__(self, store: MemoryFragments, stored: _Stored, start: int, stop: int) -> None:
        self.header = stored.header
        self.closed = False
        self._store = store
        self._stored = stored
        self._place = start
        self._stop = stop

    def read(self) -> Deferred[bytes]:
        """See `IFragmentReader.read`."""
        if self._store.broken is not None:
            return fail(self._store.broken)
        first, last = self._place, min(self._place + CHUNK, self._stop)
        if first >= last:
            return succeed(b"")
        if not self._stored.good(first, last):
            return fail(FragmentDamaged(f"{self.header.name} fails its check"))
        self._place = last
        return succeed(bytes(self._stored.payload[first:last]))

    def close(self) -> Deferred[None]:
        """See `IFragmentReader.close`."""
        self.closed = True
        return succeed(None)
