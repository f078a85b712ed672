"""Whether a node may serve: it stops for good at the first error that a disk may not have."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from twisted.logger import Logger

from godos.model.errors import GodosError, NodeFailed, NodeFull, Unavailable
from godos.model.members import FORMAT
from godos.storage.files import CREATE, IFiles
from godos.storage.layout import Layout

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


def is_full(error: OSError) -> bool:
    """Whether a write failed for want of room."""
    return error.errno in _FULL


class Health:
    """
    Serves until `fail`, and never again.  All methods may be called from any thread.

    `on_failed` is called once, with the reason, in the thread that found it.
    """

    log = Logger()

    def __init__(self, files: IFiles, layout: Layout, on_failed: Callable[[str], None]) -> None:
        self._files = files
        self._layout = layout
        self._on_failed = on_failed
        self._lock = Lock()
        self.reason: str | None = None

    def check(self) -> None:
        """Raises NodeFailed once the node left service."""
        if self.reason is not None:
            raise NodeFailed(self.reason)

    def fail(self, doing: str, error: Exception) -> NodeFailed:
        """Leave service because `doing` failed with `error`; answers what to raise."""
        reason = f"{doing}: {error}"
        with self._lock:
            first, self.reason = self.reason is None, self.reason or reason
        if first:
            self.log.critical(
                "the node at {path} leaves service: {reason}; `godos disk check` lets it back",
                path=self._layout.root,
                reason=reason,
            )
            self._on_failed(reason)  # before the disk is asked once more, which may take long
            self._leave_word(reason)
        return NodeFailed(self.reason)

    def wrote(self, doing: str, error: OSError) -> GodosError:
        """What to raise after a write failed; a node with a full disk stays in service."""
        if is_full(error):
            return NodeFull(f"{doing}: {error.strerror}")
        if error.errno in _PASSING:
            return Unavailable(f"{doing}: {error.strerror}")
        return self.fail(doing, error)

    def _leave_word(self, reason: str) -> None:
        """Keep the next start from trusting this disk, if it still takes a file."""
        text = json.dumps({"format": FORMAT, "reason": reason}).encode() + b"\n"
        # The disk just failed: this may fail as well, and the catalog knows anyway.
        with suppress(OSError):
            self._files.unlink(self._layout.proof)  # of a check before this failure
        with suppress(OSError):
            fd = self._files.open(self._layout.failure, CREATE)
            try:
                self._files.write(fd, [text], 0)
                self._files.sync(fd)
            finally:
                self._files.close(fd)
            self._files.sync_directory(self._layout.root)
