"""Who a request comes from: signatures in headers and queries, and requests without any."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import Factory, frozen

from godos.deferreds import InThread
from godos.model.bodies import IBody
from godos.model.users import ANONYMOUS, OPEN, AccessKey, ICredentials, Principal, User
from godos.protocol import sigv2, sigv4, sigv4_claims
from godos.protocol.signatures import RequestHead, SignatureRefused, joined, unknown_key
from godos.protocol.sigv4_canonical import Pairs, query_pairs
from godos.protocol.sigv4_chunks import ChunkSignatures
from godos.protocol.sigv4_claims import SHA256_HEADER
from godos.web.exchange import Headers, IExchange
from godos.web.s3.payloads import Payload, announced
from godos.web.s3.signed_body import CheckedBody, refusal
from godos.web.target import split

# What clients sign for that were told no region: their default, and other stores' words.
_NO_REGION = (b"us-east-1", b"auto", b"")
_NO_PAIRS: Pairs = ()
_TOKEN = b"x-amz-security-token"
V4, V2 = "AWS4-HMAC-SHA256", "AWS"  # as policies name the versions (s3:signatureversion)


@frozen
class Caller:
    """
    Who asks, and the body that they signed.

    `body` is decoded and verified while it passes: it fails rather than end when it is not
    what was signed.  An operation that hashes the bytes itself takes `unverified_body` and
    must compare with `sha256` (raw), which spares computing that twice; the two bodies are
    one and the same when `sha256` is None.  `payload` is x-amz-content-sha256 as it came.
    `trailer_names` (in lower case) were announced, and are in `trailers` after the end.

    `signature_version` is as policies name it, or empty; `signed_at` seconds since the epoch.
    `hoisted` are the `x-amz-` headers that a presigned URL carries as parameters: they are
    to be read as if they were headers.
    """

    principal: Principal
    body: IBody
    unverified_body: IBody = Factory(lambda caller: caller.body, takes_self=True)
    sha256: bytes | None = None
    payload: str = ""
    trailer_names: tuple[bytes, ...] = ()
    signature_version: str = ""
    by_query: bool = False
    signed_at: float | None = None
    hoisted: Headers = ()

    @property
    def signed(self) -> bool:
        """Whether a signature was checked."""
        return bool(self.signature_version)

    @property
    def trailers(self) -> Mapping[bytes, bytes]:
        """The fields of the body's trailer, once it has ended."""
        return self.body.trailers if isinstance(self.body, CheckedBody) else {}


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
        headers = head.headers
        authorization = headers.get(b"authorization")
        by_query = sigv4_claims.is_presigned(pairs) or sigv2.is_presigned(pairs)
        if authorization is None and not by_query:
            return _unsigned(exchange, headers, ANONYMOUS, self._in_thread)
        if _TOKEN in headers or any(name.lower() == _TOKEN for name, _ in pairs):
            raise sigv4_claims.session_token_refused()
        if authorization is not None and by_query:
            raise SignatureRefused(
                "InvalidArgument",
                "only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                "Signature query string parameter or the Authorization header should be specified",
                {"ArgumentName": "Authorization"},
            )
        if authorization is None:
            if not sigv4_claims.is_presigned(pairs):
                return await self._version_2(exchange, head, pairs, sigv2.from_query(pairs), bucket)
            if sigv2.is_presigned(pairs):
                raise SignatureRefused("InvalidArgument", "sign by one version, not by two")
            return await self._version_4(
                exchange, head, pairs, sigv4_claims.from_query(pairs, headers)
            )
        scheme = authorization.partition(b" ")[0]
        if scheme == sigv4.ALGORITHM:
            claim = sigv4_claims.from_header(authorization, headers)
            return await self._version_4(exchange, head, pairs, claim)
        if scheme == sigv2.SCHEME:
            old = sigv2.from_header(authorization, headers)
            return await self._version_2(exchange, head, pairs, old, bucket)
        raise _unknown_scheme(scheme)

    async def _version_4(
        self, exchange: IExchange, head: RequestHead, pairs: Pairs, claim: sigv4.Claim
    ) -> Caller:
        sigv4.check_claim(claim, self._regions, self._region, self._now())
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
        return _caller(principal, claim.payload, payload, V4, by_query, claim.signed_at, hoisted)

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
        sigv2.check_claim(claim, shown, self._now())
        user, access_key = await self._owner(claim.access_key)
        sigv2.verify(claim, access_key.secret, head, pairs, bucket)
        by_query = claim.expires is not None
        hoisted = sigv4_claims.hoisted(pairs, headers) if by_query else ()
        text = headers.get(SHA256_HEADER)
        payload = announced(text, headers, exchange.body, self._in_thread)
        principal = _principal(user, access_key)
        return _caller(principal, text, payload, V2, by_query, claim.signed_at, hoisted)

    async def _owner(self, access_key: str) -> tuple[User, AccessKey]:
        found = await self._credentials.by_access_key(access_key)
        if found is None:
            raise unknown_key(access_key)
        return found


class OpenAuthentication:
    """
    The same for a server without credentials: everybody may do everything.

    Signatures are not looked at; bodies are decoded, and compared with the digests that
    their requests announce, as ever.

    Args:
        guard: refuses, by raising AccessDenied, requests that a web page may have made.
    """

    def __init__(
        self, in_thread: InThread, guard: Callable[[IExchange], None] | None = None
    ) -> None:
        self._in_thread = in_thread
        self._guard = guard

    async def authenticate(self, exchange: IExchange, bucket: str = "") -> Caller:  # noqa: ARG002
        """See `Authentication`."""
        if self._guard is not None:
            self._guard(exchange)
        headers = joined(exchange.headers())
        query = exchange.target.partition(b"?")[2]
        pairs = query_pairs(query) if query else _NO_PAIRS
        if not sigv4_claims.is_presigned(pairs):
            return _unsigned(exchange, headers, OPEN, self._in_thread)
        try:
            hoisted = sigv4_claims.hoisted(pairs, headers)
        except SignatureRefused as error:
            raise refusal(error) from error
        text = sigv4_claims.payload_of(pairs, headers)
        payload = announced(text, headers, exchange.body, self._in_thread)
        return _caller(OPEN, text, payload, hoisted=hoisted)


def _unsigned(
    exchange: IExchange, headers: Mapping[bytes, bytes], principal: Principal, in_thread: InThread
) -> Caller:
    text = headers.get(SHA256_HEADER)
    return _caller(principal, text, announced(text, headers, exchange.body, in_thread))


def _caller(
    principal: Principal,
    text: bytes | None,
    payload: Payload,
    version: str = "",
    by_query: bool = False,
    signed_at: float | None = None,
    hoisted: Headers = (),
) -> Caller:
    return Caller(
        principal,
        payload.body,
        payload.bare,
        payload.sha256,
        (text or b"").decode("latin-1"),
        payload.trailers,
        version,
        by_query,
        signed_at,
        hoisted,
    )


def _principal(user: User, key: AccessKey) -> Principal:
    return Principal(
        user.id,
        user.name,
        unrestricted=user.root,
        policy=user.policy,
        access_key=key.id,
    )


def _unknown_scheme(scheme: bytes) -> SignatureRefused:
    if not scheme:
        return SignatureRefused("AccessDenied", "the authorization header is empty")
    fields = {"ArgumentName": "Authorization"}
    return SignatureRefused("InvalidArgument", "unsupported authorization type", fields)
