"""What happens to a body's bytes before they become the blob that nodes keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from godos.model.blobs import RAW
from godos.model.fragments import Pieces
from godos.transfer.digests import Digests


class Stage(Protocol):
    """
    Changes the bytes that pass, and knows `size` and `sha256` (raw) of what came out.

    `codec` is what readers must know to change them back; `raw`, when nothing was changed,
    which may be known after the last byte only.
    """

    @property
    def codec(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> bytes: ...

    def size_of(self, plain: int) -> int | None:
        """How many bytes come out of `plain`; None: that depends on them."""

    def update(self, pieces: Pieces) -> Deferred[list[bytes]]:
        """Take the next bytes; the next call comes after this one's Deferred fired."""

    def finish(self) -> Deferred[list[bytes]] | list[bytes]:
        """The last bytes."""


class Chain:
    """
    The stages of one body, one after the other: first compressed, then encrypted.

    Args:
        digests: of the body; with SHA-256 among them where there are no stages.
    """

    def __init__(self, digests: Digests, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._kept: Digests | Stage = stages[-1] if stages else digests

    @property
    def codec(self) -> str:
        """How to get the body out of the blob: the stages in their order, joined with `+`."""
        if not self._stages:
            return RAW
        return "+".join(stage.codec for stage in self._stages if stage.codec != RAW) or RAW

    @property
    def size(self) -> int:
        """Bytes of the blob so far."""
        return self._kept.size

    @property
    def sha256(self) -> bytes:
        """The blob's SHA-256 so far, raw."""
        return self._kept.sha256

    def size_of(self, plain: int) -> int | None:
        """Bytes of the blob that a body of `plain` bytes becomes; None: that depends on them."""
        size: int | None = plain
        for stage in self._stages:
            size = None if size is None else stage.size_of(size)
        return size

    async def update(self, pieces: Pieces) -> Pieces:
        """The blob's next bytes for the body's next."""
        for stage in self._stages:
            pieces = await stage.update(pieces)
        return pieces

    async def finish(self) -> Pieces:
        """The blob's last bytes."""
        rest: Pieces = []
        for stage in self._stages:
            passed = await stage.update(rest) if rest else []
            last = stage.finish()
            rest = [*passed, *(await last if isinstance(last, Deferred) else last)]
        return rest
