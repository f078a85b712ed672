"""A site that answers /-/health alone, until a daemon's own is put in its place."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from godos.service.daemon import Assembly
from godos.service.listening import Listener


class _Site(Site):
    def drain(self) -> Deferred[None]:
        return succeed(None)

    def abort(self) -> None:
        pass


def skeleton(name: str, settings: Any, reactor: Any) -> Assembly:
    """Listen, and be healthy."""

    def site() -> _Site:
        root = Resource()
        dash = Resource()
        root.putChild(b"-", dash)
        dash.putChild(b"health", Data(b'{"status": "alive"}\n', "application/json"))
        return _Site(root)

    listener = Listener(reactor, settings.binding, site, getattr(settings, "tls", None))
    return Assembly(
        name,
        [listener.taking, listener.opening],
        lambda: [f"{name} listens on {listener.url}"],
        settings.stop_timeout,
    )
