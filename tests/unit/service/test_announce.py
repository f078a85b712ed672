"""What a person reads when a server has started."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from godos.model.users import User
from godos.service.announce import Signers, signers, welcome_api, welcome_embedded
from godos.service.s3_settings import S3Settings
from godos.service.values import SqliteState

URL = "http://127.0.0.1:8030"


STATE = SqliteState(Path("data/catalog"))
ALICE = Signers("1 user in the catalog")


@pytest.mark.parametrize(
    ("loopback_only", "signed", "told"),
    [
        (True, None, "open to this machine only"),
        (False, None, "NO CREDENTIALS ARE SET"),
        (True, ALICE, "must be signed (1 user in the catalog); they can come from this machine"),
        (False, ALICE, "must be signed (1 user in the catalog)."),
    ],
)
def test_who_may_use_it(loopback_only: bool, signed: Signers | None, told: str) -> None:
    """It is told who can connect, and whether they need a key."""
    embedded = welcome_embedded(URL, [Path("data")], STATE, loopback_only, signed)
    api = welcome_api(URL, STATE, None, loopback_only, signed)
    for lines in (embedded, api):
        assert [told in line for line in lines].count(True) == 1
        is_open = any("No credentials" in line for line in lines)
        assert is_open is (loopback_only and signed is None)


def settings(signed: bool, users: int = 0) -> S3Settings:
    """Of a server with so many users in its file; 0: it has none."""
    some = [User(str(number), str(number)) for number in range(users)]
    file = "users.toml" if users else ""
    decided = S3Settings(some, "us-east-1", (), (), None, None, 86400.0)
    return evolve(decided, signed=signed, users_file=file)


@pytest.mark.parametrize(
    ("s3", "catalog_users", "said"),
    [
        (settings(True, 2), 0, "2 users in users.toml, and those of the catalog"),
        (settings(True, 1), 5, "1 user in users.toml, and those of the catalog"),
        (settings(True), 3, "3 users in the catalog"),
        (settings(False), 1, "1 user in the catalog"),
    ],
)
def test_who_can_sign(s3: S3Settings, catalog_users: int, said: str) -> None:
    """Users of the file and those of the catalog, also where no option speaks of them."""
    assert signers(s3, catalog_users) == Signers(said)


def test_nobody_can_sign() -> None:
    """Where nobody can sign yet, the command that changes this is told; or nobody need to."""
    assert signers(settings(False), 0) is None
    nobody = signers(settings(True), 0)
    lines = welcome_api(URL, STATE, None, False, nobody)
    assert lines[-1].endswith("godos user add NAME --root --state 'sqlite:data/catalog'")


def test_commands_to_try() -> None:
    """The command to begin with is one that this server does not refuse."""
    closed = welcome_embedded(URL, [Path("data")], STATE, True, ALICE)
    assert closed[-1] == f"  Try:  aws --endpoint-url {URL} s3 mb s3://mine"
    assert f"curl {URL}/objects/README.rst" in welcome_embedded(URL, [], STATE, True, None)[-1]
