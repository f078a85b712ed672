"""Who is let in, before there are credentials."""

from __future__ import annotations

import pytest

from godos.service.binding import (
    EVERYWHERE,
    LOOPBACK,
    Binding,
    bind_guarded,
    bind_open,
    own_address,
)
from godos.service.settings import Chosen, SettingError, Source
from godos.service.values import address


def chosen(port: int = 8030, where: str | None = None) -> dict[str, Chosen]:
    """As after `--port` or its default, and `--address` or none."""
    return {
        "port": Chosen(port, Source.DEFAULT, "default"),
        "address": Chosen(address(where) if where else None, Source.OPTION, "--address"),
    }


NAMES = {"inside": ["127.0.0.1", "::1"], "outside": ["10.1.2.3"], "both": ["127.0.0.1", "10.1.2.3"]}


def resolve(host: str) -> list[str]:
    """A name service for these tests."""
    if host not in NAMES:
        raise OSError(host)
    return NAMES[host]


@pytest.mark.parametrize(
    ("where", "anonymous", "interface"),
    [
        (None, False, LOOPBACK),
        (None, True, LOOPBACK),
        (":1", False, LOOPBACK),
        (":1", True, EVERYWHERE),
        ("127.0.0.9:1", False, "127.0.0.9"),
        ("[::1]:1", False, "::1"),
        ("inside:1", False, "127.0.0.1"),
        ("outside:1", True, "10.1.2.3"),
        ("0.0.0.0:1", True, "0.0.0.0"),
    ],
)
def test_guarded(where: str | None, anonymous: bool, interface: str) -> None:
    """Without credentials only loopback is served, unless everybody may come."""
    assert bind_guarded(chosen(where=where), anonymous, resolve).interface == interface


@pytest.mark.parametrize("where", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "outside:1", "both:1"])
def test_guarded_refuses(where: str) -> None:
    """Another address without --allow-anonymous is refused, and the line says how to go on."""
    with pytest.raises(SettingError, match=r"^--address: no credentials.*--allow-anonymous"):
        bind_guarded(chosen(where=where), False, resolve)


def test_unknown_host() -> None:
    """A name that nobody knows is told."""
    with pytest.raises(SettingError, match="--address: no such host: nowhere"):
        bind_open(chosen(where="nowhere:1"), resolve)


def test_open() -> None:
    """A data server listens everywhere, or where it is told."""
    assert bind_open(chosen(8031)) == Binding(EVERYWHERE, 8031)
    assert bind_open(chosen(8031, "10.0.0.1:1"), resolve) == Binding("10.0.0.1", 1)


def test_stronger_port_wins() -> None:
    """`--port` beats the port of an address that stands in the file."""
    both = {
        "port": Chosen(1, Source.OPTION, "--port"),
        "address": Chosen(address("127.0.0.1:2"), Source.FILE, "address in x"),
    }
    assert bind_guarded(both, False, resolve).port == 1


def test_reach() -> None:
    """What is served everywhere is reached over loopback from here."""
    assert Binding(EVERYWHERE, 0).reach(5) == "127.0.0.1:5"
    assert Binding("::", 0).reach(5) == "[::1]:5"
    assert Binding("10.0.0.1", 0).reach(5) == "10.0.0.1:5"
    assert not Binding(EVERYWHERE, 0).loopback_only


def test_own_address() -> None:
    """Without a route to anywhere, this machine is only reached over loopback."""

    def no_route() -> str:
        raise OSError

    assert own_address(no_route) == LOOPBACK
    assert own_address(lambda: "10.0.0.7") == "10.0.0.7"
