"""One line of the log for a request that is over."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.logger import Logger, LogLevel

from godos.web.counters import Access, AccessLog

_log = Logger("godos.access")
_LINE = (
    "{peer} {method} {target} {status} {sent} bytes {milliseconds:.1f} ms request={request_id} "
    "user={user}"  # last, since a name may hold spaces
)
# Parameters whose values let whoever reads them act as the signer, until the link expires, or
# tell with which key it was signed: the user's name says enough of that.
# A customer's key may be there, too, in links of clients that hoist headers.
_SECRET = frozenset(
    {
        b"x-amz-signature",
        b"x-amz-security-token",
        b"signature",
        b"x-amz-credential",
        b"awsaccesskeyid",
        b"x-amz-server-side-encryption-customer-key",
        b"x-amz-copy-source-server-side-encryption-customer-key",
    }
)


def access_log(level: Any) -> AccessLog:
    """
    Log requests that were refused or failed; all of them when `level` is debug.

    A line costs a third of a small request, so the others are only counted.
    """

    def log(access: Access) -> None:
        refused = access.status >= 400
        if refused or level is LogLevel.debug:
            _log.emit(
                LogLevel.info if refused else LogLevel.debug,
                _LINE,
                peer=access.peer,
                method=access.method.decode("ascii", "replace"),
                target=shown(access.target),
                status=access.status,
                sent=access.sent,
                milliseconds=access.duration * 1000,
                request_id=access.request_id,
                user=access.user or "-",
            )

    return log


def shown(target: bytes) -> str:
    """A request target without signature and access key of a presigned link."""
    path, mark, query = target.partition(b"?")
    kept = b"&".join(_without_secret(pair) for pair in query.split(b"&"))
    return (path + mark + kept).decode("ascii", "backslashreplace")


def _without_secret(pair: bytes) -> bytes:
    name, equals, _ = pair.partition(b"=")
    return name + equals + b"..." if unquote_to_bytes(name).lower() in _SECRET else pair
