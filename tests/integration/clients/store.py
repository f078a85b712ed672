"""A store that lets in nobody without a valid signature, and files to keep in it."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from attrs import field, frozen
from botocore.config import Config

from tests.integration.cluster import Server

REGION = "us-east-1"
_FAULT = re.compile(r"^\S+Z (critical|error) |^Traceback|Unhandled error")
_USERS = """
[[user]]
id = "alice"
name = "Alice"
access_key = "{mine.id}"
secret_key = "{mine.secret}"

[[user]]
id = "mallory"
name = "Mallory"
access_key = "{others.id}"
secret_key = "{others.secret}"
"""


@frozen
class Key:
    """What signs requests."""

    id: str = field(factory=lambda: f"AKIA{secrets.token_hex(8).upper()}")
    secret: str = field(factory=lambda: secrets.token_urlsafe(30), repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """As most clients take it from the environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@frozen
class Store:
    """
    A server that runs.  `key` is that of Alice, an ordinary user, who owns what she makes;
    `others` that of somebody else.
    """

    server: Server
    url: str
    key: Key
    others: Key
    certificate: Path | None = None

    @property
    def netloc(self) -> str:
        """`host:port`, as some clients want it."""
        return urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        """On every address of this machine's loopback."""
        return int(self.netloc.rpartition(":")[2])

    def client(self, key: Key | None = None, **more: Any) -> Any:
        """boto3's client, as Alice unless told otherwise; `more` goes into its `Config`."""
        signing = key or self.key
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=signing.id,
            aws_secret_access_key=signing.secret,
            region_name=REGION,
            verify=str(self.certificate) if self.certificate else None,
            config=Config(retries={"max_attempts": 1}, **more),
        )

    def content(self, bucket: str) -> dict[str, bytes]:
        """All objects of a bucket, read by boto3."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@contextmanager
def running(folder: Path, *words: str, certificate: Path | None = None) -> Iterator[Store]:
    """
    A server of its own with `words` after `twistd -n godos`, ended afterwards.

    Its log must tell of no fault, even where a client tried again and was served.
    """
    mine, others = Key(), Key()
    users = folder / "users.toml"
    users.touch(0o600)
    users.write_text(_USERS.format(mine=mine, others=others))
    server = Server(folder, "godos", "godos", "--port", "0", "--credentials", str(users), *words)
    try:
        address = server.start().await_announced().daemon.address()
        scheme = "https" if certificate else "http"
        yield Store(server, f"{scheme}://{address}", mine, others, certificate)
        faults = [line for line in server.log.splitlines() if _FAULT.search(line)]
        assert faults == []
    finally:
        server.close()


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that compress badly and repeat nowhere."""
    return random.Random(seed).randbytes(size)


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Make a folder with these files; answers it."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their names in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


ODD_NAMES = (  # names that are spoilt by encoding too often or too seldom
    "plain.txt",
    "a b/c d.txt",
    "a+b=c&d.txt",
    "50%25 off.txt",
    "päivää/日本語.txt",
    "~tilde'quote(1)!*.txt",
    "semi;colon,comma@at$.txt",
    "hash#question?.txt",
)


def odd_tree() -> dict[str, bytes]:
    """Small files with odd names, an empty one among them."""
    files = {name: f"content of {name}".encode() for name in ODD_NAMES}
    return {**files, "empty": b"", "deep/er/and/deeper": content(70_000)}
