"""
Signatures of a body's chunks and of its trailer, each bound to the one before.

Sans-IO.  Source: Amazon S3 API Reference, "Signature calculations for the authorization
header: transferring payload in multiple chunks", and "… including trailing headers".
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from godos.protocol.signatures import mismatch
from godos.protocol.sigv4 import Claim, sign

_EMPTY = sha256(b"").hexdigest().encode("ascii")
_CHUNK = b"AWS4-HMAC-SHA256-PAYLOAD"
_TRAILER = b"AWS4-HMAC-SHA256-TRAILER"


class ChunkSignatures:
    """
    The chain of signatures of one body, which begins with its request's.

    Args:
        key: the signing key that `sigv4.verify` answered.
    """

    def __init__(self, key: bytes, claim: Claim) -> None:
        self._key = key
        self._access_key = claim.access_key
        self._when = b"%s\n%s" % (claim.timestamp, claim.scope)
        self._previous = claim.signature
        self._digest = sha256()

    def update(self, data: bytes) -> None:
        """Take the next bytes of the chunk."""
        self._digest.update(data)

    def end_chunk(self, signature: bytes) -> None:
        """
        All bytes of the chunk were taken.

        Raises:
            SignatureRefused: it is not signed, or signed for another place or content.
        """
        digest, self._digest = self._digest.hexdigest().encode("ascii"), sha256()
        text = b"\n".join((_CHUNK, self._when, self._previous, _EMPTY, digest))
        self._must_be(text, signature)

    def end_trailer(self, lines: bytes, signature: bytes) -> None:
        """
        The trailer came: `name:value` lines, each with a newline.

        Raises:
            SignatureRefused: it is not signed, or changed since.
        """
        digest = sha256(lines).hexdigest().encode("ascii")
        self._must_be(b"\n".join((_TRAILER, self._when, self._previous, digest)), signature)

    def _must_be(self, text: bytes, signature: bytes) -> None:
        expected = sign(self._key, text)
        if not hmac.compare_digest(expected, signature):
            raise mismatch(
                self._access_key,
                {
                    "StringToSign": text.decode("latin-1"),
                    "SignatureProvided": signature.decode("latin-1"),
                },
            )
        self._previous = expected
