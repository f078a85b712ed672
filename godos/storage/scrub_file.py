"""`scrub.json`, in which a node remembers how far it was re-read: docs/disk-format.rst."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from godos.model.members import FORMAT
from godos.model.names import FragmentName
from godos.storage.files import CREATE, READ, IFiles
from godos.storage.layout import Layout
from godos.storage.verified import Verified

_LARGEST = 4 << 20  # bytes


def recall(files: IFiles, layout: Layout, node: str) -> Verified | None:
    """What was remembered of that node; None: nothing, or nothing that can be understood."""
    try:
        fd = files.open(layout.scrub, READ)
        try:
            raw = files.read(fd, _LARGEST, 0)
        finally:
            files.close(fd)
        return _decode(json.loads(raw), node)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it only says what may be left out this time


def _decode(fields: Any, node: str) -> Verified | None:
    if fields["format"] != FORMAT or fields["node"] != node:
        return None
    cursor = fields["cursor"]
    return Verified(
        began=float(fields["began"]),
        before=float(fields["before"]),
        cursor=None if cursor is None else FragmentName.parse(cursor),
        damaged=frozenset(FragmentName.parse(name) for name in fields["damaged"]),
    )


def remember(files: IFiles, layout: Layout, node: str, verified: Verified) -> None:
    """Replace scrub.json by one that is whole on the disk.  Raises OSError."""
    fields = {
        "format": FORMAT,
        "node": node,
        "began": verified.began,
        "before": verified.before,
        "cursor": None if verified.cursor is None else str(verified.cursor),
        "damaged": sorted(map(str, verified.damaged)),
    }
    fresh = layout.scrub + ".new"
    with suppress(FileNotFoundError):
        files.unlink(fresh)
    fd = files.open(fresh, CREATE)
    try:
        files.write(fd, [json.dumps(fields).encode() + b"\n"], 0)
        files.sync(fd)
    finally:
        files.close(fd)
    files.rename(fresh, layout.scrub)
