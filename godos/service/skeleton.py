"""A site that answers /-/health alone, until a daemon's own is put in its place."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import succeed
from twisted.web.resource import Resource
from twisted.web.static import Data

from godos.service.daemon import Assembly
from godos.service.listening import Listener
from godos.web.listening import listen
from godos.web.streaming import StreamingSite


def skeleton(name: str, settings: Any, reactor: Any) -> Assembly:
    """Listen, and be healthy."""

    def site() -> StreamingSite:
        root = Resource()
        dash = Resource()
        root.putChild(b"-", dash)
        dash.putChild(b"health", Data(b'{"status": "alive"}\n', "application/json"))
        made = StreamingSite(lambda _: succeed(None), root, lambda *_: False, reactor)
        made.noisy = False
        return made

    listener = Listener(
        reactor,
        settings.binding,
        listen,
        site,
        settings.stop_timeout,
        getattr(settings, "tls", None),
    )
    return Assembly(
        name,
        [listener.reserving, listener.serving],
        lambda: [f"{name} listens on {listener.url}"],
        settings.stop_timeout,
    )
