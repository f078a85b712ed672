"""Bodies that are documents: collected, compared with what was announced, and read."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

from godos.deferreds import InThread
from godos.model.errors import BadDigest, InvalidRequest
from godos.transfer.checksums import running
from godos.web.digests import content_md5
from godos.web.exchange import IExchange
from godos.web.s3.callers import Caller
from godos.web.s3.operation import Operation
from godos.web.s3.operations.checksum_members import LENGTHS, raw_digest

# Values of x-amz-content-sha256 with which no signature is of the body.
_VOUCHES_FOR_NOTHING = ("", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
INLINE = 16 << 10  # bytes of a document that is read in the reactor's thread
Digests = Sequence[tuple[str, bytes]]  # by algorithm


class Documents:
    """
    Args:
        in_thread: where long documents are read.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread

    async def read(
        self, operation: Operation, exchange: IExchange, caller: Caller
    ) -> dict[str, Any]:
        """
        The members that the body carries.

        Raises:
            EntityTooLarge, IncompleteBody, PayloadMismatch: as the body.
            BadDigest, InvalidDigest: it is not what a header says.
            InvalidRequest: nothing vouches for the body of an operation that asks for it.
            S3Error: it is no such document.
        """
        pieces = await caller.body.collect(operation.body_limit)
        raw = b"".join(pieces)
        told = _announced(operation, exchange, caller)
        vouched = bool(told) or caller.payload not in _VOUCHES_FOR_NOTHING
        # S3 asks it of all; people who type requests, and do not sign, are spared
        if operation.requires_checksum and caller.signed and not vouched:
            raise InvalidRequest(
                f"{operation.name} needs a header Content-MD5 or x-amz-checksum-… of its body"
            )
        if len(raw) <= INLINE:
            return _read(operation, raw, told)
        document: dict[str, Any] = await self._in_thread(_read, operation, raw, told)
        return document


def _announced(operation: Operation, exchange: IExchange, caller: Caller) -> Digests:
    """
    The digests that headers and trailer say the body has.

    The checksums that come with the end of an upload in parts are of the object.
    """
    told: list[tuple[str, bytes]] = []
    md5 = exchange.header(b"content-md5")
    if md5 is not None:
        told += list(content_md5(b"content-md5", md5))
    for algorithm in LENGTHS if operation.requires_checksum else ():
        name = b"x-amz-checksum-" + algorithm.encode()
        for value in (exchange.header(name), caller.trailers.get(name)):
            if value is not None:
                told.append((algorithm, raw_digest(algorithm, value.decode("latin-1").strip())))
    return told


def _read(operation: Operation, raw: bytes, told: Digests) -> dict[str, Any]:
    """The members in the body, once it is known to be the one that was announced."""
    for algorithm, expected in told:
        found = running(algorithm)
        found.update(raw)
        if not compare_digest(found.digest(), expected):
            raise BadDigest(f"the body has another {algorithm} digest than was announced")
    return operation.read_body(raw)
