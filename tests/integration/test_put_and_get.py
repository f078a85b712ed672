"""`godos put`, `get` and `ls` against a server that runs and lets in who signs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from attrs import frozen

from tests.integration.daemons import PATIENCE, Daemon, environment
from tests.integration.narrow import Narrow

PART = 8 << 20  # bytes
SCRIPT = "from godos.cli import main; main(prog_name='godos')"


@frozen
class Place:
    """A folder, the server in it, and the variables by which the tools find it."""

    folder: Path
    url: str
    key: dict[str, str]

    def start(self, *words: str, url: str = "") -> subprocess.Popen[str]:
        """`godos …` as its user starts it; `url` is another way to the server."""
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *words],
            cwd=self.folder,
            env=environment(GODOS_ENDPOINT=url or self.url, **self.key),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # who starts tests in the background lets them ignore Ctrl-C, and that is inherited
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def godos(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        process = self.start(*words)
        out, err = process.communicate(timeout=4 * PATIENCE)
        return process.returncode, out, err

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.key["AWS_SECRET_ACCESS_KEY"],
        )

    def parts(self, key: str = "") -> list[Any]:
        """Those of all open uploads whose keys begin so."""
        s3 = self.client()
        uploads = s3.list_multipart_uploads(Bucket="photos", Prefix=key).get("Uploads", [])
        return [
            (upload["UploadId"], part["PartNumber"], part["LastModified"])
            for upload in uploads
            for part in s3.list_parts(
                Bucket="photos", Key=upload["Key"], UploadId=upload["UploadId"]
            ).get("Parts", ())
        ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("store")
    with Daemon(folder, "godos", "--port", "0", "--credentials", "catalog") as daemon:
        url = daemon.url
        key = subprocess.run(
            [sys.executable, "-c", SCRIPT, "user", "add", "alice", "--json"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        drawn = json.loads(key.stdout)
        variables = {
            "AWS_ACCESS_KEY_ID": drawn["access_key"],
            "AWS_SECRET_ACCESS_KEY": drawn["secret_key"],
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        found = Place(folder, url, variables)
        found.client().create_bucket(Bucket="photos")
        yield found


@pytest.fixture(scope="module")
def large(place: Place) -> Path:
    """Twenty parts, the last of them short."""
    path = place.folder / "large"
    path.write_bytes(random.Random(1).randbytes(20 * PART - 5))
    return path


@pytest.mark.parametrize("size", [0, 5, PART, PART + 1])
def test_there_and_back(place: Place, size: int) -> None:
    """A file of any size comes back as it went."""
    content = random.Random(size).randbytes(size)
    (place.folder / "there").write_bytes(content)
    code, _, err = place.godos("put", "there", "s3://photos/a b/ü")
    assert code == 0, err
    assert place.godos("get", "s3://photos/a b/ü", "back")[0] == 0
    assert (place.folder / "back").read_bytes() == content
    assert [path for path in place.folder.iterdir() if path.name.endswith(".part")] == []
    assert place.parts("a b") == []


def broken_off(place: Place, number: int, key: str) -> list[Any]:
    """Send the large file, and a signal when some parts are there; what is left of it."""
    with Narrow(place.url, 8 * PART) as way:
        process = place.start("put", "large", f"s3://photos/{key}", url=way.url)
        deadline = time.monotonic() + 4 * PATIENCE
        while len(place.parts(key)) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        way.release()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == (130 if number == signal.SIGINT else -number), err
    time.sleep(0.5)  # requests that were under way end
    left = place.parts(key)
    assert 3 <= len(left) < 20
    return left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_goes_on(place: Place, large: Path, number: int) -> None:
    """
    After Ctrl-C or a kill the same command sends only what is missing, and then there is
    the whole object and no upload.
    """
    left = broken_off(place, number, "cat")
    upload = left[0][0]
    code, _, err = place.godos("put", "large", "s3://photos/cat")
    assert code == 0, err
    assert f"goes on with {len(left)} of 20 parts there" in err
    assert place.parts("cat") == []
    open_uploads = place.client().list_multipart_uploads(Bucket="photos").get("Uploads", [])
    assert upload not in [one["UploadId"] for one in open_uploads]
    assert place.godos("get", "s3://photos/cat", "cat")[0] == 0
    assert (place.folder / "cat").read_bytes() == large.read_bytes()


def test_another_file(place: Place, large: Path) -> None:
    """Parts of another content are sent again, and a new object has nothing of the old."""
    broken_off(place, signal.SIGKILL, "dog")
    content = bytearray(large.read_bytes())
    content[0] ^= 1
    (place.folder / "other").write_bytes(content)
    assert place.godos("put", "other", "s3://photos/dog")[0] == 0
    assert place.godos("get", "s3://photos/dog", "dog")[0] == 0
    assert (place.folder / "dog").read_bytes() == content


def test_restart(place: Place, large: Path) -> None:
    """--restart takes up nothing, and leaves the parts that are there alone."""
    left = broken_off(place, signal.SIGKILL, "hen")
    code, _, err = place.godos("put", "--restart", "large", "s3://photos/hen")
    assert (code, "goes on" in err) == (0, False)
    assert place.parts("hen") == left
    for upload in {upload for upload, *_ in left}:
        place.client().abort_multipart_upload(Bucket="photos", Key="hen", UploadId=upload)


def test_list(place: Place) -> None:
    """Buckets; what is directly below a prefix, or all of it."""
    s3 = place.client()
    for key in ("list/a", "list/b/c", "list/\x1b[2J"):
        s3.put_object(Bucket="photos", Key=key, Body=b"12345")
    assert "photos" in place.godos("ls")[1]
    direct = [line.split()[-1] for line in place.godos("ls", "s3://photos/list/")[1].splitlines()]
    assert sorted(direct) == ["list/\\x1b[2J", "list/a", "list/b/"]
    lines = place.godos("ls", "-r", "--json", "s3://photos/list/")[1].splitlines()
    assert sorted(json.loads(line)["key"] for line in lines) == [
        "list/\x1b[2J",
        "list/a",
        "list/b/c",
    ]
    assert {json.loads(line)["size"] for line in lines} == {5}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("get", "s3://photos/none", "kept"), "404"),
        (("get", "s3://none/none", "kept"), "404"),
        (("put", "kept", "s3://none-such/cat"), "NoSuchBucket"),
        (("ls", "s3://none-such"), "NoSuchBucket"),
        (("ls", "--endpoint", "http://127.0.0.1:9"), "127.0.0.1:9"),
    ],
)
def test_refused(place: Place, words: tuple[str, ...], told: str) -> None:
    """What does not work is told in a line, and a file that was there stays."""
    (place.folder / "kept").write_text("mine")
    code, _, err = place.godos(*words)
    assert code == 1
    assert told in err
    assert len(err.splitlines()) == 1
    assert (place.folder / "kept").read_text() == "mine"
