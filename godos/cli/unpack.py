"""`godos disk unpack`: the plain bytes of a compressed blob, with nothing but the blob."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import click
from attrs import define

from godos.model.errors import FragmentDamaged
from godos.transfer.compression import FOOTER, Packed, Section, plain_size, unpack


@click.command("unpack")
@click.argument("file", type=click.Path())
@click.option("--index", is_flag=True, help="Show where each block is instead, as JSON.")
def unpack_file(file: str, index: bool) -> None:
    """
    Write the plain bytes of a compressed blob to standard output.

    FILE holds the stored bytes, as `godos disk dump --payload NAME` writes those of a whole
    copy whose codec is zstd-256k.

    Exit codes: 0 all of it verifies; 1 something does not, or FILE is no such blob.
    """
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            blob = Stored.over(fd)
            _show(blob) if index else _write(blob)
        finally:
            os.close(fd)
    except (FragmentDamaged, OSError) as error:
        raise click.ClickException(f"{file}: {error}") from error


@define
class Stored:
    """A compressed blob in a file."""

    fd: int
    packed: Packed

    @classmethod
    def over(cls, fd: int) -> Stored:
        """
        Raises:
            FragmentDamaged: it is none.
        """
        stored = os.fstat(fd).st_size
        size = plain_size(os.pread(fd, FOOTER, max(0, stored - FOOTER)))
        if size < 1:
            raise FragmentDamaged("a compressed blob holds at least one byte")
        return cls(fd, Packed(stored, size))

    def sections(self) -> Iterator[Section]:
        """One after the other."""
        packed = self.packed
        directory = self._bytes(packed.directory, packed.stored)
        for number, where in enumerate(packed.sections(directory)):
            page = packed.page(number, where)
            yield packed.section(number, where, self._bytes(page.start, page.stop))

    def plain(self, section: Section) -> Iterator[bytes]:
        """The plain bytes of a section, block by block."""
        for block in section.blocks(section.first, section.first + len(section.words)):
            yield unpack([block], self._bytes(block.start, block.stop))

    def _bytes(self, start: int, stop: int) -> bytes:
        stored = os.pread(self.fd, stop - start, start)
        if len(stored) != stop - start:
            raise FragmentDamaged("the file became shorter")
        return stored


def _write(blob: Stored) -> None:
    out = sys.stdout.buffer
    for section in blob.sections():
        for piece in blob.plain(section):
            out.write(piece)
    out.flush()


def _show(blob: Stored) -> None:
    click.echo(json.dumps({"stored": blob.packed.stored, "size": blob.packed.size}))
    for section in blob.sections():
        blocks = section.blocks(section.first, section.first + len(section.words))
        for number, block in enumerate(blocks, section.first):
            line = {
                "block": number,
                "offset": block.start,
                "length": block.stop - block.start,
                "size": block.plain,
                "compressed": not block.kept,
            }
            click.echo(json.dumps(line))
