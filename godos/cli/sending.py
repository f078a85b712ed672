"""Sending a file: in one request, or in parts that are kept when it breaks off."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Thread
from typing import Any

import click
from attrs import define, frozen

from godos.cli.progress import Progress
from godos.cli.resuming import Piece, Stored, matching, pieces
from godos.cli.store import Place
from godos.transfer.checksums import combined, encoded, running

CRC = "crc64nvme"  # which can be had of a whole from its parts
AT_ONCE = 4  # parts under way
HELD = 64 << 20  # bytes of them in memory, unless one is larger


class FileChanged(OSError):
    """The file is not the one whose parts were sent."""


@frozen
class Source:
    """A file that is read at any place; it must stay as it was when it was opened."""

    fd: int
    name: str
    size: int
    changed: int  # nanoseconds since the epoch

    @classmethod
    def of(cls, fd: int, name: str) -> Source:
        """See the class."""
        status = os.fstat(fd)
        return cls(fd, name, status.st_size, status.st_mtime_ns)

    def read(self, piece: Piece) -> bytes:
        """
        Raises:
            FileChanged: it is shorter now.
        """
        found = bytearray()
        while len(found) < piece.size:
            more = os.pread(self.fd, piece.size - len(found), piece.start + len(found))
            if not more:
                raise self._changed()
            found += more
        return bytes(found)

    def check(self) -> None:
        """
        Raises:
            FileChanged: somebody wrote to it meanwhile.
        """
        if Source.of(self.fd, self.name) != self:
            raise self._changed()

    def _changed(self) -> FileChanged:
        return FileChanged(f"{self.name} changed while it was sent: nothing was stored")


@define
class Sending:
    """One file on its way to one place; `s3` is boto3's client, `kind` its Content-Type."""

    s3: Any
    source: Source
    to: Place
    progress: Progress
    kind: str
    upload: str = ""  # the id, once there is one

    @property
    def names(self) -> dict[str, str]:
        """As boto3 takes them."""
        return {"Bucket": self.to.bucket, "Key": self.to.key}

    def run(self, restart: bool) -> None:
        """
        Store the file.

        Args:
            restart: begin anew, whatever is there of it.

        Raises:
            FileChanged, OSError, ClientError, BotoCoreError: it is not stored.
        """
        wanted = pieces(self.source.size)
        if len(wanted) < 2:
            self._whole()
            return
        have = {} if restart else self._resumed(wanted)
        if not self.upload:
            self._begin()
        self._complete(wanted, self._send(wanted, have))

    def _whole(self) -> None:
        body = self.source.read(Piece(1, 0, self.source.size))
        self.source.check()
        crc = checksum(body)
        self.s3.put_object(**self.names, Body=body, ContentType=self.kind, ChecksumCRC64NVME=crc)
        self.progress.add(len(body))

    # -- in parts -------------------------------------------------------------------------
    def _begin(self) -> None:
        answer = self.s3.create_multipart_upload(
            **self.names,
            ContentType=self.kind,
            ChecksumAlgorithm="CRC64NVME",
            ChecksumType="FULL_OBJECT",
        )
        self.upload = answer["UploadId"]

    def _resumed(self, wanted: Sequence[Piece]) -> Mapping[int, str]:
        """Take up the upload that has most of the file; the ETags of what it has."""
        best: Mapping[int, str] = {}
        for upload in self._open_uploads():
            stored = self._stored(upload)
            sizes = {piece.number: piece.size for piece in wanted}
            fitting = sum(sizes.get(part.number) == part.size for part in stored)
            if fitting <= len(best):
                continue  # it cannot have more, so the file need not be read
            found = matching(wanted, stored, self.source.read)
            if len(found) > len(best):
                self.upload, best = upload, found
        if best:
            click.echo(f"goes on with {len(best)} of {len(wanted)} parts there", err=True)
        return best

    def _open_uploads(self) -> Iterator[str]:
        """Of this key, the newest first, as `_begin` makes them."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.to.bucket, Prefix=self.to.key
        )
        found = [
            upload
            for page in pages
            for upload in page.get("Uploads", ())
            if upload["Key"] == self.to.key
            and upload.get("ChecksumAlgorithm") == "CRC64NVME"
            and upload.get("ChecksumType") == "FULL_OBJECT"
        ]
        found.sort(key=lambda upload: upload["Initiated"], reverse=True)
        return (upload["UploadId"] for upload in found)

    def _stored(self, upload: str) -> Sequence[Stored]:
        pages = self.s3.get_paginator("list_parts").paginate(**self.names, UploadId=upload)
        return [
            Stored(part["PartNumber"], part["Size"], part["ETag"].strip('"'))
            for page in pages
            for part in page.get("Parts", ())
        ]

    def _send(self, wanted: Sequence[Piece], have: Mapping[int, str]) -> Sequence[tuple[str, str]]:
        """Send what is missing; ETag and checksum of every part, in order."""
        done: dict[int, tuple[str, str]] = {}
        running: dict[Future[str], tuple[Piece, str]] = {}

        def settle(most: int) -> None:
            """Wait until no more than so many are under way."""
            while len(running) > most:
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    piece, crc = running.pop(future)
                    done[piece.number] = (future.result(), crc)
                    self.progress.add(piece.size)

        for piece in wanted:
            settle(max(1, min(AT_ONCE, HELD // piece.size)) - 1)
            body = self.source.read(piece)
            crc = checksum(body)
            if piece.number in have:
                done[piece.number] = (have[piece.number], crc)
                self.progress.add(piece.size)
            else:
                running[in_background(self._part, piece, body, crc)] = piece, crc
        settle(0)
        return [done[piece.number] for piece in wanted]

    def _part(self, piece: Piece, body: bytes, crc: str) -> str:
        answer = self.s3.upload_part(
            **self.names,
            UploadId=self.upload,
            PartNumber=piece.number,
            Body=body,
            ChecksumCRC64NVME=crc,
        )
        return str(answer["ETag"]).strip('"')

    def _complete(self, wanted: Sequence[Piece], sent: Sequence[tuple[str, str]]) -> None:
        """Make the object, if the server has the very bytes that were read here."""
        self.source.check()
        parts = [
            {"PartNumber": piece.number, "ETag": f'"{etag}"', "ChecksumCRC64NVME": crc}
            for piece, (etag, crc) in zip(wanted, sent, strict=True)
        ]
        sizes = [piece.size for piece in wanted]
        whole = combined(CRC, list(zip([crc for _, crc in sent], sizes, strict=True)))
        self.s3.complete_multipart_upload(
            **self.names,
            UploadId=self.upload,
            MultipartUpload={"Parts": parts},
            ChecksumCRC64NVME=whole,
        )


def checksum(body: bytes) -> str:
    """As S3 writes it."""
    crc = running(CRC)
    crc.update(body)
    return encoded(crc.digest())


def in_background(function: Callable[..., str], *args: object) -> Future[str]:
    """
    Call it in a thread of its own.

    It is not one of a pool's: the process would wait for those before it ends, and after
    Ctrl-C nobody wants to wait for a server that hangs.
    """
    future: Future[str] = Future()

    def work() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="part", daemon=True).start()
    return future
