"""What a person reads when a server has started."""

from __future__ import annotations

from pathlib import Path

import pytest

from godos.service.announce import welcome_api, welcome_embedded
from godos.service.values import SqliteState

URL = "http://127.0.0.1:8030"


@pytest.mark.parametrize(
    ("loopback_only", "signed", "told"),
    [
        (True, False, "open to this machine only"),
        (False, False, "NO CREDENTIALS ARE SET"),
        (True, True, "must be signed with the key of a user; they can come from this machine only"),
        (False, True, "must be signed with the key of a user."),
    ],
)
def test_who_may_use_it(loopback_only: bool, signed: bool, told: str) -> None:
    """It is told who can connect, and whether they need a key."""
    embedded = welcome_embedded(URL, [Path("data")], loopback_only, signed)
    api = welcome_api(URL, SqliteState(Path("catalog")), None, loopback_only, signed)
    for lines in (embedded, api):
        assert [told in line for line in lines].count(True) == 1
        assert any("No credentials" in line for line in lines) is (loopback_only and not signed)


def test_commands_to_try() -> None:
    """The command to begin with is one that this server does not refuse."""
    closed = welcome_embedded(URL, [Path("data")], True, True)
    assert closed[-1] == f"  Try:  aws --endpoint-url {URL} s3 mb s3://mine"
    assert f"curl {URL}/objects/README.rst" in welcome_embedded(URL, [], True, False)[-1]
