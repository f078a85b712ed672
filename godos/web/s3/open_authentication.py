"""Requests to a server without credentials: everybody may do everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from godos.deferreds import InThread
from godos.model.users import OPEN
from godos.protocol import sigv2, sigv4_claims
from godos.protocol.signatures import SignatureRefused, joined
from godos.protocol.sigv4_canonical import query_pairs
from godos.web.exchange import IExchange
from godos.web.s3.callers import Caller, Poster, caller_of, checked_policy, unsigned
from godos.web.s3.payloads import announced
from godos.web.s3.signed_body import refusal


class OpenAuthentication:
    """
    The `Authentication` of a server without credentials.

    Signatures are not looked at; bodies are decoded, and compared with the digests that
    their requests announce, as ever.

    Args:
        now: seconds since the epoch.
        in_thread: where large bodies are hashed.
        guard: refuses, by raising AccessDenied, requests that a web page may have made.
    """

    def __init__(
        self,
        now: Callable[[], float],
        in_thread: InThread,
        guard: Callable[[IExchange], None] | None = None,
    ) -> None:
        self._now = now
        self._in_thread = in_thread
        self._guard = guard

    async def authenticate(self, exchange: IExchange, bucket: str = "") -> Caller:  # noqa: ARG002
        """See `Authentication`."""
        if self._guard is not None:
            self._guard(exchange)
        headers = joined(exchange.headers())
        query = exchange.target.partition(b"?")[2]
        pairs = query_pairs(query) if query else []
        if not (sigv4_claims.is_presigned(pairs) or sigv2.is_presigned(pairs)):
            return unsigned(exchange, headers, OPEN, self._in_thread)
        try:
            hoisted = sigv4_claims.hoisted(pairs, headers)
        except SignatureRefused as error:
            raise refusal(error) from error
        text = sigv4_claims.payload_of(pairs, headers)
        payload = announced(text, headers, exchange.body, self._in_thread)
        return caller_of(OPEN, text, payload, by_query=True, hoisted=hoisted)

    async def authenticate_form(
        self, exchange: IExchange, fields: Mapping[str, str], bucket: str
    ) -> Poster:
        """See `Authentication`.  A policy that is there must allow the form all the same."""
        if self._guard is not None:
            self._guard(exchange)
        if "policy" not in fields:
            return Poster(OPEN)
        try:
            policy = checked_policy(fields, bucket, self._now())
        except SignatureRefused as error:
            raise refusal(error) from error
        return Poster(OPEN, "", policy.least, policy.most)
