"""Fetching an object: what it must be, its bytes through broken connections, and the proof."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import click
from attrs import frozen

from godos.cli.store import ATTEMPTS, Place
from godos.transfer.checksums import ALGORITHMS, encoded, running

BLOCK = 1 << 20  # bytes read at a time
_MD5 = re.compile(r"[0-9a-f]{32}")


@frozen
class Proof:
    """What the digest of the bytes must be: base64 of a checksum, or hex of an MD5."""

    algorithm: str
    value: str


@frozen
class Expected:
    """The object as HEAD tells it; `proof` None: it has no checksum of its whole."""

    size: int
    etag: str
    version: str | None
    proof: Proof | None


def expected(s3: Any, of: Place) -> Expected:
    """
    Raises:
        ClientError, BotoCoreError: it cannot be read.
    """
    head = s3.head_object(Bucket=of.bucket, Key=of.key, ChecksumMode="ENABLED")
    return Expected(head["ContentLength"], head["ETag"], head.get("VersionId"), proof(head))


def proof(head: Mapping[str, Any]) -> Proof | None:
    """The checksum of the whole; else the ETag, where S3 says that it is an MD5."""
    if head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        for algorithm in ALGORITHMS:
            value = head.get(f"Checksum{algorithm.upper()}")
            if value is not None and "-" not in value:
                return Proof(algorithm, value)
    etag = head["ETag"].strip('"')
    sealed = head.get("ServerSideEncryption", "AES256") != "AES256"
    if _MD5.fullmatch(etag) and not sealed and "SSECustomerAlgorithm" not in head:
        return Proof("md5", etag)
    return None


def blocks(s3: Any, of: Place, wanted: Expected) -> Iterator[bytes]:
    """
    The bytes of that very object, in order; a connection that breaks is made again.

    Raises:
        ClientError: such as PreconditionFailed, when it was replaced meanwhile.
        BotoCoreError: connections broke `ATTEMPTS` times with nothing in between.
    """
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    names: dict[str, Any] = {"Bucket": of.bucket, "Key": of.key, "IfMatch": wanted.etag}
    if wanted.version is not None:
        names["VersionId"] = wanted.version
    at, left = 0, ATTEMPTS
    while at < wanted.size:
        began = at
        try:
            body = s3.get_object(**names, Range=f"bytes={at}-{wanted.size - 1}")["Body"]
            while block := body.read(BLOCK):
                at += len(block)
                yield block
        except (HTTPClientError, IncompleteReadError):
            left = ATTEMPTS if at > began else left - 1
            if not left:
                raise
            continue
        if at == began:
            raise click.ClickException("the server ended its answer before the object")


class Check:
    """Compares the bytes that pass with what they must be."""

    def __init__(self, wanted: Expected) -> None:
        self._wanted = wanted
        self._size = 0
        self._running = running(wanted.proof.algorithm) if wanted.proof else None

    def update(self, block: bytes) -> None:
        """The next bytes."""
        self._size += len(block)
        if self._running is not None:
            self._running.update(block)

    def end(self) -> None:
        """
        Raises:
            ClickException: these were not the object's bytes.
        """
        proof = self._wanted.proof
        if self._size != self._wanted.size:
            raise click.ClickException(f"{self._size} of {self._wanted.size} bytes came")
        if proof is None or self._running is None:
            return
        digest = self._running.digest()
        found = digest.hex() if proof.algorithm == "md5" else encoded(digest)
        if found != proof.value:
            raise click.ClickException(
                f"the bytes that came are not the object's: {proof.algorithm} is {found}, "
                f"and should be {proof.value}"
            )
