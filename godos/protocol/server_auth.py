"""
Signatures on what servers ask of, and answer to, each other: `docs/wire-format.rst`.

Sans-IO: the sender's `Signer` and the receiver's `Guard` are told the time, and see
headers and digests but no bodies.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from attrs import frozen

from godos.model.errors import AccessDenied
from godos.model.names import new_id
from godos.protocol.replays import ReplayMemory

SKEW = 300.0  # seconds between the clocks of two servers that still understand each other
NO_BOOT = b"0" * 32  # the boot id of a process that is not known yet
STREAMED = b"streamed"  # of a body: its length was not known

_SCHEME = b"GODOS1"
_BODY = rb"streamed|length=[0-9]{1,19}|(?:sha256|fragment)=[0-9a-f]{64}"
_REQUEST = re.compile(
    _SCHEME + rb" ([0-9]{1,15}) ([0-9a-f]{32}) ([0-9]{1,18}) ([0-9a-f]{32}) "
    rb"(" + _BODY + rb") ([0-9a-f]{64})"
)
_ANSWER = re.compile(rb"([0-9a-f]{32}) ((?:sha256|header)=[0-9a-f]{64}) ([0-9a-f]{64})")
_MAC = 64  # hex digits


class SignatureRefused(AccessDenied):
    """
    A request was not signed as it must be, and nothing was done.

    `code` is one of docs/wire-format.rst; `mac` is the request's when it was right, so
    that the refusal itself can be signed, and empty otherwise.
    """

    def __init__(self, code: str, message: str, mac: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.mac = mac


class AnswerUnsigned(AccessDenied):
    """An answer was not signed by a server that knows the cluster's secret."""


def of_bytes(body: bytes) -> bytes:
    """Say of a small body what it is."""
    return b"sha256=" + sha256(body).hexdigest().encode("ascii")


def of_fragment(header_frame: bytes, payload_sha256: bytes) -> bytes:
    """Say of a header frame and a payload what they are."""
    return b"fragment=" + sha256(header_frame + payload_sha256).hexdigest().encode("ascii")


def of_length(length: int | None) -> bytes:
    """Say how many bytes come, or that nobody knows."""
    return STREAMED if length is None else b"length=%d" % length


def of_header(header: bytes) -> bytes:
    """Say of an answer which header frame, or header, it begins with."""
    return b"header=" + sha256(header).hexdigest().encode("ascii")


def same(one: bytes, other: bytes) -> bool:
    """Whether two statements about a body are equal, in constant time."""
    return hmac.compare_digest(one, other)


def _mac(key: bytes, *lines: bytes) -> bytes:
    return hmac.digest(key, b"\n".join(lines), "sha256").hex().encode("ascii")


def _request_mac(key: bytes, method: bytes, target: bytes, fields: bytes) -> bytes:
    return _mac(key, b"GODOS1-REQUEST", method, target, fields)


def _answer_mac(key: bytes, request_mac: bytes, status: int, fields: bytes) -> bytes:
    return _mac(key, b"GODOS1-ANSWER", request_mac, b"%d" % status, fields)


@frozen
class Signature:
    """`authorization` is the value of that header; `mac` is what the answer is bound to."""

    authorization: bytes
    mac: bytes


@frozen
class Signed:
    """What a good answer's signature says: by which process, and of which body."""

    boot: bytes
    body: bytes


class Signer:
    """
    Signs the requests of one process and checks the answers.

    Args:
        secret: the cluster's, as bytes.
        session: 32 hex digits; drawn when not given.
    """

    def __init__(self, secret: bytes, session: str | None = None) -> None:
        self._key = secret
        self._session = (session or new_id()).encode("ascii")
        self._count = 0

    def sign(self, method: bytes, target: bytes, body: bytes, boot: bytes, now: float) -> Signature:
        """
        Sign a request, to be sent once.

        Args:
            target: as it will stand in the request line.
            body: what `of_bytes` and its kin say.
            boot: the receiving process's id, or `NO_BOOT`.
            now: seconds since the epoch.
        """
        self._count += 1
        fields = b"%d %s %d %s %s" % (now * 1000, self._session, self._count, boot, body)
        mac = _request_mac(self._key, method, target, fields)
        return Signature(b"%s %s %s" % (_SCHEME, fields, mac), mac)

    def check_answer(self, request_mac: bytes, status: int, header: bytes | None) -> Signed:
        """
        Believe an answer, given its X-Godos-Answer, or not.  The caller compares the body.

        Raises:
            AnswerUnsigned: it is not the answer of our cluster's server to that request.
        """
        match = _ANSWER.fullmatch(header or b"")
        if match is None:
            raise AnswerUnsigned("the answer is not signed")
        boot, body, mac = match.groups()
        fields = b"%s %s" % (boot, body)
        if not hmac.compare_digest(_answer_mac(self._key, request_mac, status, fields), mac):
            raise AnswerUnsigned("the answer is signed with another secret, or for another request")
        return Signed(boot, body)


@frozen
class Admission:
    """A request that may be acted on once its body is what `body` says."""

    mac: bytes
    body: bytes


class Guard:
    """
    Checks the requests that reach one process, and signs its answers.

    Args:
        secret: the cluster's, as bytes.
        boot: 32 hex digits drawn when this process started.
        skew: seconds that a sender's clock may differ from ours.
    """

    def __init__(self, secret: bytes, boot: str, skew: float = SKEW) -> None:
        self._key = secret
        self._boot = boot.encode("ascii")
        self._skew = skew
        self._replays = ReplayMemory(skew)

    def admit(
        self, method: bytes, target: bytes, authorization: bytes | None, now: float
    ) -> Admission:
        """
        Let a request in, once.

        Args:
            target: as it stands in the request line.
            now: seconds since the epoch.

        Raises:
            SignatureRefused: it is unsigned, changed, late, for another process, or a replay.
        """
        match = _REQUEST.fullmatch(authorization or b"")
        if authorization is None or match is None:
            raise SignatureRefused(
                "SignatureMissing", "servers of this cluster sign their requests; this one is not"
            )
        time, session, count, boot, body, mac = match.groups()
        fields = authorization[len(_SCHEME) + 1 : -_MAC - 1]
        if not hmac.compare_digest(_request_mac(self._key, method, target, fields), mac):
            raise SignatureRefused(
                "SignatureWrong", "signed with another cluster's secret, or changed on the way"
            )
        self._check_receiver(boot, mac)
        self._check_time(signed := int(time) / 1000, now, mac)
        if not self._replays.first_time(session, int(count), signed, now):
            raise SignatureRefused("Replayed", "this request was received before", mac)
        return Admission(mac, body)

    def _check_receiver(self, boot: bytes, mac: bytes) -> None:
        if boot != self._boot:
            raise SignatureRefused(
                "BootUnknown", "signed for another process; the answer names this one", mac
            )

    def _check_time(self, signed: float, now: float, mac: bytes) -> None:
        ahead = signed - now
        if abs(ahead) > self._skew:
            raise SignatureRefused(
                "ClockSkewed",
                f"the sender's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} "
                f"the receiver's, and at most {self._skew:.0f} s are allowed: set both clocks",
                mac,
            )

    def sign_answer(self, request_mac: bytes, status: int, body: bytes) -> bytes:
        """
        The X-Godos-Answer of an answer.

        Args:
            body: what `of_bytes` or `of_header` says.
        """
        fields = b"%s %s" % (self._boot, body)
        return b"%s %s" % (fields, _answer_mac(self._key, request_mac, status, fields))
