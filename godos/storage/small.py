"""Reading small fragments out of the volumes.  All of it blocks, in any thread."""

from __future__ import annotations

import errno

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, NoSuchFragment, Unavailable
from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage.checks import first_bad_block
from godos.storage.counters import Counters
from godos.storage.description import decode
from godos.storage.files import IFiles
from godos.storage.index import Place, key_of
from godos.storage.ledger import Ledger
from godos.storage.records import Parsed, head_size, parse_head
from godos.storage.volumes import Shelf, Volume

_MOVES = 1000  # times that compaction may move a record under a reader's hands


class SmallFragments:
    """The fragments in the volumes of a node."""

    def __init__(self, files: IFiles, shelf: Shelf, ledger: Ledger, counters: Counters) -> None:
        self._files = files
        self._shelf = shelf
        self._ledger = ledger
        self._counters = counters

    def read(
        self, name: FragmentName, start: int, stop: int | None, past_cache: bool = False
    ) -> tuple[FragmentHeader, bytes]:
        """
        The header, and bytes [start, stop) of the payload, verified.

        Raises:
            NoSuchFragment: it is in no volume.
            FragmentDamaged: it is, and does not verify.
        """
        key = key_of(name)
        for _ in range(_MOVES):
            place = self._ledger.find(key)
            if place is None:
                raise NoSuchFragment(f"fragment {name} is not here")
            taken = self._take(name, place)
            if taken is None:
                continue  # compaction has just moved it
            volume, fd = taken
            try:
                if past_cache:
                    self._files.forget(fd, place.offset, place.head + place.length)
                return self._read(volume, fd, name, place, start, stop)
            except OSError as error:
                raise self._damaged(name, f"cannot be read: {error}") from error
            finally:
                self._shelf.give_back(volume)
        raise Unavailable(f"fragment {name} is being moved too often")

    def _take(self, name: FragmentName, place: Place) -> tuple[Volume, int] | None:
        try:
            return self._shelf.take(place.volume)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise Unavailable(f"cannot open a volume: {error.strerror}") from error
            raise self._damaged(name, f"cannot be read: {error}") from error

    def _read(
        self,
        volume: Volume,
        fd: int,
        name: FragmentName,
        place: Place,
        start: int,
        stop: int | None,
    ) -> tuple[FragmentHeader, bytes]:
        length = place.length
        stop = length if stop is None else min(stop, length)
        start = min(start, stop)
        first, last = start // BLOCK, -(-stop // BLOCK)
        begin, end = first * BLOCK, min(length, last * BLOCK)
        at_once = begin == 0  # head and blocks are one piece of the file
        raw = self._files.read(fd, place.head + (end if at_once else 0), place.offset)
        parsed = self._parse(raw[: place.head], volume, name, place)
        header = decode(name, length, parsed.description)
        if start == stop:
            return header, b""
        if at_once:
            blocks = memoryview(raw)[place.head :]
        else:
            where = place.offset + place.head + begin
            blocks = memoryview(self._files.read(fd, end - begin, where))
        if len(blocks) != end - begin:
            raise self._damaged(name, "is cut short")
        bad = first_bad_block(name, first, blocks, parsed.block_checks)
        if bad is not None:
            raise self._damaged(name, f"fails the check of its block {bad}")
        return header, bytes(blocks[start - begin : stop - begin])

    def _parse(self, head: bytes, volume: Volume, name: FragmentName, place: Place) -> Parsed:
        if len(head) == place.head == head_size(head):
            parsed = parse_head(head, place.offset, volume.salted)
            if parsed is not None and parsed.record.name == name:
                return parsed
        raise self._damaged(name, "has a damaged record")

    def _damaged(self, name: FragmentName, what: str) -> FragmentDamaged:
        self._counters.damaged += 1
        return FragmentDamaged(f"fragment {name} {what}")
