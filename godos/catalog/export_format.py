"""
An exported catalog: lines of JSON, compressed with zstd.

The first line says what this is, then there is a line for each item, and the last has their
number and the SHA-256 of all lines before it: so a file that was cut is known as such.  Where
two lines have one place, the later holds.  Specified in ``docs/backup.rst``.  All of this
blocks; it runs in a worker thread.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, BinaryIO

import zstandard
from attrs import frozen

from godos.catalog.items import Item
from godos.catalog.sqlite_wire import pack, unpack
from godos.model.errors import InvalidRequest

VERSION = 1
KIND = "catalog"
_LEVEL = 3  # of compression: a third of the size at the speed of a disk
_BATCH = 1000  # items that are read at once
_LONGEST = 4 << 20  # bytes of a line; an item has 380 000, and escapes may make six of one
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class ExportDamaged(InvalidRequest):
    """What was read is no whole export of ours; `str()` says why."""


@frozen
class Header:
    """
    What an export says of itself.

    `snapshot`: all rows are of one moment; else each was read at some time during the export.
    `time` is when it began, in seconds since the epoch.
    """

    cluster: str
    epoch: int
    engine: str
    snapshot: bool
    time: float


class ExportWriter:
    """
    Args:
        sink: where the compressed bytes go; it stays open.
    """

    def __init__(self, sink: BinaryIO, header: Header) -> None:
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._stream = compressor.stream_writer(sink, closefd=False)
        self._digest = sha256()
        self.items = 0
        self._line(
            {
                "godos": KIND,
                "v": VERSION,
                "cluster": header.cluster,
                "epoch": header.epoch,
                "engine": header.engine,
                "snapshot": header.snapshot,
                "t": header.time,
            }
        )

    def write(self, items: Iterable[Item]) -> None:
        """Add a line for each."""
        for item in items:
            self._line(_written(item))
            self.items += 1

    def end(self) -> None:
        """Add the last line.  What was written is whole then, once the sink is flushed."""
        self._line({"end": True, "items": self.items, "sha256": self._digest.hexdigest()})
        self._stream.close()

    def _line(self, data: Mapping[str, Any]) -> None:
        line = _to_json(data).encode("ascii") + b"\n"
        self._digest.update(line)
        self._stream.write(line)


class ExportReader:
    """
    Raises:
        ExportDamaged: `source` is no export, or one of a newer godos.
    """

    def __init__(self, source: BinaryIO) -> None:
        stream = zstandard.ZstdDecompressor().stream_reader(source, closefd=False)
        self._lines = io.BufferedReader(stream, 1 << 20)
        self._digest = sha256()
        self.items = 0
        self.checksum = ""  # of the whole, known at its end
        self.header = _header(self._next())

    def batches(self) -> Iterator[list[Item]]:
        """
        All items, some at a time; whoever wants to rely on them reads to the end.

        Raises:
            ExportDamaged: it was cut, or changed.
        """
        batch: list[Item] = []
        while True:
            before = self._digest.hexdigest() if self._at_end() else ""
            line = self._next()
            if line.get("end"):
                break
            batch.append(_read(line))
            self.items += 1
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if (line.get("items"), line.get("sha256")) != (self.items, before):
            raise ExportDamaged("the export was changed: its checksum is wrong")
        self.checksum = before
        yield batch

    def _at_end(self) -> bool:
        """Whether the next line is the last: then the digest of those before it counts."""
        return bool(self._peeked(8).startswith(b'{"end":'))

    def _peeked(self, size: int) -> bytes:
        try:
            return self._lines.peek(size)[:size]
        except zstandard.ZstdError as error:
            raise ExportDamaged(f"the export is damaged: {error}") from error

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(_LONGEST)
        except zstandard.ZstdError as error:
            raise ExportDamaged(f"this is no export, or a damaged one: {error}") from error
        if not line.endswith(b"\n"):
            raise ExportDamaged("the export ends in the middle: it was cut, or never finished")
        self._digest.update(line)
        try:
            data = json.loads(line)
        except ValueError as error:
            raise ExportDamaged(f"the export is damaged: {error}") from error
        if not isinstance(data, dict):
            raise ExportDamaged("the export is damaged: a line of it is no object")
        return data


def _header(data: Mapping[str, Any]) -> Header:
    if data.get("godos") != KIND:
        raise ExportDamaged("this is not an exported catalog of godos")
    if data.get("v") != VERSION:
        raise ExportDamaged(
            f"the export has format {data.get('v')!r}, and this godos reads {VERSION}: "
            "use the godos that wrote it, or a newer one"
        )
    try:
        return Header(data["cluster"], data["epoch"], data["engine"], data["snapshot"], data["t"])
    except KeyError as error:
        raise ExportDamaged(f"the export is damaged: its first line lacks {error}") from error


def _written(item: Item) -> dict[str, Any]:
    """A line; what an item does not have is left out."""
    line: dict[str, Any] = {"p": item.p, "s": pack(item.s), "j": item.data}
    for name, value in (("rev", item.rev), ("state", item.state), ("expires", item.expires)):
        if value is not None:
            line[name] = value
    return line


def _read(line: Mapping[str, Any]) -> Item:
    try:
        return Item(
            line["p"],
            unpack(line["s"]),
            line["j"],
            line.get("rev"),
            line.get("state"),
            line.get("expires"),
        )
    except (KeyError, UnicodeEncodeError, AttributeError) as error:
        raise ExportDamaged(f"the export is damaged: a line is no item ({error!r})") from error
