"""TLS for the port that clients use."""

from __future__ import annotations

import re
from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.ssl import CertificateOptions, TLSVersion

from godos.service.settings import SettingError

_PEM_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)


def server_tls(cert: Path | None, key: Path | None) -> CertificateOptions | None:
    """
    What a TLS port needs, TLS 1.2 or newer; None when neither file is named.

    Args:
        cert: PEM, the server's certificate first, then those that signed it.
        key: PEM, its private key, without a passphrase.

    Raises:
        SettingError: one is missing, cannot be read, or does not fit the other.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing = "--tls-cert" if cert is None else "--tls-key"
        raise SettingError(f"{missing} is missing: HTTPS takes both --tls-cert and --tls-key")
    chain = _certificates(cert)
    options = CertificateOptions(
        privateKey=_private_key(key),
        certificate=chain[0],
        extraCertChain=chain[1:],
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    try:
        options.getContext().check_privatekey()
    except SSL.Error as error:
        raise SettingError(f"--tls-key: {key} is not the key of {cert}") from error
    return options


def _certificates(path: Path) -> list[crypto.X509]:
    try:
        blocks = _PEM_CERTIFICATE.findall(_contents("--tls-cert", path))
        chain = [crypto.load_certificate(crypto.FILETYPE_PEM, block) for block in blocks]
    except crypto.Error as error:
        raise SettingError(f"--tls-cert: {path} holds a broken certificate") from error
    if not chain:
        raise SettingError(f"--tls-cert: {path} holds no PEM certificate")
    return chain


def _private_key(path: Path) -> crypto.PKey:
    try:
        # without a passphrase OpenSSL would ask for one on the terminal
        return crypto.load_privatekey(crypto.FILETYPE_PEM, _contents("--tls-key", path), b"")
    except (crypto.Error, ValueError) as error:
        raise SettingError(
            f"--tls-key: {path} holds no PEM private key without passphrase"
        ) from error


def _contents(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(f"{option}: cannot read {path}: {error.strerror}") from error
