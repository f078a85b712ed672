"""Where an export is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from godos.cli.state_files import export


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, linked: bool) -> None:
    """A pipe, or a device, stays what it is: an export that took its place would harm all."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    (tmp_path / "catalog.sqlite").touch()
    target = link if linked else pipe
    result = CliRunner().invoke(
        export, [str(target), "--state", f"sqlite:{tmp_path / 'catalog.sqlite'}"]
    )
    assert result.exit_code == 1
    assert result.output == (
        f"Error: cannot write {target}: it is no file; `-` is standard output\n"
    )
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["catalog.sqlite", "link", "pipe"]
