"""What can be told from the reason that a blob is to be repaired for."""

from __future__ import annotations

import re

_SILENT = re.compile(r"node (\w+) is silent")
_CENSUS = "census: "  # how reasons begin that a census found


def wrongs(reason: str) -> int:
    """How many fragments a repair's reason speaks of, for those that sound worst to be first."""
    return len(reason.split("; "))


def only_silent(reason: str) -> list[str]:
    """The nodes that a census found silent; none when the reason says anything else."""
    said = [_SILENT.fullmatch(each) for each in reason.removeprefix(_CENSUS).split("; ")]
    nodes = [match[1] for match in said if match is not None]
    return nodes if len(nodes) == len(said) else []
