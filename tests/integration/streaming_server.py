"""A `StreamingSite` on a real port, plain or TLS, and a client that speaks bytes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import ssl as twisted_ssl
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from godos.deferreds import deferred
from godos.web.listening import listen
from godos.web.streaming import StreamingSite

Answer = tuple[int, dict[str, str], bytes]


@cache
def certificate() -> bytes:
    """A self-made certificate for localhost and 127.0.0.1, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    here = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Client:
    """A blocking client, for use in a thread."""

    def __init__(self, port: int, tls: bool, small_window: bool = False) -> None:
        self.socket = socket.socket()
        if small_window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self._file = self.socket.makefile("rb")

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def answer(self) -> Answer:
        """The next answer; ConnectionError when the connection ended instead."""
        line = self._file.readline()
        if not line:
            raise ConnectionError("closed instead of an answer")
        headers = {}
        while (field := self._file.readline()) != b"\r\n":
            if not field:
                raise ConnectionError("closed within the headers")
            name, value = field.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()
        return int(line.split()[1]), headers, self._body(headers)

    def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            length = int(headers["content-length"])
            body = self._file.read(length)
            if len(body) != length:
                raise ConnectionError("a short answer")
            return body
        if headers.get("transfer-encoding") != "chunked":
            return b""
        body = b""
        while length := int(self._file.readline(), 16):
            body += self._file.read(length)
            self._file.readline()
        self._file.readline()
        return body

    def rest(self) -> bytes:
        """All until the server closes."""
        return self._file.read()

    def ask(self, *data: bytes) -> Answer:
        self.send(*data)
        return self.answer()

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class Server:
    """A running site.  `talk` runs a conversation with it in a thread."""

    def __init__(self, reactor: Any, tls: bool) -> None:
        self._reactor = reactor
        self.tls = tls
        self._port: Any = None
        self.site: Any = None

    def start(self, verbs: Any, resource: Any = None, is_verb: Any = None, **options: Any) -> None:
        """Listen on a free port."""
        verb = is_verb or (lambda _exchange: True)
        self.site = StreamingSite(verbs, resource, verb, self._reactor, **options)
        context = twisted_ssl.PrivateCertificate.loadPEM(certificate()).options()
        self._port = listen(
            self._reactor, self.site, 0, "127.0.0.1", tls=context if self.tls else None
        )

    @property
    def port(self) -> int:
        return int(self._port.getHost().port)

    def client(self, small_window: bool = False) -> Client:
        return Client(self.port, self.tls, small_window)

    def talk(self, conversation: Callable[[Client], Any]) -> Deferred[Any]:
        """Connect, talk, close; fires with what `conversation` returned."""

        def run() -> Any:
            client = self.client()
            try:
                return conversation(client)
            finally:
                client.close()

        return deferToThread(run)

    @deferred
    async def stop(self) -> None:
        """Leave nothing behind."""
        port, self._port = self._port, None
        if port is not None:
            await port.stopListening()
            await self.site.quiesce(0.3)
