"""A server without credentials, and the web pages that a browser on its machine shows."""

from __future__ import annotations

import pytest

from godos.model.errors import AccessDenied
from godos.web.own_machine import OwnMachine
from tests.unit.web.fakes import FakeExchange

GUARD = OwnMachine(["Desk.example.org"])


def refusal(method: str, host: str | None, origin: str | None = None, secure: bool = False) -> str:
    """Why a request is refused; empty when it is let in."""
    headers = [(b"host", host), (b"origin", origin)]
    exchange = FakeExchange(
        method,
        "/objects/a",
        [(name, value.encode("latin-1")) for name, value in headers if value is not None],
    )
    exchange.secure = secure
    try:
        GUARD(exchange)
    except AccessDenied as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8030",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]:8030",
        "[::1]",
        "192.0.2.7:8030",
        "localhost:8030",
        "LocalHost.",
        "photos.localhost:8030",
        "desk.example.org:8030",
        "",
        None,
    ],
)
def test_names_of_this_machine(host: str | None) -> None:
    """Whatever a program on the machine may call it by is fine: no stranger can own these."""
    assert refusal("PUT", host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8030",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "evil.example@localhost",
        "localhost:8030:80",
        "localhost/",
        "[::1].evil.example",
        "127.1",
        "2130706433",
        "desk.example.org.evil.example",
        "\xff\x1b[31m",
        " ",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_names_that_lead_here_by_rebinding(host: str, method: str) -> None:
    """A page whose name was pointed at loopback is of one origin with us: nothing is done."""
    reason = refusal(method, host)
    assert "localhost" in reason
    assert "--allow-anonymous" in reason
    assert reason.isascii()
    assert reason.isprintable()


def test_tls_proves_the_name() -> None:
    """A browser that came over TLS has checked our certificate: any name in it is ours."""
    assert refusal("PUT", "store.example.org", secure=True) == ""


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost:3000", "file://localhost:8030"],
)
def test_pages_from_elsewhere_change_nothing(method: str, origin: str) -> None:
    """What a browser sends for another site's page, a form for instance, is refused."""
    assert "may not change" in refusal(method, "localhost:8030", origin)
    assert "may not change" in refusal(method, "localhost:8030", origin, secure=True)


@pytest.mark.parametrize("origin", ["http://localhost:8030", "https://LOCALHOST:8030"])
def test_own_pages_may(origin: str) -> None:
    """A page that this very server gave out may write."""
    assert refusal("PUT", "localhost:8030", origin) == ""


def test_reading_with_an_origin() -> None:
    """Reads are answered; that the page may look at the answer, we never say."""
    assert refusal("GET", "localhost:8030", "http://evil.example") == ""
