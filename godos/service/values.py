"""Texts that people configure, read into values.  A ValueError's text completes `--option: …`."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen
from twisted.logger import LogLevel

from godos.model.policy import Policy

AUTO = "auto"  # the policy that follows the number of nodes
SCHEDULED = ("debug", "info", "warn", "error")  # log levels, in order

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")  # Source: DynamoDB, "Naming rules"
_ZONE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@frozen
class Address:
    """Where to listen.  `host` None: not named (`:PORT`); `port` 0: any that is free."""

    host: str | None
    port: int


@frozen
class SqliteState:
    """The catalog in one SQLite file, shared by the daemons of one machine."""

    path: Path

    def __str__(self) -> str:
        return f"sqlite:{self.path}"


@frozen
class DynamoState:
    """The catalog in a DynamoDB table.  None: as the AWS environment says."""

    table: str
    region: str | None = None
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"dynamodb:{self.table}"


State = SqliteState | DynamoState


def port(text: str) -> int:
    """A TCP port to listen on, 0 for any that is free."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


def address(text: str) -> Address:
    """`HOST:PORT`, `:PORT` or `[IPV6]:PORT`, to listen on."""
    host, separator, number = text.rpartition(":")
    host = _unbracketed(host, text)
    if not separator:
        raise ValueError(f"{text!r} is no address: HOST:PORT, :PORT or [::1]:PORT")
    return Address(host or None, port(number))


def reachable(text: str) -> str:
    """`HOST:PORT` or `[IPV6]:PORT` at which others reach a server."""
    where = address(text)
    if where.host is None or where.port == 0:
        raise ValueError(f"{text!r} reaches nobody: HOST:PORT or [::1]:PORT")
    return joined(where.host, where.port)


def servers(text: str) -> tuple[str, ...]:
    """Several `reachable` ones with commas between; empty pieces are skipped."""
    return tuple(reachable(piece.strip()) for piece in text.split(",") if piece.strip())


def joined(host: str, number: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def seconds(text: str) -> float:
    """A time to wait, zero or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is no time: a number of seconds, such as 10 or 0.5")
    return value


def level(text: str) -> LogLevel:
    """How much to log."""
    if text.lower() not in SCHEDULED:
        raise ValueError(f"{text!r} is no log level: {', '.join(SCHEDULED)}")
    found: LogLevel = LogLevel.levelWithName(text.lower())
    return found


def policy(text: str) -> str:
    """`auto`, or what `Policy.parse` reads."""
    return AUTO if text == AUTO else str(Policy.parse(text))


def zone(text: str) -> str:
    """The name of a failure domain."""
    if _ZONE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no zone: up to 64 letters, digits and _ . : -")
    return text


def path(text: str) -> Path:
    """A file or folder, perhaps relative; see `anchored`."""
    if not text or "\0" in text:
        raise ValueError("an empty path names nothing")
    return Path(text).expanduser()


def anchored(value: object, folder: Path) -> object:
    """`value` with relative paths in it counted from `folder`."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, SqliteState):
        return SqliteState(folder / value.path)
    if isinstance(value, tuple):
        return tuple(anchored(one, folder) for one in value)
    return value


def state(text: str) -> State:
    """`sqlite:PATH` or `dynamodb:TABLE[?region=…&endpoint=…]`."""
    engine, separator, rest = text.partition(":")
    if engine == "sqlite" and rest:
        return SqliteState(path(rest))
    if engine == "dynamodb" and separator:
        table, parameters = _parameters(rest, {"region": str, "endpoint": endpoint})
        if _TABLE.fullmatch(table) is None:
            raise ValueError(f"{table!r} is no table: 3 to 255 letters, digits and _ . -")
        return DynamoState(table, **parameters)
    raise ValueError(f"{text!r} is no state: sqlite:PATH or dynamodb:TABLE[?region=…&endpoint=…]")


def yes_or_no(text: str) -> bool:
    """1, true, yes, on; or 0, false, no, off."""
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError(f"{text!r} is neither yes nor no: 1 or 0")


def _parameters(text: str, known: dict[str, Callable[[str], Any]]) -> tuple[str, dict[str, Any]]:
    """`NAME?a=b&c=d`, every parameter known and given once."""
    name, _, query = text.partition("?")
    found: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise ValueError(f"{key!r} is no parameter of it: {', '.join(known)}")
        if key in found:
            raise ValueError(f"{key!r} is given twice")
        found[key] = known[key](value)
    return name, found


def endpoint(text: str) -> str:
    """Where a service of AWS is to be found elsewhere: an URL without a user."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{text!r} is no endpoint: http://HOST:PORT or https://HOST")
    if "@" in parts.netloc:
        raise ValueError("an endpoint holds no user and no password: others see command lines")
    return text


def _unbracketed(host: str, whole: str) -> str:
    """A host as sockets take it: brackets belong around IPv6 addresses, and only there."""
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    plain = inner == host
    if (":" in inner) == plain and host:
        raise ValueError(f"{whole!r} is no address: HOST:PORT, :PORT or [::1]:PORT")
    if any(letter in string.whitespace + "/[]@," for letter in inner):
        raise ValueError(f"{whole!r} is no address: HOST:PORT, :PORT or [::1]:PORT")
    return inner
