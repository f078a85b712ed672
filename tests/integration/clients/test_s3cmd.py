"""s3cmd."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.clients import from_clients, run
from tests.integration.clients.store import (
    REGION,
    Store,
    content,
    odd_tree,
    read_tree,
    write_tree,
)

S3cmd = Callable[..., str]


@pytest.fixture
def s3cmd(store: Store, tmp_path: Path) -> S3cmd:
    """`s3cmd` with a configuration file as it asks for."""
    program, home = from_clients("s3cmd"), tmp_path / "home"
    write_tree(home, {".s3cfg": _configuration(store)})

    def command(*words: str | Path, fails: bool = False) -> str:
        return run(program, "--no-progress", *words, variables={}, home=home, fails=fails)

    return command


def _configuration(store: Store) -> bytes:
    lines = (
        "[default]",
        f"access_key = {store.key.id}",
        f"secret_key = {store.key.secret}",
        f"bucket_location = {REGION}",
        f"host_base = {store.netloc}",
        f"host_bucket = {store.netloc}",
        "use_https = False",
        "multipart_chunk_size_mb = 5",
    )
    return "\n".join(lines).encode()


def test_buckets(store: Store, s3cmd: S3cmd) -> None:
    """mb makes a bucket, info tells about it, rb removes it."""
    s3cmd("mb", "s3://s3cmd-made")
    assert "s3://s3cmd-made" in s3cmd("ls")
    assert "Alice: FULL_CONTROL" in s3cmd("info", "s3://s3cmd-made")
    s3cmd("rb", "s3://s3cmd-made")
    assert "s3cmd-made" not in s3cmd("ls")


def test_files(store: Store, s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """A file in parts, a copy and a move of it keep their bytes."""
    data = content(12 << 20)
    here, back = write_tree(tmp_path / "here", {"large": data}), tmp_path / "back"
    s3cmd("put", here / "large", f"s3://{bucket}/large")
    s3cmd("cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    s3cmd("mv", f"s3://{bucket}/large", f"s3://{bucket}/moved")
    s3cmd("get", f"s3://{bucket}/moved", back)
    assert back.read_bytes() == data
    assert store.content(bucket) == {"copy": data, "moved": data}
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}")
    assert store.content(bucket) == {}


def test_sync(store: Store, s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """A folder is the same after a way up and down, and after a change."""
    here = write_tree(tmp_path / "here", odd_tree())
    s3cmd("sync", f"{here}/", f"s3://{bucket}/tree/")
    (here / "plain.txt").write_bytes(b"changed")
    (here / "empty").unlink()
    s3cmd("sync", "--delete-removed", f"{here}/", f"s3://{bucket}/tree/")
    s3cmd("sync", f"s3://{bucket}/tree/", f"{tmp_path / 'back'}/")
    assert read_tree(tmp_path / "back") == read_tree(here)
    assert store.content(bucket) == {f"tree/{name}": data for name, data in read_tree(here).items()}


def test_sharing(store: Store, s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """An object is shown to everybody by its list, or to whoever has a link."""
    write_tree(tmp_path, {"a": b"shown"})
    s3cmd("put", tmp_path / "a", f"s3://{bucket}/a")
    url = f"{store.url}/{bucket}/a"
    assert requests.get(url, timeout=20).status_code == 403
    link = s3cmd("signurl", f"s3://{bucket}/a", "+60").strip()
    assert requests.get(link, timeout=20).content == b"shown"
    s3cmd("setacl", "--acl-public", f"s3://{bucket}/a")
    assert requests.get(url, timeout=20).content == b"shown"
    s3cmd("setacl", "--acl-private", f"s3://{bucket}/a")
    assert requests.get(url, timeout=20).status_code == 403
