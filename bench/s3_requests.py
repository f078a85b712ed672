"""Whole requests as bytes: plain, or signed by botocore as boto3 signs them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import field, frozen
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NO_HEADERS: Mapping[str, str] = {}


@frozen
class Requests:
    """
    Makes requests to the server at `base`.

    Args:
        key: access key and secret; None: they are not signed.
    """

    base: str
    key: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Where they go."""
        parts = urlsplit(self.base)
        return parts.hostname or "", parts.port or 80

    def of(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
    ) -> bytes:
        """
        One request.

        Args:
            target: path and query, percent-encoded.
        """
        sent = self._signed(method, target, body, headers) if self.key else dict(headers)
        host, port = self.address
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        if body or method in ("PUT", "POST"):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _signed(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        assert self.key is not None
        request = AWSRequest(method, f"http://{':'.join(map(str, self.address))}{target}")
        request.data = body
        for name, value in headers.items():
            request.headers[name] = value
        S3SigV4Auth(Credentials(*self.key), "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())
