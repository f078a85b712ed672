"""rclone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import on_the_path, run
from tests.integration.clients.store import (
    REGION,
    Store,
    content,
    odd_tree,
    read_tree,
    write_tree,
)

Rclone = Callable[..., str]
MANY = 500


@pytest.fixture
def rclone(store: Store, tmp_path: Path) -> Rclone:
    """`rclone` with a remote `godos:` in its configuration."""
    program, home = on_the_path("rclone"), tmp_path / "home"
    write_tree(home / ".config" / "rclone", {"rclone.conf": _remote(store)})

    def command(*words: str | Path, fails: bool = False) -> str:
        return run(program, "--retries", "1", *words, variables={}, home=home, fails=fails)

    return command


def _remote(store: Store) -> bytes:
    lines = (
        "[godos]",
        "type = s3",
        "provider = Other",
        f"endpoint = {store.url}",
        f"region = {REGION}",
        f"access_key_id = {store.key.id}",
        f"secret_access_key = {store.key.secret}",
        "chunk_size = 5M",
        "upload_cutoff = 6M",
    )
    return "\n".join(lines).encode()


def test_500_files(store: Store, rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    """A folder of 500 files is the same there, by rclone's own check and byte for byte."""
    files = {f"{n % 7}/{n % 3}/{n}": content(n * 37, seed=n) for n in range(MANY)}
    here = write_tree(tmp_path / "here", files)
    there = f"godos:{bucket}/tree"
    rclone("sync", here, there)
    rclone("check", here, there)
    assert store.content(bucket) == {f"tree/{name}": data for name, data in files.items()}

    (here / "1/1/1").unlink()
    (here / "2/2/2").write_bytes(b"changed")
    assert "2 differences found" in rclone("check", here, there, fails=True)
    rclone("sync", here, there)
    rclone("check", "--download", here, there)
    rclone("sync", there, tmp_path / "back")
    assert read_tree(tmp_path / "back") == read_tree(here)

    rclone("purge", there)
    assert store.content(bucket) == {}


def test_odd_names_and_times(store: Store, rclone: Rclone, tmp_path: Path) -> None:
    """Names arrive as they are, also in a copy within the store, and times of files with them."""
    files = odd_tree()
    here, back = write_tree(tmp_path / "here", files), tmp_path / "back"
    rclone("mkdir", "godos:rclone-made")
    rclone("copy", here, "godos:rclone-made/a")
    rclone("copy", "godos:rclone-made/a", "godos:rclone-made/b")
    rclone("copy", "godos:rclone-made/b", back)
    assert read_tree(back) == files
    times = [round((folder / "plain.txt").stat().st_mtime, 3) for folder in (here, back)]
    assert times[0] == times[1]
    rclone("delete", "godos:rclone-made")
    rclone("rmdir", "godos:rclone-made")
    assert "rclone-made" not in rclone("lsd", "godos:")


def test_large_file(store: Store, rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    """A file in parts, and a pipe whose length nobody knows, come back as they were."""
    data = content(17 << 20)
    here = write_tree(tmp_path / "here", {"large": data})
    rclone("copy", here, f"godos:{bucket}")
    rclone("move", f"godos:{bucket}/large", f"godos:{bucket}/moved")
    assert store.content(bucket) == {"moved/large": data}
    rclone("check", "--download", here, f"godos:{bucket}/moved")
