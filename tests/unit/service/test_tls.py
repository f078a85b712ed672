"""Certificates and keys that people name."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions

from godos.service.settings import SettingError
from godos.service.tls import server_tls


def pair(folder: Path, name: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase)
            if passphrase
            else serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


def handshake(server: CertificateOptions, newest: int | None) -> str:
    """Let a client that knows nothing newer than `newest` connect in memory; the version agreed."""
    client_context = SSL.Context(SSL.TLS_METHOD)
    if newest is not None:
        client_context.set_max_proto_version(newest)
    client, service = SSL.Connection(client_context), SSL.Connection(server.getContext())
    client.set_connect_state()
    service.set_accept_state()
    for _ in range(10):
        for one, other in ((client, service), (service, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))
    return str(client.get_protocol_version_name())


def test_tls_12_and_newer(tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 are spoken, TLS 1.1 is not."""
    options = server_tls(*pair(tmp_path, "a"))
    assert options is not None
    assert handshake(options, None) == "TLSv1.3"
    assert handshake(options, SSL.TLS1_2_VERSION) == "TLSv1.2"
    with pytest.raises(SSL.Error):
        handshake(options, SSL.TLS1_1_VERSION)


def test_none() -> None:
    """Without files there is plain HTTP."""
    assert server_tls(None, None) is None


def test_refusals(tmp_path: Path) -> None:
    """Every wrong pair of files is told in one line that names the option."""
    cert, key = pair(tmp_path, "a")
    _, other = pair(tmp_path, "b")
    _, locked = pair(tmp_path, "c", b"secret")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for cert_file, key_file, line in (
        (cert, None, "--tls-key is missing"),
        (None, key, "--tls-cert is missing"),
        (cert, other, "--tls-key: .*b.key is not the key of"),
        (cert, locked, "--tls-key: .*c.key holds no PEM private key without passphrase"),
        (cert, cert, "--tls-key: .*a.pem holds no PEM private key"),
        (key, key, "--tls-cert: .*a.key holds no PEM certificate"),
        (rubbish, key, "--tls-cert: .*rubbish holds a broken certificate"),
        (tmp_path / "none", key, "--tls-cert: cannot read .*none: No such file"),
        (cert, tmp_path, "--tls-key: cannot read .*: Is a directory"),
    ):
        with pytest.raises(SettingError, match=line) as caught:
            server_tls(cert_file, key_file)
        assert "\n" not in str(caught.value)
