"""The plain bytes of a compressed blob."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from godos.deferreds import InThread
from godos.model.errors import BytesNotFound, FragmentDamaged, GodosError
from godos.model.fragments import CHUNK, SMALL
from godos.objects.streams import Stored
from godos.transfer.compression import Packed, Section, unpack

T = TypeVar("T")
Open = Callable[[int, int], Stored]  # bytes [start, stop) of the compressed blob

INLINE = 64 << 10  # plain bytes: unpacking them costs less than the way to a thread and back


class DecompressedRead:
    """
    Plain bytes [start, stop) of a compressed blob; the range is not empty.

    It reads the index and the blocks of the range; a small blob all in one go.
    What does not fit, or does not unpack, is asked of another node.  It holds a MiB of
    plain bytes at a time, and what these are stored as.

    Args:
        small: a blob of so many stored bytes or fewer is small.
    """

    def __init__(
        self,
        open_: Open,
        packed: Packed,
        start: int,
        stop: int,
        in_thread: InThread,
        small: int = SMALL,
    ) -> None:
        self._source = _Source(open_, packed, small)
        self._packed = packed
        self._position = start
        self._stop = stop
        self._in_thread = in_thread
        self._sections: Sequence[range] = ()
        self._number = -1  # of `_section`
        self._section: Section | None = None

    async def read(self) -> bytes:
        """See `Stream.read`."""
        if self._position >= self._stop:
            return b""
        section = await self._here()
        size = self._packed.shape.block
        first, last = self._position // size, -(-self._stop // size)
        blocks = section.blocks(first, min(last, first + max(1, CHUNK // size)))
        plain = await self._understood(
            range(blocks[0].start, blocks[-1].stop),
            section.stop(last),
            lambda stored: unpack(blocks, stored),
            sum(block.plain for block in blocks),
        )
        skip = self._position - first * size
        wanted = plain[skip : skip + self._stop - self._position]
        self._position += len(wanted)
        return wanted

    async def _here(self) -> Section:
        """The section of the next byte; what was not read yet of the index is read."""
        packed = self._packed
        number = packed.section_of(self._position)
        if self._section is None or number != self._number:
            if not self._sections:
                directory = range(packed.directory, packed.stored)
                self._sections = await self._understood(
                    directory, packed.stored, packed.sections, 8 * len(directory)
                )
            where = self._sections[number]
            page = packed.page(number, where)
            self._section = await self._understood(
                page,
                page.stop,
                lambda stored: packed.section(number, where, stored),
                32 * len(page),
            )
            self._number = number
        return self._section

    async def _understood(
        self, where: range, until: int, meaning: Callable[[bytes], T], effort: int
    ) -> T:
        """
        The meaning of some stored bytes, once a node gave such that have one.

        Args:
            until: where the reading will go on to.
            effort: about so many plain bytes could be unpacked in the time that it takes.
        """
        while True:
            stored = await self._source.take(where, until)
            try:
                if effort <= INLINE:
                    return meaning(stored)
                return await self._in_thread(meaning, stored)
            except FragmentDamaged as error:
                await self._source.refuse(where.start, error)

    async def close(self) -> None:
        """See `Stream.close`."""
        self._position = self._stop
        await self._source.close()


class _Source:
    """The stored bytes: the end of the blob, or all of it, in one go, the rest as it is wanted."""

    def __init__(self, open_: Open, packed: Packed, small: int) -> None:
        self._open = open_
        self._stored = packed.stored
        self._from = 0 if packed.stored <= small else packed.end  # where the end begins
        self._end: _Run | None = None
        self._run: _Run | None = None

    async def take(self, where: range, until: int) -> bytes:
        """Those bytes.  What follows up to `until` will be asked for next."""
        if where.start >= self._from:
            if self._end is None:
                self._end = _Run(self._open(self._from, self._stored), self._from)
            return await self._end.bytes_of(where, self._stored)
        if self._run is None or self._run.position != where.start:
            await self._drop_run()
            self._run = _Run(self._open(where.start, until), where.start)
        taken = await self._run.bytes_of(where, where.stop)
        self._run.used(where.stop)
        return taken

    async def refuse(self, position: int, error: GodosError) -> None:
        """What was taken last, from `position` on, is wrong."""
        if position >= self._from:
            position, run = self._from, self._end
        else:
            run = self._run
        assert run is not None, "something was taken of it"
        await run.refuse(position, error)

    async def close(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            await end.stored.close()
        await self._drop_run()

    async def _drop_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            await run.stored.close()


class _Run:
    """Stored bytes from `position` on, as far as they were read and are not used."""

    def __init__(self, stored: Stored, position: int) -> None:
        self.stored = stored
        self.position = position
        self._held: list[bytes] = []
        self._length = 0  # bytes held

    async def bytes_of(self, where: range, until: int) -> bytes:
        """Some of them, once all up to `until` were read."""
        while self.position + self._length < until:
            piece = await self.stored.read()
            if not piece:
                raise BytesNotFound("the bytes of a compressed blob ended early")
            self._held.append(piece)
            self._length += len(piece)
        if len(self._held) > 1:
            self._held = [b"".join(self._held)]
        return self._held[0][where.start - self.position : where.stop - self.position]

    def used(self, position: int) -> None:
        """Forget what is before `position`."""
        rest = self._held[0][position - self.position :]
        self._held = [rest] if rest else []
        self.position, self._length = position, len(rest)

    async def refuse(self, position: int, error: GodosError) -> None:
        self.position, self._held, self._length = position, [], 0
        await self.stored.refuse(position, error)
