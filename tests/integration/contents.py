"""Bytes to store: different for each name and generation, and known again afterwards."""

from __future__ import annotations

import random
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
SIZES = (0, 1, 4 * KIB, 200 * KIB, MIB, MIB + 1, 3 * MIB)  # both sides of every threshold


def content(name: str, generation: int = 0, size: int | None = None) -> bytes:
    """What `name` holds in this generation; without `size`, one of SIZES."""
    chance = random.Random(f"{name} {generation}")
    drawn = chance.choice(SIZES)
    return chance.randbytes(drawn if size is None else size)


def file_of(path: Path, size: int) -> Path:
    """Make a file with content of its own, a MiB at a time."""
    chance = random.Random(path.name)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(chance.randbytes(min(MIB, size - start)))
    return path
