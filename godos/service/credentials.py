"""
The credentials file: who may sign requests, in TOML.

    [[user]]
    id = "alice"
    access_key = "…"
    secret_key = "…"

A user with several keys has a table for each, the further ones with nothing but the id and
the key.  All keys of the file: `docs/credentials.rst`.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.logger import Logger

from godos.model.users import AccessKey, User
from godos.protocol.policies_reading import MAX_POLICY, MalformedPolicy, read_user_policy
from godos.service.settings import SettingError

_TEXTS = ("id", "name", "email", "access_key", "secret_key", "tenant")
KEYS = (*_TEXTS, "root", "policy")
SHORTEST_SECRET = 8  # characters

USER_ID = re.compile(r"[^/:\s]{1,128}")
_ACCESS_KEY = re.compile(r"[^/,:\s]{3,128}")
_PLACEHOLDER = re.compile(
    r"place.?holder|change.?me|change.?this|replace.?(me|this|with)|your.?secret|<.*>|…|\.\.\."
    r"|EXAMPLEKEY$",  # that of AWS's documentation
    re.IGNORECASE,
)

_log = Logger()


def read_credentials(path: Path) -> Sequence[User]:
    """
    Read the file.  Warns in the log when others on the machine can read it.

    Raises:
        SettingError: it cannot be read, or does not say who may sign; one line, without
            any secret in it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            document = tomllib.load(file)
    except OSError as error:
        raise SettingError(f"--credentials: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingError(f"--credentials: {path} is no TOML: {_where(error)}") from None
    users = _users(document, f"--credentials: {path}")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        _log.warn("{path} holds secrets that others can read: chmod 600 {path}", path=str(path))
    return users


def _where(error: Exception) -> str:
    """The place of a mistake, without the text that stands there: it may be a secret."""
    match = re.search(r"\(at [^()]*\)$", str(error))
    return match[0] if match else type(error).__name__


def _users(document: Mapping[str, Any], origin: str) -> Sequence[User]:
    for key in document:
        if key != "user":
            raise SettingError(f"{origin}: {key!r} is no key of it; it is a list of [[user]]")
    tables = document.get("user")
    if not isinstance(tables, list) or not tables:
        raise SettingError(f"{origin}: it has no [[user]]")
    users: dict[str, User] = {}
    for number, table in enumerate(tables, 1):
        try:
            user = _user(table)
            users[user.id] = _together(users.get(user.id), user, table)
        except ValueError as error:
            raise SettingError(f"{origin}: user {number}: {error}") from None
    _check_unique(tuple(users.values()), origin)
    return tuple(users.values())


def _user(table: Any) -> User:
    if not isinstance(table, dict):
        raise ValueError("it is a table: [[user]]")
    for key in table:
        if key not in KEYS:
            close = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(KEYS)}"
            raise ValueError(f"{key!r} is no key of a user; {hint}")
    texts = {key: _text(table, key) for key in _TEXTS}
    root = table.get("root", False)
    if not isinstance(root, bool):
        raise ValueError("root is true or false")
    if USER_ID.fullmatch(texts["id"]) is None:
        raise ValueError("it needs an id: a text without spaces, slashes and colons")
    return User(
        texts["id"],
        texts["name"] or texts["id"],
        texts["email"],
        (_key(texts["access_key"], texts["secret_key"]),),
        root,
        read_policy(table.get("policy")),
        texts["tenant"],
    )


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{key} is a text in one line")
    return value


def _key(access_key: str, secret_key: str) -> AccessKey:
    if _ACCESS_KEY.fullmatch(access_key) is None:
        raise ValueError(
            "it needs an access_key: 3 to 128 characters without spaces, slashes, commas, colons"
        )
    if _PLACEHOLDER.search(secret_key):
        raise ValueError(
            "the secret_key is a placeholder; draw one, for instance with: openssl rand -hex 20"
        )
    if len(secret_key) < SHORTEST_SECRET:
        raise ValueError(f"it needs a secret_key of {SHORTEST_SECRET} or more characters")
    return AccessKey(access_key, secret_key)


def read_policy(given: Any) -> Mapping[str, Any] | None:
    """
    A user's policy: a table, or the same document as JSON; None for none.

    Raises:
        ValueError: it is not such a document.
    """
    if given is None:
        return None
    try:
        policy = json.loads(given, object_pairs_hook=_members) if isinstance(given, str) else given
        size = len(json.dumps(policy))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("policy is a table, or a text that is JSON") from error
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise ValueError("policy is a document of the AWS policy language, with a Statement")
    if size > MAX_POLICY:
        raise ValueError(f"policy has more than {MAX_POLICY} bytes")
    try:
        read_user_policy(policy)
    except MalformedPolicy as error:
        raise ValueError(f"policy: {error}") from error
    return policy


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name one would be lost, and with it what it forbids."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice in one object")
    return members


def _together(known: User | None, more: User, table: Mapping[str, Any]) -> User:
    """A user with one key more than they were known to have."""
    if known is None:
        return more
    for key in table:
        if key not in ("id", "access_key", "secret_key"):
            raise ValueError(
                f"{key} of {more.id!r} was said, or left out, when it came first; say it there"
            )
    return evolve(known, keys=(*known.keys, *more.keys))


def _check_unique(users: Sequence[User], origin: str) -> None:
    for what, values in (
        ("access_key", [key.id for user in users for key in user.keys]),
        ("email", [user.email.lower() for user in users if user.email]),
        ("name", [user.name for user in users]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise SettingError(f"{origin}: the {what} {twice!r} is there twice")
