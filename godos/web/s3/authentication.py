"""Who a request comes from: signatures in headers and queries, and requests without any."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from godos.deferreds import InThread
from godos.model.users import ANONYMOUS, AccessKey, ICredentials, Principal, User
from godos.protocol import post_signature, sigv2, sigv4, sigv4_claims
from godos.protocol.signatures import RequestHead, SignatureRefused, joined, unknown_key
from godos.protocol.sigv4_canonical import Pairs, query_pairs
from godos.protocol.sigv4_chunks import ChunkSignatures
from godos.protocol.sigv4_claims import SHA256_HEADER
from godos.web.exchange import IExchange
from godos.web.s3.callers import V2, V4, Caller, Poster, caller_of, checked_policy, unsigned
from godos.web.s3.payloads import announced
from godos.web.s3.signed_body import refusal
from godos.web.target import split

__all__ = ["Authentication", "Caller", "Poster"]

# What clients sign for that were told no region: their default, and other stores' words.
_NO_REGION = (b"us-east-1", b"auto", b"")
_NO_PAIRS: Pairs = ()
_TOKEN = b"x-amz-security-token"


class Authentication:
    """
    Checks who requests come from.

    Args:
        now: seconds since the epoch.
        in_thread: where large bodies are hashed.
        region: that signatures are for; those that name none are taken as well.
    """

    def __init__(
        self,
        credentials: ICredentials,
        now: Callable[[], float],
        in_thread: InThread,
        region: str = "us-east-1",
    ) -> None:
        self._credentials = credentials
        self._now = now
        self._in_thread = in_thread
        self._region = region
        self._regions = frozenset((region.encode("ascii"), *_NO_REGION))

    async def authenticate(self, exchange: IExchange, bucket: str = "") -> Caller:
        """
        Tell who asks.

        Args:
            bucket: that the Host header names, when the path does not.

        Raises:
            S3Error: the request is not signed as it says.
            InvalidURI, InvalidArgument, PayloadMismatch, …: it makes no sense.
            CatalogUnavailable: the users cannot be looked up.
        """
        path, query = split(exchange.target)
        head = RequestHead(exchange.method, path, query, joined(exchange.headers()))
        pairs = query_pairs(query) if query else _NO_PAIRS
        try:
            return await self._caller(exchange, head, pairs, bucket.encode("ascii"))
        except SignatureRefused as error:
            raise refusal(error) from error

    async def _caller(
        self, exchange: IExchange, head: RequestHead, pairs: Pairs, bucket: bytes
    ) -> Caller:
        authorization = head.headers.get(b"authorization")
        by_query = sigv4_claims.is_presigned(pairs) or sigv2.is_presigned(pairs)
        if authorization is None and not by_query:
            return unsigned(exchange, head.headers, ANONYMOUS, self._in_thread)
        if _TOKEN in head.headers or any(name.lower() == _TOKEN for name, _ in pairs):
            raise sigv4_claims.session_token_refused()
        if authorization is None:
            return await self._by_query(exchange, head, pairs, bucket)
        if by_query:
            raise _two_ways()
        scheme = authorization.partition(b" ")[0]
        if scheme == sigv4.ALGORITHM:
            claim = sigv4_claims.from_header(authorization, head.headers)
            return await self._version_4(exchange, head, pairs, claim)
        if scheme == sigv2.SCHEME:
            old = sigv2.from_header(authorization, head.headers)
            return await self._version_2(exchange, head, pairs, old, bucket)
        raise _unknown_scheme(scheme)

    async def _by_query(
        self, exchange: IExchange, head: RequestHead, pairs: Pairs, bucket: bytes
    ) -> Caller:
        if not sigv4_claims.is_presigned(pairs):
            return await self._version_2(exchange, head, pairs, sigv2.from_query(pairs), bucket)
        if sigv2.is_presigned(pairs):
            raise _two_ways()
        claim = sigv4_claims.from_query(pairs, head.headers)
        return await self._version_4(exchange, head, pairs, claim)

    async def _version_4(
        self, exchange: IExchange, head: RequestHead, pairs: Pairs, claim: sigv4.Claim
    ) -> Caller:
        sigv4.check_scope(claim, self._regions, self._region)
        sigv4.check_time(claim, self._now())
        user, access_key = await self._owner(claim.access_key)
        sigv4.check_headers(claim, head.headers)
        key = sigv4.verify(claim, access_key.secret, head, pairs)
        by_query = claim.expires is not None
        hoisted = sigv4_claims.hoisted(pairs, head.headers) if by_query else ()
        streamed = claim.payload[:10] == b"STREAMING-"
        payload = announced(
            claim.payload,
            head.headers,
            exchange.body,
            self._in_thread,
            ChunkSignatures(key, claim) if streamed else None,
        )
        principal = _principal(user, access_key)
        return caller_of(principal, claim.payload, payload, V4, by_query, claim.signed_at, hoisted)

    async def _version_2(
        self,
        exchange: IExchange,
        head: RequestHead,
        pairs: Pairs,
        claim: sigv2.Claim,
        bucket: bytes,
    ) -> Caller:
        headers = head.headers
        shown = headers.get(b"x-amz-date") or headers.get(b"date") or b""
        sigv2.check_time(claim, shown, self._now())
        user, access_key = await self._owner(claim.access_key)
        sigv2.verify(claim, access_key.secret, head, pairs, bucket)
        by_query = claim.expires is not None
        hoisted = sigv4_claims.hoisted(pairs, headers) if by_query else ()
        text = headers.get(SHA256_HEADER)
        payload = announced(text, headers, exchange.body, self._in_thread)
        principal = _principal(user, access_key)
        return caller_of(principal, text, payload, V2, by_query, claim.signed_at, hoisted)

    async def authenticate_form(
        self,
        exchange: IExchange,  # noqa: ARG002
        fields: Mapping[str, str],
        bucket: str,
    ) -> Poster:
        """
        Tell who posts a form, and what its policy allows of the file.

        Args:
            fields: by their names in lower case, in their final form: with `${filename}` in
                the key replaced.
            bucket: that the form was posted to.

        Raises:
            S3Error: the form is not signed as it says, or not as its policy has it.
            CatalogUnavailable: the users cannot be looked up.
        """
        try:
            form = post_signature.read(fields)
            if form is None:
                return Poster(ANONYMOUS)
            post_signature.check_scope(form, self._regions, self._region)
            user, access_key = await self._owner(form.access_key)
            post_signature.verify(form, access_key.secret)
            version = V2 if form.claim is None else V4
            policy = checked_policy(fields, bucket, self._now())
        except SignatureRefused as error:
            raise refusal(error) from error
        return Poster(_principal(user, access_key), version, policy.least, policy.most)

    async def _owner(self, access_key: str) -> tuple[User, AccessKey]:
        found = await self._credentials.by_access_key(access_key)
        if found is None:
            raise unknown_key(access_key)
        return found


def _principal(user: User, key: AccessKey) -> Principal:
    return Principal(
        user.id,
        user.name,
        unrestricted=user.root,
        policy=user.policy,
        access_key=key.id,
    )


def _two_ways() -> SignatureRefused:
    return SignatureRefused(
        "InvalidArgument",
        "only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
        "query string parameter or the Authorization header should be specified",
        {"ArgumentName": "Authorization"},
    )


def _unknown_scheme(scheme: bytes) -> SignatureRefused:
    if not scheme:
        return SignatureRefused("AccessDenied", "the authorization header is empty")
    fields = {"ArgumentName": "Authorization"}
    return SignatureRefused("InvalidArgument", "unsupported authorization type", fields)
