"""Compressed buckets and equal content in a store that runs, by the room that they take."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from requests import get, put

from tests.integration.daemons import PATIENCE, Daemon
from tests.integration.test_user_commands import KNOWN_AFTER, godos

STATE = "sqlite:godos-data/catalog.sqlite"
MIB = 1 << 20
TEXT = random.Random(1).randbytes(4 * MIB).hex().encode()  # 8 MiB, of which half is needed
NOISE = random.Random(2).randbytes(3 * MIB)


def used(folder: Path) -> int:
    """Bytes of the large fragments on a store's only disk."""
    files = (folder / "godos-data" / "objects").rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def test_compressed(tmp_path: Path) -> None:
    """Objects take half the room, give ranges and whole bytes, and outlive a restart."""
    with Daemon(tmp_path, "godos", "--port", "0", "--storage", "godos-data") as daemon:
        at = f"{daemon.url}/objects"
        assert put(f"{at}/before", TEXT, timeout=PATIENCE).status_code == 200
        plain = used(tmp_path)
        godos(tmp_path, "bucket", "compression", "objects", "zstd", "--state", STATE)
        time.sleep(KNOWN_AFTER)
        answer = put(f"{at}/after", TEXT, timeout=PATIENCE)
        assert answer.status_code == 200
        assert answer.headers["ETag"] == get(f"{at}/before", timeout=PATIENCE).headers["ETag"]
        assert used(tmp_path) - plain < 0.6 * len(TEXT)
        put(f"{at}/noise", NOISE, timeout=PATIENCE)
        shown = godos(tmp_path, "bucket", "show", "objects", "--json", "--state", STATE)
        assert json.loads(shown.stdout)["storage"] == {"compression": "zstd"}
        daemon.end()
    assert any(
        path.read_bytes().startswith(NOISE)
        for path in (tmp_path / "godos-data" / "objects").rglob("*")
        if path.is_file()
    )
    with Daemon(tmp_path, "godos", "--port", "0", "--storage", "godos-data") as daemon:
        at = f"{daemon.url}/objects"
        for key, body in (("before", TEXT), ("after", TEXT), ("noise", NOISE)):
            whole = get(f"{at}/{key}", timeout=PATIENCE)
            assert whole.content == body
            assert whole.headers["Content-Length"] == str(len(body))
            for first, last in ((0, 0), (MIB - 1, MIB), (2_500_000, 2_900_000)):
                asked = {"Range": f"bytes={first}-{last}"}
                part = get(f"{at}/{key}", headers=asked, timeout=PATIENCE)
                assert part.status_code == 206
                assert part.content == body[first : last + 1]


def test_stored_once(tmp_path: Path) -> None:
    """The same bytes under three names take the room of one, and none misses another."""
    with Daemon(tmp_path, "godos", "--port", "0", "--storage", "godos-data") as daemon:
        at = f"{daemon.url}/objects"
        for key in "abc":
            assert put(f"{at}/{key}", NOISE, timeout=PATIENCE).status_code == 200
        deadline = time.monotonic() + PATIENCE
        while used(tmp_path) > 1.1 * len(NOISE):  # removing is not waited for
            assert time.monotonic() < deadline
            time.sleep(0.1)
        put(f"{at}/a", b"something else", timeout=PATIENCE)
        for key in "bc":
            assert get(f"{at}/{key}", timeout=PATIENCE).content == NOISE
