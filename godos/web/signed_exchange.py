"""A request that another server of the cluster signed, and its signed answer."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from godos.deferreds import InThread
from godos.model.blobs import FragmentHeader
from godos.model.errors import BadDigest, EntityTooLarge, FragmentDamaged, InvalidRequest
from godos.model.fragments import SMALL
from godos.protocol import fragment_header
from godos.protocol.fragment_header import FRAME_HEAD
from godos.protocol.server_auth import (
    Admission,
    Guard,
    SignatureRefused,
    of_bytes,
    of_fragment,
    of_header,
    of_length,
    same,
)
from godos.protocol.server_errors import ErrorAnswer
from godos.web.exchange import Headers, IExchange

JSON_LIMIT = 1 << 20  # bytes of a request that is JSON
_JSON_TYPE = (b"Content-Type", b"application/json")
_INLINE = 16 << 10  # bytes that are hashed faster than handed to a thread


class SignedExchange:
    """
    One request of another server.

    Its body is only given out when it is what the signature says, and all answers are signed.
    """

    def __init__(self, exchange: IExchange, guard: Guard, in_thread: InThread) -> None:
        self.exchange = exchange
        self._guard = guard
        self._in_thread = in_thread
        self._admission: Admission | None = None
        self._mac = b""  # of a request whose answer is signed

    def admit(self, now: float) -> None:
        """
        Check the signature.

        Raises:
            SignatureRefused: it is not as it must be.
        """
        exchange = self.exchange
        signature = exchange.header(b"authorization")
        try:
            self._admission = self._guard.admit(exchange.method, exchange.target, signature, now)
        except SignatureRefused as refusal:
            self._mac = refusal.mac
            raise
        self._mac = self._admission.mac

    # -- the request's body -------------------------------------------------------------------
    async def body(self, limit: int) -> bytes:
        """
        All of a small body.

        Raises:
            EntityTooLarge, IncompleteBody, BodyStalled: as `IBody.collect`.
            BadDigest: it is not what was signed.
        """
        body = b"".join(await self.exchange.body.collect(limit))
        self._must_be(of_bytes(body))
        return body

    async def json(self, limit: int = JSON_LIMIT) -> Any:
        """
        A body that is JSON; None when it is empty.

        Raises:
            InvalidRequest: it is no JSON, or as `body`.
        """
        body = await self.body(limit)
        try:
            return json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("the body is not JSON") from error

    async def fragment(self) -> tuple[FragmentHeader, memoryview]:
        """
        A body that is a header frame and a small payload.

        Raises:
            EntityTooLarge: the payload has more than `SMALL` bytes.
            InvalidRequest, BadDigest: as `body`.
        """
        body = b"".join(await self.exchange.body.collect(fragment_header.LIMIT + SMALL))
        end = _header_end(body)
        frame, payload = body[:end], memoryview(body)[end:]
        if len(payload) > SMALL:
            raise EntityTooLarge(f"a fragment of more than {SMALL} bytes is uploaded in steps")
        if len(payload) <= _INLINE:
            digest = sha256(payload).digest()
        else:
            digest = await self._in_thread(_digest, payload)
        self._must_be(of_fragment(frame, digest))
        return fragment_header.from_frame(frame), payload

    def streamed(self) -> None:
        """
        Check what can be known of a body before it comes.

        Raises:
            BadDigest: its announced length is not the signed one.
        """
        self._must_be(of_length(self.exchange.body.length))

    def _must_be(self, found: bytes) -> None:
        assert self._admission is not None
        if not same(found, self._admission.body):
            raise BadDigest("the body is not the one that was signed; nothing was done")

    # -- the answer -----------------------------------------------------------------------------
    def reply(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        """Answer with a small body, and finish."""
        proof = (b"X-Godos-Answer", self._guard.sign_answer(self._mac, status, of_bytes(body)))
        self.exchange.reply(status, [*headers, proof], body)

    def reply_json(self, document: Any, status: int = 200) -> None:
        """Answer with a document."""
        self.reply(status, json.dumps(document).encode("ascii"), [_JSON_TYPE])

    def proof(self, header: bytes) -> tuple[bytes, bytes]:
        """The signature header of a 200 whose body begins with `header`."""
        return b"X-Godos-Answer", self._guard.sign_answer(self._mac, 200, of_header(header))

    def refuse(self, error: ErrorAnswer) -> None:
        """Answer with an error, or break an answer that has begun."""
        if self.exchange.started:
            self.exchange.abort()
            return
        body = error.body(self.exchange.request_id)
        if self._mac:
            self.reply(error.status, body, [_JSON_TYPE])
        else:
            self.exchange.reply(error.status, [_JSON_TYPE], body)


def _header_end(body: bytes) -> int:
    """Length of the header frame that `body` begins with."""
    try:
        return fragment_header.frame_size(body[:FRAME_HEAD])
    except FragmentDamaged as error:
        raise InvalidRequest(str(error)) from error


def _digest(payload: memoryview) -> bytes:
    return sha256(payload).digest()
