"""What keeps a node out of service, and lets it back: docs/disk-format.rst, "A failed disk"."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from godos.model.members import FORMAT
from godos.storage.files import CREATE, READ, IFiles
from godos.storage.layout import Layout

_LARGEST = 64 << 10  # bytes of either file


def failure_of(files: IFiles, layout: Layout) -> str | None:
    """Why the node left service, as far as its disk tells; None: it did not."""
    if _base(layout.failure) not in files.names(layout.root):
        return None
    fields = _fields(files, layout.failure)
    reason = fields.get("reason") if fields else None
    return reason if isinstance(reason, str) else "for a reason that could not be written down"


def is_proved(files: IFiles, layout: Layout, node: str) -> bool:
    """Whether this node's disk was checked, and nobody made use of that yet.  Raises OSError."""
    if _base(layout.proof) not in files.names(layout.root):
        return False
    fields = _fields(files, layout.proof)
    return fields is not None and fields.get("node") == node


def let_back(files: IFiles, layout: Layout, node: str) -> None:
    """Leave the proof that the disk was checked, and take back the failure.  Raises OSError."""
    fresh = layout.proof + ".new"
    with suppress(FileNotFoundError):
        files.unlink(fresh)
    fd = files.open(fresh, CREATE)
    try:
        files.write(fd, [json.dumps({"format": FORMAT, "node": node}).encode() + b"\n"], 0)
        files.sync(fd)
    finally:
        files.close(fd)
    files.rename(fresh, layout.proof)
    files.sync_directory(layout.root)
    with suppress(FileNotFoundError):
        files.unlink(layout.failure)
        files.sync_directory(layout.root)


def forget_proof(files: IFiles, layout: Layout) -> None:
    """Remove the proof durably, if there is one.  Raises OSError."""
    with suppress(FileNotFoundError):
        files.unlink(layout.proof)
        files.sync_directory(layout.root)


def _base(path: str) -> str:
    return path.rsplit("/", 1)[1]


def _fields(files: IFiles, path: str) -> dict[str, Any] | None:
    """The object in a small JSON file; None: it cannot be read, or is something else."""
    try:
        fd = files.open(path, READ)
        try:
            found = json.loads(files.read(fd, _LARGEST, 0))
        finally:
            files.close(fd)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
