"""Which source of a setting wins, and how a wrong one is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.service import values
from godos.service.settings import Setting, SettingError, Source, resolve

PORT = Setting("port", "The port.", values.port, "1")
STORAGE = Setting("storage", "Folders.", str, "here", repeatable=True)
OPEN = Setting("allow-anonymous", "Let all in.", flag=True)
ALL = (PORT, STORAGE, OPEN)


def chosen(
    given: dict[str, list[str]] | None = None,
    environ: dict[str, str] | None = None,
    file: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The values that these sources lead to."""
    found = resolve(ALL, given or {}, environ or {}, file or {}, "g.toml")
    return {name: one.value for name, one in found.items()}


@given(st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_precedence(present: tuple[bool, bool, bool]) -> None:
    """Option beats environment beats file beats default, whichever of them speak."""
    option, environment, file = present
    found = resolve(
        ALL,
        {"port": ["4"]} if option else {},
        {"GODOS_PORT": "3"} if environment else {},
        {"port": 2} if file else {},
        "g.toml",
    )["port"]
    expected = 4 if option else 3 if environment else 2 if file else 1
    assert (found.value, found.source) == (expected, Source(expected - 1))


def test_defaults() -> None:
    """With nothing said the defaults hold."""
    assert chosen() == {"port": 1, "storage": ("here",), "allow-anonymous": False}


def test_repeatable() -> None:
    """Several folders: an option each, `:` between in the environment, a list in the file."""
    assert chosen(given={"storage": ["a", "b"]})["storage"] == ("a", "b")
    assert chosen(environ={"GODOS_STORAGE": "a:b"})["storage"] == ("a", "b")
    assert chosen(file={"storage": ["a", "b"]})["storage"] == ("a", "b")
    assert chosen(file={"storage": "a"})["storage"] == ("a",)


def test_last_of_a_single_one_counts() -> None:
    """An option given twice means the second."""
    assert chosen(given={"port": ["5", "6"]})["port"] == 6


def test_flag() -> None:
    """A flag is raised by option, variable or file, and a variable may lower the file's."""
    assert chosen(given={"allow-anonymous": ["1"]})["allow-anonymous"] is True
    assert chosen(file={"allow-anonymous": True})["allow-anonymous"] is True
    lowered = chosen(environ={"GODOS_ALLOW_ANONYMOUS": "0"}, file={"allow-anonymous": True})
    assert lowered["allow-anonymous"] is False


def test_empty_variable_is_not_set() -> None:
    """`GODOS_PORT=` says nothing."""
    assert chosen(environ={"GODOS_PORT": ""})["port"] == 1


@pytest.mark.parametrize(
    ("sources", "line"),
    [
        ({"given": {"port": ["x"]}}, "--port: 'x' is no port"),
        ({"environ": {"GODOS_PORT": "x"}}, "GODOS_PORT: 'x' is no port"),
        ({"file": {"port": "x"}}, "port in g.toml: 'x' is no port"),
        ({"file": {"port": True}}, "port in g.toml: true and false"),
        ({"file": {"port": [1]}}, "port in g.toml: it takes a text or a number"),
        ({"file": {"allow-anonymous": "yes"}}, "allow-anonymous in g.toml: it takes true or false"),
        ({"file": {"prot": 1}}, "g.toml: 'prot' is no setting of this daemon; did you mean 'port'"),
        ({"file": {"zzz": 1}}, "g.toml: 'zzz' is no setting of this daemon; known are port"),
    ],
)
def test_wrong(sources: dict[str, Any], line: str) -> None:
    """A wrong value is told with the place where it stands, an unknown key with its name."""
    with pytest.raises(SettingError) as caught:
        chosen(**sources)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
