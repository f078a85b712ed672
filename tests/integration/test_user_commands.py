"""`godos user` and `godos bucket` beside a server that runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.daemons import PATIENCE, Daemon, environment

KNOWN_AFTER = 3.0  # seconds in which servers know of a change of users


def godos(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that succeeds."""
    script = "from godos.cli import main; main(prog_name='godos')"
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done


def client(url: str, key: dict[str, str] | None) -> Any:
    """boto3's, which signs with the key, or not at all."""
    config: dict[str, Any] = {"retries": {"max_attempts": 0}}
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key and key["access_key"],
        aws_secret_access_key=key and key["secret_key"],
        config=Config(**config) if key else Config(signature_version=UNSIGNED, **config),
    )


def refused(code: str, request: Any, **words: Any) -> bool:
    """Whether, before it is late, the request is refused with this code."""
    deadline = time.monotonic() + KNOWN_AFTER
    while True:
        try:
            request(**words)
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == code)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        daemon.address()
        yield daemon


def test_from_the_first_user_on(server: Daemon, tmp_path: Path) -> None:
    """
    Before the first user everybody on the machine is let in, and from then on those who
    sign: with each key from when it was added until it is disabled.
    """
    anybody = client(server.url, None)
    anybody.create_bucket(Bucket="before")
    first = json.loads(godos(tmp_path, "user", "add", "alice", "--json").stdout)
    assert refused("AccessDenied", anybody.list_objects_v2, Bucket="before")

    alice = client(server.url, first)
    alice.create_bucket(Bucket="photos")
    alice.put_object(Bucket="photos", Key="cat", Body=b"meow")
    second = json.loads(godos(tmp_path, "user", "key", "add", "alice", "--json").stdout)
    godos(tmp_path, "user", "key", "disable", "alice", first["access_key"])
    assert refused("InvalidAccessKeyId", alice.list_objects_v2, Bucket="photos")
    again = client(server.url, second)
    assert again.get_object(Bucket="photos", Key="cat")["Body"].read() == b"meow"

    godos(tmp_path, "user", "key", "enable", "alice", first["access_key"])
    deadline = time.monotonic() + KNOWN_AFTER
    while time.monotonic() < deadline and refused_now(alice):
        time.sleep(0.1)
    assert not refused_now(alice)


def refused_now(alice: Any) -> bool:
    try:
        alice.head_bucket(Bucket="photos")
    except ClientError:
        return True
    return False


def test_quota(server: Daemon, tmp_path: Path) -> None:
    """A bucket with a quota of no objects takes none; without it, it does again."""
    anybody = client(server.url, None)
    anybody.create_bucket(Bucket="photos")
    godos(tmp_path, "bucket", "quota", "photos", "--objects", "0")
    put = {"Bucket": "photos", "Key": "cat", "Body": b"meow"}
    assert refused("QuotaExceeded", anybody.put_object, **put)
    assert "photos" in godos(tmp_path, "bucket", "list").stdout
    godos(tmp_path, "bucket", "quota", "photos", "--none")
    deadline = time.monotonic() + KNOWN_AFTER
    while True:
        try:
            anybody.put_object(**put)
            break
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_without_a_catalog(tmp_path: Path) -> None:
    """A folder without one, or a wrong path, is told in a line, and nothing is made there."""
    script = "from godos.cli import main; main(prog_name='godos')"
    for words in ((), ("--state", "sqlite:wrong.sqlite")):
        done = subprocess.run(
            [sys.executable, "-c", script, "user", "add", "alice", *words],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode != 0
        assert "no catalog" in done.stderr
        assert "access key" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_users_of_the_catalog_alone(tmp_path: Path) -> None:
    """
    `--credentials catalog` lets in nobody while there are no users, says how to add one,
    and then lets that one in; it may listen for other machines.
    """
    words = ("godos", "--port", "0", "--address", "0.0.0.0:0", "--credentials", "catalog")
    with Daemon(tmp_path, *words) as daemon:
        url = daemon.url
        assert "Requests must be signed (0 users in the catalog)." in daemon.out
        assert "godos user add NAME --root" in daemon.out
        assert refused("AccessDenied", client(url, None).create_bucket, Bucket="photos")
        key = json.loads(godos(tmp_path, "user", "add", "alice", "--json").stdout)
        alice = client(url, key)
        assert not refused("InvalidAccessKeyId", alice.list_buckets)
        godos(tmp_path, "user", "remove", "alice")
        assert refused("InvalidAccessKeyId", alice.list_buckets)
        assert refused("AccessDenied", client(url, None).create_bucket, Bucket="photos")
