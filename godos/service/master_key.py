"""The server's own encryption keys, from the files of `--master-key` and `--kms-keys`."""

from __future__ import annotations

import tomllib
from base64 import b64decode
from binascii import Error as NotBase64
from pathlib import Path
from typing import Any

from godos.objects.keys import KEY_SIZE, KeyRing, NamedKeys
from godos.service.settings import SettingError

_HOW = f"{KEY_SIZE} random bytes in base64, such as `openssl rand -base64 {KEY_SIZE}` prints"


def read_master_key(path: Path) -> KeyRing:
    """
    The keys that wrap those of SSE-S3 objects: one a line, the current one first.

    Blank lines and those that begin with `#` do not count.

    Raises:
        SettingError: the file cannot be read, or has a line that is no key, or none at all.
    """
    option, lines = "--master-key", _text("--master-key", path).splitlines()
    keys = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            keys.append(_key(f"{option}: line {number} of {path}", line.strip()))
    return _ring(f"{option}: {path}", keys)


def read_kms_keys(path: Path) -> NamedKeys:
    """
    The keys that wrap those of SSE-KMS objects, by name.

    TOML: a table `keys` of names with a key, or a list of keys of which the first is the
    current one, and the name of the `default`, which may be left out when there is one
    key only.

    Raises:
        SettingError: the file cannot be read, or says something else.
    """
    option = f"--kms-keys: {path}"
    document = _toml(path)
    keys = document.get("keys")
    if not isinstance(keys, dict) or not keys:
        raise SettingError(f'{option} has no table [keys] with lines such as name = "KEY"')
    unknown = sorted(set(document) - {"keys", "default"})
    if unknown:
        raise SettingError(f"{option} has {unknown[0]!r}; it may have 'default' and [keys] only")
    default = document.get("default", next(iter(keys)) if len(keys) == 1 else None)
    if not isinstance(default, str) or default not in keys:
        raise SettingError(f'{option} must say which key is the default: default = "NAME"')
    return NamedKeys(
        {name: _named(f"{option}: {name!r}", value) for name, value in keys.items()}, default
    )


def _named(where: str, value: Any) -> KeyRing:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise SettingError(f"{where} is no key: that is {_HOW}")
    return _ring(where, [_key(where, text) for text in texts])


def _ring(where: str, keys: list[bytes]) -> KeyRing:
    if not keys:
        raise SettingError(f"{where} holds no key: that is {_HOW}")
    if len(set(keys)) != len(keys):
        raise SettingError(f"{where} holds a key twice")
    return KeyRing(tuple(keys))


def _key(where: str, text: str) -> bytes:
    """The message never shows the text: it may be nearly a key."""
    try:
        key = b64decode(text, validate=True)
    except (NotBase64, ValueError) as error:
        raise SettingError(f"{where} is no key: that is {_HOW}") from error
    if len(key) != KEY_SIZE:
        raise SettingError(f"{where} has {len(key)} bytes: a key is {_HOW}")
    if len(set(key)) == 1:
        raise SettingError(f"{where} is the same byte {KEY_SIZE} times: a key is {_HOW}")
    return key


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text("--kms-keys", path))
    except tomllib.TOMLDecodeError as error:
        # its message may quote the line, and that may be a key
        raise SettingError(f"--kms-keys: {path} is no TOML") from error


def _text(option: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SettingError(f"{option}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{option}: {path} is no text: a key is {_HOW}") from error
