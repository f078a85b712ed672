"""Bytes that are pulled piece by piece: of an object, and of what it is stored as."""

from __future__ import annotations

from typing import Protocol

from godos.model.errors import GodosError


class Stream(Protocol):
    """Bytes in order, each verified before it is given."""

    async def read(self) -> bytes:
        """The next bytes; b"" after the last.  Fails: BytesNotFound, Unavailable."""

    async def close(self) -> None:
        """Let go of everything.  Never fails."""


class Stored(Stream, Protocol):
    """A range of what is stored, which whoever undoes its coding may find to be wrong."""

    async def refuse(self, position: int, error: GodosError) -> None:
        """
        What was read from `position` on turned out to be wrong: read it again, elsewhere.

        The position is that of the whole, not of the range.
        """
