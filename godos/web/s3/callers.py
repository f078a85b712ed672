"""Who a request comes from, and what they sent: the result of authentication."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen

from godos.deferreds import InThread
from godos.model.bodies import IBody
from godos.model.users import Principal
from godos.protocol import post_policy
from godos.protocol.post_policy import PostPolicy
from godos.protocol.sigv4_claims import SHA256_HEADER
from godos.web.exchange import Headers, IExchange
from godos.web.s3.payloads import Payload, announced
from godos.web.s3.signed_body import CheckedBody

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
    `by_query`: the URL was presigned; `hoisted` are the headers that it carries as parameters,
    which are to be read as if they had come as headers (`hoisting.unhoisted`).  `by_form`: a
    browser's form brought the file.
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
    by_form: bool = False

    @property
    def signed(self) -> bool:
        """Whether a signature was checked."""
        return bool(self.signature_version)

    @property
    def trailers(self) -> Mapping[bytes, bytes]:
        """The fields of the body's trailer, once it has ended."""
        return self.body.trailers if isinstance(self.body, CheckedBody) else {}


@frozen
class Poster:
    """
    Who posts a form.  Its file has `least` to `most` bytes (None: without bound).

    `signature_version` is as policies name it, or empty.
    """

    principal: Principal
    signature_version: str = ""
    least: int = 0
    most: int | None = None


def unsigned(
    exchange: IExchange, headers: Mapping[bytes, bytes], principal: Principal, in_thread: InThread
) -> Caller:
    """Whoever sent a request of which no signature was checked."""
    text = headers.get(SHA256_HEADER)
    return caller_of(principal, text, announced(text, headers, exchange.body, in_thread))


def caller_of(
    principal: Principal,
    text: bytes | None,
    payload: Payload,
    version: str = "",
    by_query: bool = False,
    signed_at: float | None = None,
    hoisted: Headers = (),
) -> Caller:
    """Put a caller together; `text` is x-amz-content-sha256, if there was one."""
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


def checked_policy(fields: Mapping[str, str], bucket: str, now: float) -> PostPolicy:
    """
    The policy of a form, which allows it.

    Raises:
        SignatureRefused: it does not, or is none.
    """
    policy = post_policy.read(fields["policy"])
    post_policy.check(policy, fields, bucket, now)
    return policy
