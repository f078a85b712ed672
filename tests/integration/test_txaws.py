"""
txaws 0.5.0, Twisted's own S3 client, against a server that checks signatures.

It runs on Python 2.7 only (see `docs/decisions/txaws.rst`): these tests need an interpreter
named by GODOS_TXAWS_PYTHON (default `python2.7`) that finds txaws, perhaps in the folders of
GODOS_TXAWS_PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemons import Daemon

KEY, SECRET = "GODOSTXAWSKEY00001", "drawn-for-the-test-of-txaws"
CREDENTIALS = f"""
[[user]]
id = "txaws"
access_key = "{KEY}"
secret_key = "{SECRET}"
"""
CLIENT = Path(__file__).with_name("txaws_client.py")


def txaws() -> tuple[str, dict[str, str]]:
    """The interpreter that has txaws, and its variables."""
    python = shutil.which(os.environ.get("GODOS_TXAWS_PYTHON", "python2.7"))
    variables = {**os.environ, "PYTHONPATH": os.environ.get("GODOS_TXAWS_PATH", "")}
    if python is None:
        pytest.skip("there is no python2.7 here")
    found = subprocess.run(
        [python, "-c", "import txaws.s3.client"], env=variables, capture_output=True
    )
    if found.returncode:
        pytest.skip(f"{python} does not find txaws")
    return python, variables


def run(url: str, python: str, variables: dict[str, str]) -> dict[str, list[Any]]:
    """What each call came to: whether it succeeded, and what it said."""
    words = [python, "-W", "ignore", str(CLIENT), url, KEY, SECRET]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return {name: result for name, *result in lines}


def test_what_it_can_do(tmp_path: Path) -> None:
    """
    Buckets, objects, listings and uploads in parts work as in 2017.

    What it sends without signing it, metadata and copy sources, is refused: anybody on the
    way could have changed it.
    """
    python, variables = txaws()
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(CREDENTIALS)
    credentials.chmod(0o600)
    words = ("godos", "--port", "0", "--credentials", str(credentials))
    with Daemon(tmp_path, *words) as daemon:
        said = run(daemon.url, python, variables)
    assert said["list_buckets"] == [True, ["txaws"]]
    assert said["get_object"] == [True, "hello"]
    assert said["get_bucket"] == [True, ["a key/1"]]
    assert "responseHeaders" in said.pop("upload_part")[1]  # sent; it trips over the answer
    refused = {name for name, (well, _) in said.items() if not well}
    assert refused == {"unsigned metadata", "unsigned copy source"}, said
    assert "not signed" in said["unsigned copy source"][1]
