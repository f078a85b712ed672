"""restic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import on_the_path, run
from tests.integration.clients.store import Store, content, odd_tree, read_tree, write_tree

Restic = Callable[..., str]


@pytest.fixture
def restic(store: Store, bucket: str, tmp_path: Path) -> Restic:
    """`restic` with a repository in the bucket."""
    program, home = on_the_path("restic"), tmp_path / "home"
    home.mkdir()
    variables = {
        **store.key.variables,
        "RESTIC_REPOSITORY": f"s3:{store.url}/{bucket}/backups",
        "RESTIC_PASSWORD": "of this test",
    }

    def command(*words: str | Path, fails: bool = False) -> str:
        return run(program, *words, variables=variables, home=home, fails=fails)

    return command


def test_backup_and_restore(store: Store, restic: Restic, bucket: str, tmp_path: Path) -> None:
    """Two backups are checked to the last byte, restored as they were, and one is forgotten."""
    first = {**odd_tree(), "large": content(9 << 20)}
    here = write_tree(tmp_path / "here", first)
    restic("init")
    restic("backup", here)
    (here / "plain.txt").write_bytes(b"changed")
    (here / "large").unlink()
    restic("backup", here)
    restic("check", "--read-data")

    snapshots = restic("snapshots", "--compact").splitlines()
    oldest = next(line.split()[0] for line in snapshots[2:])
    for name, target in (("old", oldest), ("new", "latest")):
        restic("restore", target, "--target", tmp_path / name)
    assert read_tree(tmp_path / "old" / here.relative_to("/")) == first
    assert read_tree(tmp_path / "new" / here.relative_to("/")) == read_tree(here)

    stored = sum(map(len, store.content(bucket).values()))
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    assert sum(map(len, store.content(bucket).values())) < stored - (9 << 20)
