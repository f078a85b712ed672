"""
What a file of a storage directory holds, for people: docs/disk-format.rst.

Nothing a file says of its lengths is believed before it was compared with the file's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import define

from godos.model.blobs import FragmentHeader
from godos.model.errors import CannotStart, FragmentDamaged, NoSuchFragment
from godos.model.fragments import CHUNK
from godos.model.names import FragmentName
from godos.storage import footer
from godos.storage.check_objects import Bad, bad_block
from godos.storage.check_volumes import fault_of
from godos.storage.description import decode
from godos.storage.files import READ, IFiles
from godos.storage.footer import Trailer
from godos.storage.records import (
    FIRST_RECORD,
    FORMAT,
    MAGIC,
    SECOND_COPY,
    Kind,
    Parsed,
    VolumeHeader,
    salt_check,
)
from godos.storage.scan import Gap, Pages, scan
from godos.storage.trailers import trailer_of

_SMALL_FILE = 1 << 20  # bytes of a JSON file of ours, at most
_KNOWN = ("node", "reason")  # a field of node.json, checked.json and scrub.json, of failed.json

Line = dict[str, Any]


class NotOurs(CannotStart):
    """A file is none that a node keeps, or nothing of it can be told."""


@define
class Dump:
    """
    One open file.

    `sound` is False once something that was shown did not verify.
    """

    files: IFiles
    fd: int
    path: str
    sound: bool = True

    def lines(self) -> Iterator[Line]:
        """
        All of it but the payloads, piece by piece.

        Raises:
            NotOurs: what file this is cannot be told.
        """
        size = self.files.size(self.fd)
        if self._is_volume():
            yield from self._volume(size)
        elif self._is_object(size):
            yield self._object(size)
        else:
            yield self._small(size)

    def payload(self, name: FragmentName) -> Iterator[bytes]:
        """
        The verified bytes of one fragment; of a volume, of its newest record.

        Raises:
            NoSuchFragment: the file does not hold it.
            FragmentDamaged: the next bytes fail their check.
            NotOurs: the file holds no fragments.
        """
        size = self.files.size(self.fd)
        if self._is_volume():
            yield self._payload_of_record(size, name)
        elif self._is_object(size):
            yield from self._payload_of_file(name)
        else:
            raise NotOurs(f"{self.path} holds no fragments")

    # -- which kind of file ---------------------------------------------------------------
    def _is_volume(self) -> bool:
        return any(
            self.files.read(self.fd, len(MAGIC), offset) == MAGIC for offset in (0, SECOND_COPY)
        )

    def _is_object(self, size: int) -> bool:
        tail = self.files.read(self.fd, footer.FOOTER, max(0, size - footer.FOOTER))
        return tail.startswith(footer.MAGIC)

    def _small(self, size: int) -> Line:
        """A JSON file."""
        raw = self.files.read(self.fd, 16, 0)
        if raw.startswith(b"SQLite format 3\0"):
            raise NotOurs(f"{self.path} is an SQLite database: any SQLite can read it")
        try:
            found = json.loads(self.files.read(self.fd, size, 0)) if size <= _SMALL_FILE else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not any(field in found for field in _KNOWN):
            raise NotOurs(f"{self.path} is no file of a node's storage, or all of it is damaged")
        return found

    # -- a volume -------------------------------------------------------------------------
    def _header(self) -> tuple[VolumeHeader, list[bool]]:
        raw = self.files.read(self.fd, FIRST_RECORD, 0)
        copies = [VolumeHeader.decode(raw[:SECOND_COPY]), VolumeHeader.decode(raw[SECOND_COPY:])]
        header = copies[0] or copies[1]
        if header is None:
            raise NotOurs(f"{self.path} is a volume, and both copies of its header are damaged")
        if header.format > FORMAT:
            raise NotOurs(f"{self.path} was written by a newer godos (format {header.format})")
        return header, [copy is not None for copy in copies]

    def _volume(self, size: int) -> Iterator[Line]:
        header, sound = self._header()
        self.sound = all(sound)
        yield {
            "type": "volume",
            "format": header.format,
            "number": f"{header.number:016x}",
            "node": header.node.hex(),
            "salt": header.salt.hex(),
            "first_sequence": header.first_sequence,
            "purged": header.purged,
            "compacted": header.compacted,
            "size": size,
            "headers_ok": sound,
        }
        pages = Pages(self.files, self.fd, size)
        for found in scan(pages, FIRST_RECORD, salt_check(header.salt)):
            line = self._gap(found) if isinstance(found, Gap) else _record(pages, found)
            self.sound = self.sound and line["ok"]
            yield line

    def _gap(self, gap: Gap) -> Line:
        what = "no record verifies here"
        return {"offset": gap.start, "type": "gap", "stop": gap.stop, "ok": False, "what": what}

    def _payload_of_record(self, size: int, name: FragmentName) -> bytes:
        header, _ = self._header()
        pages = Pages(self.files, self.fd, size)
        newest: Parsed | None = None
        for found in scan(pages, FIRST_RECORD, salt_check(header.salt)):
            if isinstance(found, Gap) or found.record.kind != Kind.FRAGMENT:
                continue
            older = newest is None or found.record.sequence > newest.record.sequence
            if found.record.name == name and older:
                newest = found
        if newest is None:
            raise NoSuchFragment(f"{self.path} does not hold fragment {name}")
        fault = fault_of(pages, newest)
        if fault is not None:
            raise FragmentDamaged(f"fragment {name} at {newest.record.offset}: {fault}")
        return pages.get(newest.record.offset + newest.record.head, newest.record.length)

    # -- a large fragment -----------------------------------------------------------------
    def _object(self, size: int) -> Line:
        trailer = trailer_of(self.files, self.fd, self.path)
        line = {"type": "object", "format": trailer.format, "name": str(trailer.header.name)}
        line |= {"size": size, **_described(trailer.header), "blocks": len(trailer.checks)}
        for _, bad in self._chunks(trailer):
            if bad is not None:
                self.sound = False
                return line | {"ok": False, "what": bad.what, "at": bad.offset}
        return line | {"ok": True}

    def _payload_of_file(self, name: FragmentName) -> Iterator[bytes]:
        trailer = trailer_of(self.files, self.fd, self.path)
        if trailer.header.name != name:
            raise NoSuchFragment(f"{self.path} holds fragment {trailer.header.name}, not {name}")
        for data, bad in self._chunks(trailer):
            if bad is not None:
                raise FragmentDamaged(f"fragment {name} at {bad.offset}: {bad.what}")
            yield data

    def _chunks(self, trailer: Trailer) -> Iterator[tuple[bytes, Bad | None]]:
        """The payload, each piece with what is wrong with it."""
        for start in range(0, trailer.header.length, CHUNK):
            size = min(CHUNK, trailer.header.length - start)
            data = self.files.read(self.fd, size, start)
            yield data, bad_block(trailer, start, data)


def open_dump(files: IFiles, path: str) -> Dump:
    """
    Open a file to be shown; the caller closes `fd`.

    Raises:
        NotOurs: it cannot be read.
    """
    try:
        fd = files.open(path, READ)
        try:
            files.read(fd, 1, 0)  # a folder can be opened, too
        except BaseException:
            files.close(fd)
            raise
    except OSError as error:
        raise NotOurs(f"cannot read {path}: {error.strerror}") from error
    return Dump(files, fd, path)


def _record(pages: Pages, found: Parsed) -> Line:
    record = found.record
    line: Line = {
        "offset": record.offset,
        "type": Kind(record.kind).name.lower() if record.kind in set(Kind) else record.kind,
        "name": None if record.name is None else str(record.name),
        "sequence": record.sequence,
        "synced": record.synced,
        "size": record.size,
    }
    if record.kind == Kind.TOMBSTONE:
        line["killed"] = record.killed
    if record.kind != Kind.FRAGMENT or record.name is None:
        return line | {"ok": True}
    fault = fault_of(pages, found)
    try:
        line |= _described(decode(record.name, record.length, found.description))
    except FragmentDamaged:
        line["length"] = record.length
    return line | ({"ok": True} if fault is None else {"ok": False, "what": fault})


def _described(header: FragmentHeader) -> Line:
    """What a fragment says of itself."""
    return {
        "length": header.length,
        "blob_size": header.blob_size,
        "blob_sha256": header.blob_sha256,
        "policy": header.policy,
        "codec": header.codec,
        "origin": _origin(header.origin),
    }


def _origin(raw: bytes) -> Any:
    """As JSON, as it should be; else its bytes in hex."""
    if not raw:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return {"hex": raw.hex()}
