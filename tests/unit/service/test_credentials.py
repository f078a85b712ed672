"""The credentials file."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from godos.model.users import AccessKey, User
from godos.service.credentials import read_credentials
from godos.service.settings import SettingError

ROOT = Path(__file__).parents[3]
SECRET = "s3cret-of-alice-0123456789"
ALICE = f"""
[[user]]
id = "alice"
access_key = "ALICEKEY"
secret_key = "{SECRET}"
"""


def read(text: str | bytes, folder: Path) -> Any:
    path = folder / "credentials.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return read_credentials(path)


def test_a_user(tmp_path: Path) -> None:
    """An id and a key make a user, who is an ordinary one."""
    key = AccessKey("ALICEKEY", SECRET)
    assert read(ALICE, tmp_path) == (User("alice", "alice", keys=(key,)),)


def test_all_that_can_be_said_of_a_user(tmp_path: Path) -> None:
    """Name, e-mail address, tenant, root and a policy may be said as well."""
    (user,) = read(
        ALICE
        + """
name = "Alice"
email = "alice@example.com"
tenant = "photos"
root = true
[user.policy]
Statement = [{Effect = "Allow", Action = "s3:GetObject", Resource = "*"}]
""",
        tmp_path,
    )
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    assert user.name == "Alice" and user.email == "alice@example.com"
    assert user.tenant == "photos" and user.root
    assert user.policy == {"Statement": [statement]}


def test_a_policy_may_be_json(tmp_path: Path) -> None:
    """A policy may be pasted as it is, as JSON."""
    statement = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    (user,) = read(ALICE + f"policy = '{json.dumps(policy)}'\n", tmp_path)
    assert user.policy == policy


def test_several_keys(tmp_path: Path) -> None:
    """A user may have several keys, so that they can be changed without a pause."""
    more = ALICE.replace("ALICEKEY", "ALICEKEY2")
    (user,) = read(ALICE + 'email = "a@b.c"\n' + more, tmp_path)
    assert [key.id for key in user.keys] == ["ALICEKEY", "ALICEKEY2"]
    assert user.email == "a@b.c"
    with pytest.raises(SettingError, match="said, or left out, when it came first"):
        read(ALICE + more + "root = true\n", tmp_path)


WRONG = {
    "nothing": ("", "it has no"),
    "no TOML": ("[[user", "is no TOML"),
    "no UTF-8": (b"\xff", "is no TOML"),
    "another table": ("[users]", "'users' is no key"),
    "no list": ("user = 1", "it has no"),
    "a list of numbers": ("user = [1]", "user 1: it is a table"),
    "an unknown key": (ALICE + "acces_key = 'x'", "did you mean 'access_key'"),
    "no id": (ALICE.replace('id = "alice"', ""), "needs an id"),
    "an id with a slash": (ALICE.replace('"alice"', '"a/b"'), "needs an id"),
    "an id that is a number": (ALICE.replace('"alice"', "1"), "id is a text"),
    "no access key": (ALICE.replace('access_key = "ALICEKEY"', ""), "needs an access_key"),
    "a space in a key": (ALICE.replace("ALICEKEY", "ALICE KEY"), "needs an access_key"),
    "no secret": (ALICE.replace(f'secret_key = "{SECRET}"', ""), "needs a secret_key"),
    "a short secret": (ALICE.replace(SECRET, "short"), "needs a secret_key"),
    "a text for root": (ALICE + 'root = "yes"', "root is true or false"),
    "a policy that is none": (ALICE + "policy = 'x'", "policy is a table"),
    "a policy without statements": (ALICE + "policy = {}", "with a Statement"),
    "a policy of no language": (ALICE + "policy = {Statement = [{Effect = 'Maybe'}]}", "policy: "),
    "a policy that says two things": (
        ALICE + """policy = '{"Statement": [], "Statement": []}'""",
        "policy is a table",
    ),
    "a policy with a date": (ALICE + "policy = {Statement = 2020-01-01}", "policy is a table"),
    "a key twice": (ALICE + ALICE.replace('"alice"', '"bob"'), "'ALICEKEY' is there twice"),
    "a key twice of one user": (ALICE + ALICE, "'ALICEKEY' is there twice"),
    "an address twice": (
        ALICE
        + 'email = "a@b.c"'
        + ALICE.replace("alice", "bob").replace("ALICE", "BOB")
        + 'email = "A@B.C"',
        "is there twice",
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_files_that_are_refused(text: str | bytes, said: str, tmp_path: Path) -> None:
    """A file that is wrong is refused with one line that says where, and shows no secret."""
    with pytest.raises(SettingError, match=said) as refused:
        read(text, tmp_path)
    line = str(refused.value)
    assert line.startswith("--credentials: ") and "\n" not in line
    assert SECRET not in line


@pytest.mark.parametrize(
    "secret",
    [
        "CHANGE-ME",
        "changeme123",
        "REPLACE-ME-with-a-secret",
        "<your secret here>",
        "your-secret-key",
        "placeholder-0000",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_placeholders_are_no_secrets(secret: str, tmp_path: Path) -> None:
    """A secret that everybody can read in a manual lets nobody in."""
    with pytest.raises(SettingError, match="placeholder"):
        read(ALICE.replace(SECRET, secret), tmp_path)


def test_a_broken_line_is_named_without_its_text(tmp_path: Path) -> None:
    """A mistake beside a secret is told by its place, not by its text."""
    with pytest.raises(SettingError, match=r"line 5") as refused:
        read(ALICE.replace(f'"{SECRET}"', SECRET), tmp_path)
    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be read is refused with the reason."""
    with pytest.raises(SettingError, match="No such file"):
        read_credentials(tmp_path / "none.toml")
    with pytest.raises(SettingError, match="Is a directory"):
        read_credentials(tmp_path)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_secrets_that_others_can_read(mode: int, warned: bool, tmp_path: Path) -> None:
    """A file that others on the machine can read is taken, with a warning in the log."""
    path = tmp_path / "credentials.toml"
    path.write_text(ALICE)
    path.chmod(mode)
    with capturedLogs() as events:
        read_credentials(path)
    assert any("chmod 600" in event["log_format"] for event in events) is warned


def test_the_example_is_refused_until_it_is_filled_in(tmp_path: Path) -> None:
    """The file in `etc/` is an example: its secrets are placeholders, the rest is right."""
    path = ROOT / "etc" / "credentials.toml"
    with pytest.raises(SettingError, match="user 1: the secret_key is a placeholder"):
        read_credentials(path)
    filled = path.read_text().replace("REPLACE-ME", "drawn").replace("\n# [[", "\n[[")
    lines = filled.replace("\n# id", "\nid").replace("\n# access", "\naccess")
    lines = lines.replace("\n# secret_key", "\nsecret_key")
    for name in ("Effect", "Action", "Resource"):
        lines = lines.replace(f"\n# {name}", f"\n{name}")
    admin, backup, reader = read(lines, tmp_path)
    assert admin.root and not backup.root and len(backup.keys) == 2
    assert reader.policy["Statement"][0]["Effect"] == "Allow"


def test_the_users_of_the_public_suite() -> None:
    """The users that the public test suite signs as are all there, and none is root."""
    users = read_credentials(ROOT / "tests" / "s3tests-credentials.toml")
    assert len(users) == 6 and not any(user.root for user in users)
    assert {user.id for user in users} >= {"testid", "RGW11111111111111111"}


VALUES = st.sampled_from(['"x"', "1", "true", "[]", "{}", "2020-01-01", f'"{SECRET}"', '"\\u0000"'])
LINES = st.lists(
    st.sampled_from(["[[user]]", "[user.policy]", "[user]", "id"])
    | st.tuples(
        st.sampled_from(["id", "name", "email", "access_key", "secret_key", "root", "policy", "x"]),
        VALUES,
    ).map(" = ".join)
    | st.text(max_size=10),
    max_size=8,
)


@given(LINES.map(lambda lines: "\n".join(lines).encode()) | st.binary(max_size=40))
def test_nothing_but_errors_of_ours(text: bytes) -> None:
    """Whatever stands in the file, it is read or refused."""
    with TemporaryDirectory() as folder, suppress(SettingError):
        read(text, Path(folder))
