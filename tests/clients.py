"""
Programs that people use with S3, and how the tests run them.

Where they are is told by the environment:

- ``GODOS_TEST_CLIENTS``: the ``bin`` folder of a virtual environment with what
  ``.ci/standins/clients.txt`` names: s3cmd, s3fs, minio, pyarrow and duckdb;
- ``GODOS_TEST_AWS``: the aws program (default: the one on the path), which wants a
  botocore of its own;
- rclone and restic are those on the path.

A test whose client is missing is skipped, and says so; with ``CI`` set it fails.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import which

from tests.standins import missing

_PATIENCE = 120.0  # seconds for one command on a busy machine
_SHOWN = 4000  # characters of what a failed command wrote
_KEPT = ("PATH", "TMPDIR", "SSL_CERT_DIR", "SSL_CERT_FILE")


def on_the_path(name: str) -> str:
    """A program that the machine's package manager installs."""
    found = which(name)
    if found is None:
        missing(name)
    return str(found)


def aws() -> str:
    """The command line of AWS."""
    return os.environ.get("GODOS_TEST_AWS") or on_the_path("aws")


def from_clients(name: str) -> str:
    """A program of the clients' virtual environment; `python` runs what imports them."""
    folder = os.environ.get("GODOS_TEST_CLIENTS")
    if not folder or not (Path(folder) / name).exists():
        missing(f"{name} in GODOS_TEST_CLIENTS")
    return str(Path(str(folder)) / name)


def run(
    *words: str | Path,
    variables: Mapping[str, str],
    home: Path,
    said: bytes = b"",
    fails: bool = False,
) -> str:
    """
    Run a command as a person with an empty home would, and answer what it wrote.

    Args:
        variables: its environment, beside where programs are found.
        home: the folder in which it runs, and where it looks for files of its own.
        said: its standard input.
        fails: whether it must fail; the answer is then what it wrote about it, too.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    done = subprocess.run(
        [str(word) for word in words],
        input=said,
        capture_output=True,
        cwd=home,
        env={**kept, "HOME": str(home), "LANG": "C.UTF-8", **variables},
        timeout=_PATIENCE,
        check=False,
    )
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if (done.returncode != 0) != fails:
        what = " ".join(str(word) for word in words)
        raise AssertionError(f"{what} ended with {done.returncode}:\n{(out + err)[-_SHOWN:]}")
    return out + err if fails else out
