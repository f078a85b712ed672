"""`godos user` as an operator meets it."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import pytest

from tests.simulation.node import now
from tests.unit.cli.catalogs import Operator

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.fixture
def godos() -> Operator:
    return Operator()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(POLICY))
    return path


# -- add ----------------------------------------------------------------------------------
def test_add(godos: Operator) -> None:
    """The key that is shown is the user's, and whoever adds the first hears what that means."""
    result = godos("user", "add", "alice", "--email", "alice@example.com")
    assert result.exit_code == 0
    (first, access_key), (second, secret) = (
        line.split("  ") for line in result.stdout.splitlines()
    )
    assert (first, second) == ("access key", "secret key")
    (user,) = now(godos.catalog.users())
    assert (user.id, user.name, user.email) == ("alice", "alice", "alice@example.com")
    assert [(key.id, key.secret, key.active) for key in user.keys] == [(access_key, secret, True)]
    assert len(secret) == 40
    assert "first user" in result.stderr
    assert "first user" not in godos("user", "add", "bob").stderr


def test_add_to_a_file(godos: Operator, tmp_path: Path) -> None:
    """The secret is in the file alone, which nobody else can read and AWS's tools can."""
    path = tmp_path / "key"
    result = godos("user", "add", "alice", "--output", str(path))
    assert result.exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    parser = configparser.ConfigParser()
    parser.read(path)
    (user,) = now(godos.catalog.users())
    assert parser["default"]["aws_access_key_id"] == user.keys[0].id
    assert parser["default"]["aws_secret_access_key"] == user.keys[0].secret
    assert user.keys[0].secret not in result.output


def test_a_file_that_is_there(godos: Operator, tmp_path: Path) -> None:
    """It is not overwritten, and there is no user whose key nobody has seen."""
    path = tmp_path / "key"
    path.write_text("mine")
    assert godos("user", "add", "alice", "--output", str(path)).exit_code == 1
    assert path.read_text() == "mine"
    assert now(godos.catalog.users()) == []


def test_a_user_who_is_there(godos: Operator, tmp_path: Path) -> None:
    """A name is taken once; no file is left of the second try."""
    godos("user", "add", "alice")
    path = tmp_path / "key"
    result = godos("user", "add", "alice", "--output", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is a user with this" in result.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("a b",),
        ("a/b",),
        ("a\x1bb",),
        ("",),
        ("anonymous",),
        ("alice", "--id", "x:y"),
        ("alice", "--id", "anonymous"),
        ("alice", "--email", "a\nb"),
    ],
)
def test_names_that_are_refused(godos: Operator, words: tuple[str, ...]) -> None:
    """What could not be an owner, or would be that of all who do not sign."""
    assert godos("user", "add", *words).exit_code == 2
    assert now(godos.catalog.users()) == []


def test_a_name_with_spaces(godos: Operator) -> None:
    """It is one as long as the id is given."""
    assert godos("user", "add", "Alice A.", "--id", "alice").exit_code == 0
    assert godos("user", "key", "list", "Alice A.").exit_code == 0


# -- list ---------------------------------------------------------------------------------
def test_list(godos: Operator, policy: Path) -> None:
    """Who is there and what they may do, without secrets."""
    godos("user", "add", "alice", "--root")
    godos("user", "add", "Bob B", "--id", "bob", "--policy", str(policy))
    result = godos("user", "list")
    assert result.stdout.splitlines() == [
        "alice  keys=1  root",
        "bob  name=Bob B  keys=1  policy",
    ]
    alice, bob = godos.json("user", "list")
    assert (alice["root"], alice["policy"], bob["root"], bob["policy"]) == (
        True,
        None,
        False,
        POLICY,
    )
    secrets = [key.secret for user in now(godos.catalog.users()) for key in user.keys]
    assert not [secret for secret in secrets if secret in json.dumps([alice, bob])]


# -- keys ---------------------------------------------------------------------------------
def test_keys(godos: Operator) -> None:
    """A key is added, disabled, enabled and removed, and the others stay."""
    godos("user", "add", "alice")
    first = godos.json("user", "key", "list", "alice")[0]["id"]
    second = godos.json("user", "key", "add", "alice")["access_key"]
    godos("user", "key", "disable", "alice", first)
    assert godos("user", "key", "list", "alice").stdout == f"{first}  disabled\n{second}\n"
    assert "keys=2 (1 disabled)" in godos("user", "list").stdout
    godos("user", "key", "enable", "alice", first)
    assert all(key["active"] for key in godos.json("user", "key", "list", "alice"))
    assert godos("user", "key", "remove", "alice", first).stderr == ""
    assert godos.json("user", "key", "list", "alice") == [{"id": second, "active": True}]
    assert "no key now that works" in godos("user", "key", "disable", "alice", second).stderr


@pytest.mark.parametrize("verb", ["disable", "enable", "remove"])
def test_a_key_of_nobody(godos: Operator, verb: str) -> None:
    """It is told, also when another user has it."""
    godos("user", "add", "alice")
    godos("user", "add", "bob")
    (theirs,) = godos.json("user", "key", "list", "bob")
    for words in (("alice", "NONE"), ("alice", theirs["id"]), ("carol", theirs["id"])):
        result = godos("user", "key", verb, *words)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert godos.json("user", "key", "list", "bob") == [theirs]


# -- policy -------------------------------------------------------------------------------
def test_policy(godos: Operator, policy: Path) -> None:
    """It is set from a file or standard input, shown, and taken away."""
    godos("user", "add", "alice")
    assert godos("user", "policy", "alice", str(policy)).exit_code == 0
    assert json.loads(godos("user", "policy", "alice").stdout) == POLICY
    assert godos("user", "policy", "alice", "--none").exit_code == 0
    assert godos("user", "policy", "alice").stdout == ""
    assert godos("user", "policy", "alice", "-", stdin=json.dumps(POLICY)).exit_code == 0
    assert now(godos.catalog.users())[0].policy == POLICY


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Statement": 1}', "{", '{"Statement": []} x'])
def test_no_policy(godos: Operator, tmp_path: Path, text: str) -> None:
    """What is no policy is refused in a line, and the one before stays."""
    godos("user", "add", "alice", "--policy", "-", stdin=json.dumps(POLICY))
    path = tmp_path / "wrong.json"
    path.write_text(text)
    result = godos("user", "policy", "alice", str(path))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert now(godos.catalog.users())[0].policy == POLICY


# -- remove -------------------------------------------------------------------------------
def test_remove(godos: Operator) -> None:
    """A user goes with their keys; that the last is gone is told."""
    godos("user", "add", "alice")
    godos("user", "add", "bob")
    assert godos("user", "remove", "alice").stderr == ""
    assert [user["id"] for user in godos.json("user", "list")] == ["bob"]
    assert "last user" in godos("user", "remove", "bob").stderr
    assert godos("user", "remove", "bob").exit_code == 1


def test_an_owner_stays(godos: Operator) -> None:
    """Somebody who owns buckets is not removed by mistake."""
    godos("user", "add", "alice")
    now(godos.catalog.create_bucket("photos", "alice"))
    result = godos("user", "remove", "alice")
    assert result.exit_code == 1
    assert "alice owns photos" in result.stderr
    assert len(now(godos.catalog.users())) == 1
    assert godos("user", "remove", "alice", "--force").exit_code == 0
    assert now(godos.catalog.users()) == []
