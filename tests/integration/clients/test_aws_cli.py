"""The command line of AWS."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.clients import aws, run
from tests.integration.clients.store import (
    REGION,
    Key,
    Store,
    content,
    odd_tree,
    read_tree,
    write_tree,
)

LARGE = 200_000_000  # bytes
Aws = Callable[..., str]


@pytest.fixture
def cli(store: Store, tmp_path: Path) -> Aws:
    """`aws` with the files that `aws configure` makes."""
    program = aws()
    home = tmp_path / "home"
    write_tree(
        home / ".aws",
        {
            "credentials": _profiles(default=store.key, other=store.others),
            "config": f"[default]\nregion = {REGION}\ns3 =\n  signature_version = s3v4\n".encode(),
        },
    )
    variables = {"AWS_ENDPOINT_URL": store.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def command(*words: str | Path, said: bytes = b"", fails: bool = False) -> str:
        return run(program, *words, variables=variables, home=home, said=said, fails=fails)

    return command


def _profiles(**keys: Key) -> bytes:
    lines = [
        f"[{name}]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n"
        for name, key in keys.items()
    ]
    return "".join(lines).encode()


def test_buckets(store: Store, cli: Aws) -> None:
    """mb makes a bucket, ls shows it, rb removes it once it is empty or with force."""
    cli("s3", "mb", "s3://aws-made")
    assert "aws-made" in cli("s3", "ls")
    cli("s3", "cp", "-", "s3://aws-made/piped", said=b"through a pipe")
    assert cli("s3", "cp", "s3://aws-made/piped", "-") == "through a pipe"
    assert "BucketNotEmpty" in cli("s3", "rb", "s3://aws-made", fails=True)
    assert store.content("aws-made") == {"piped": b"through a pipe"}
    cli("s3", "rb", "--force", "s3://aws-made")
    assert "NoSuchBucket" in cli("s3", "ls", "s3://aws-made", fails=True)


def test_strangers(cli: Aws, bucket: str) -> None:
    """Neither somebody else's key opens a bucket, nor no key at all."""
    words = ("s3api", "list-objects-v2", "--bucket", bucket)
    assert "AccessDenied" in cli(*words, "--profile", "other", fails=True)
    assert "AccessDenied" in cli(*words, "--no-sign-request", fails=True)
    assert cli(*words, "--query", "length(Contents || `[]`)").strip() == "0"


def test_sync(store: Store, cli: Aws, bucket: str, tmp_path: Path) -> None:
    """A folder is the same after a way up and down, and after changes on either side."""
    files = odd_tree()
    here = write_tree(tmp_path / "here", files)
    cli("s3", "sync", here, f"s3://{bucket}/tree")
    assert store.content(bucket) == {f"tree/{name}": data for name, data in files.items()}

    assert cli("s3", "sync", here, f"s3://{bucket}/tree") == ""  # nothing is left to do
    (here / "plain.txt").write_bytes(b"changed, and longer than it was before")
    (here / "empty").unlink()
    cli("s3", "sync", "--delete", here, f"s3://{bucket}/tree")
    cli("s3", "sync", f"s3://{bucket}/tree", tmp_path / "there")
    assert read_tree(tmp_path / "there") == read_tree(here)

    cli("s3", "mv", "--recursive", f"s3://{bucket}/tree/a b", f"s3://{bucket}/moved")
    cli("s3", "rm", "--recursive", f"s3://{bucket}/tree")
    assert store.content(bucket) == {"moved/c d.txt": files["a b/c d.txt"]}


def test_empty_files(store: Store, cli: Aws, bucket: str, tmp_path: Path) -> None:
    """Empty files among others arrive on one connection at the first attempt."""
    files = {f"{number:02}": b"x" * (number % 3) for number in range(12)}
    here = write_tree(tmp_path / "here", files)
    cli("configure", "set", "default.s3.max_concurrent_requests", "1")
    cli("configure", "set", "max_attempts", "1")
    cli("s3", "sync", here, f"s3://{bucket}", "--cli-read-timeout", "5")
    assert store.content(bucket) == files


def test_200_megabytes(cli: Aws, bucket: str, tmp_path: Path) -> None:
    """A large file goes up in parts, is copied in parts, and comes down as it was."""
    large, back = tmp_path / "large", tmp_path / "back"
    large.write_bytes(content(LARGE))
    cli("s3", "cp", "--no-progress", large, f"s3://{bucket}/large")
    cli("s3", "cp", "--no-progress", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    words = ("s3api", "head-object", "--bucket", bucket, "--key", "copy")
    head = json.loads(cli(*words))
    assert (head["ContentLength"], head["ETag"][-4:]) == (LARGE, '-24"')
    cli("s3", "cp", "--no-progress", f"s3://{bucket}/copy", back)
    assert filecmp.cmp(large, back, shallow=False)


def test_presign(cli: Aws, bucket: str) -> None:
    """A presigned link opens one object to whoever has it, and nothing else."""
    for key in ("shown", "hidden"):
        cli("s3", "cp", "-", f"s3://{bucket}/{key}", said=key.encode())
    link = cli("s3", "presign", f"s3://{bucket}/shown", "--expires-in", "60").strip()
    assert "X-Amz-Signature=" in link
    assert requests.get(link, timeout=20).content == b"shown"
    assert requests.get(link.partition("?")[0], timeout=20).status_code == 403
    assert requests.get(link.replace("shown", "hidden"), timeout=20).status_code == 403
    assert requests.delete(link, timeout=20).status_code == 403


def test_conditional_write(store: Store, cli: Aws, bucket: str, tmp_path: Path) -> None:
    """`--if-none-match '*'` makes an object once."""
    body = write_tree(tmp_path, {"body": b"first", "later": b"second"})
    words = ("s3api", "put-object", "--bucket", bucket, "--key", "once", "--if-none-match", "*")
    cli(*words, "--body", body / "body")
    assert "PreconditionFailed" in cli(*words, "--body", body / "later", fails=True)
    assert store.content(bucket) == {"once": b"first"}
