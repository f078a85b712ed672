"""A node with a shorter memory: `IFragmentStore` in a dict, held to the same contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.blobs import FragmentHeader
from godos.model.errors import BadDigest, EntityTooLarge, FragmentDamaged, NoSuchFragment
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


@implementer(IFragmentStore)
class MemoryFragments:
    """
    Fragments in memory.

    `kept` is the disk: tests may look into it, and `damage` it.
    """

    def __init__(self, node_id: str = "0" * 32) -> None:
        self.node_id = node_id
        self.kept: dict[FragmentName, tuple[FragmentHeader, bytes]] = {}
        self.damaged: dict[FragmentName, int] = {}  # name -> offset of a flipped bit

    def damage(self, name: FragmentName, offset: int) -> None:
        """Flip a bit at `offset` of a kept fragment."""
        self.damaged[name] = offset

    @deferred
    async def put(self, header: FragmentHeader, payload: Pieces) -> None:
        if header.length > SMALL:
            raise EntityTooLarge("a put takes one piece")
        self._keep(header, b"".join(payload))

    def _keep(self, header: FragmentHeader, data: bytes) -> None:
        if len(data) != header.length:
            raise BadDigest(f"{len(data)} bytes came, {header.length} were announced")
        self.kept.setdefault(header.name, (header, data))

    def upload(self, name: FragmentName, length: int | None) -> Deferred[MemoryUpload]:
        return succeed(MemoryUpload(self, name))

    @deferred
    async def open(self, name: FragmentName, start: int, stop: int | None) -> MemoryReader:
        if name not in self.kept:
            raise NoSuchFragment(f"node {self.node_id} does not hold {name}")
        return MemoryReader(self, name, start, stop)

    @deferred
    async def verify(self, name: FragmentName) -> FragmentHeader:
        if name not in self.kept:
            raise NoSuchFragment(f"node {self.node_id} does not hold {name}")
        if name in self.damaged:
            raise FragmentDamaged(f"{name} failed its check")
        return self.kept[name][0]

    def holds(self, incarnations: Sequence[str]) -> Deferred[Mapping[str, tuple[int, ...]]]:
        found: dict[str, tuple[int, ...]] = {}
        for name in sorted(self.kept):
            if name.incarnation in incarnations:
                found[name.incarnation] = (*found.get(name.incarnation, ()), name.index)
        return succeed(found)

    def remove(self, name: FragmentName) -> Deferred[bool]:
        self.damaged.pop(name, None)
        return succeed(self.kept.pop(name, None) is not None)


@implementer(IFragmentUpload)
class MemoryUpload:
    """An upload that is nowhere to be seen until it is sealed."""

    def __init__(self, store: MemoryFragments, name: FragmentName) -> None:
        self._store = store
        self._name = name
        self._data = bytearray()
        self.aborted = False

    def write(self, pieces: Pieces) -> Deferred[None]:
        for piece in pieces:
            self._data += piece
        return succeed(None)

    @deferred
    async def seal(self, header: FragmentHeader) -> None:
        assert header.name == self._name
        self._store._keep(header, bytes(self._data))

    def abort(self) -> Deferred[None]:
        self.aborted = True
        return succeed(None)


@implementer(IFragmentReader)
class MemoryReader:
    """Reads what was kept, up to the block that is damaged."""

    def __init__(
        self, store: MemoryFragments, name: FragmentName, start: int, stop: int | None
    ) -> None:
        self.header, self._data = store.kept[name]
        self._bad = store.damaged.get(name)
        self._position = start
        self._stop = len(self._data) if stop is None else min(stop, len(self._data))

    def read(self) -> Deferred[bytes]:
        stop = min(self._position + CHUNK, self._stop)
        if self._bad is not None:
            first_bad = self._bad // BLOCK * BLOCK
            if self._position < first_bad + BLOCK and stop > first_bad:
                stop = first_bad  # what comes before is good
                if self._position >= stop:
                    return fail(FragmentDamaged(f"{self.header.name} failed its check"))
        data, self._position = self._data[self._position : stop], max(stop, self._position)
        return succeed(data)

    def close(self) -> Deferred[None]:
        return succeed(None)
