"""The port of a daemon, over the real loopback but with nobody connecting."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import CannotStart
from godos.service.binding import Binding
from godos.service.listening import Listener


class Site:
    """Writes down what is asked of it."""

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self.quiet: Deferred[None] = Deferred()

    def quiesce(self, timeout: float) -> Deferred[None]:
        self._events.append(f"quiesce {timeout:g}")
        return self.quiet

    def abort(self) -> None:
        self._events.append("abort")
        self.quiet.callback(None)


class Port:
    """A listening port."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def stopListening(self) -> Deferred[None]:
        self._events.append("deaf")
        return succeed(None)


class ListenerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[str] = []
        self.site = Site(self.events)
        self.listened: list[tuple[Any, ...]] = []

    def listen(self, _reactor: object, site: Any, port: int, interface: str, tls: Any) -> Any:
        """As web.listening.listen."""
        self.listened.append((site, port, interface, tls))
        return Port(self.events)

    def listener(self, port: int, listen: Callable[..., Any] | None = None) -> Listener:
        """On loopback."""
        binding = Binding("127.0.0.1", port)
        return Listener(object(), binding, listen or self.listen, lambda: self.site, 7)

    def test_number_is_known_early(self) -> None:
        """With --port 0 the number is known before anything is served."""
        listener = self.listener(0)
        self.successResultOf(listener.reserving.start())
        self.assertGreater(listener.number, 0)
        self.assertEqual(listener.url, f"http://127.0.0.1:{listener.number}")
        self.assertEqual(self.listened, [])
        self.successResultOf(listener.serving.start())
        self.assertEqual(self.listened, [(self.site, listener.number, "127.0.0.1", None)])
        self.successResultOf(listener.reserving.stop())

    def test_port_in_use(self) -> None:
        """A port that another process serves is told before anything else is begun."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            error = self.assertRaises(CannotStart, self.listener(port).reserving.start)
        self.assertEqual(str(error), f"cannot listen on 127.0.0.1:{port}: Address already in use")

    def test_port_taken_meanwhile(self) -> None:
        """Also when another takes it between the steps."""

        def refuse(*_: Any, **__: Any) -> Any:
            raise CannotListenError("127.0.0.1", 1, OSError(98, "Address already in use"))

        listener = self.listener(0, refuse)
        self.successResultOf(listener.reserving.start())
        error = self.assertRaises(CannotStart, listener.serving.start)
        self.assertIn("Address already in use", str(error))

    def test_stop(self) -> None:
        """It stops accepting, then waits for requests that run."""
        listener = self.listener(0)
        self.successResultOf(listener.reserving.start())
        self.successResultOf(listener.serving.start())
        stopped = listener.serving.stop()
        self.assertEqual(self.events, ["deaf", "quiesce 7"])
        self.assertNoResult(stopped)
        listener.serving.hurry()
        self.successResultOf(stopped)
        self.assertEqual(self.events[-1], "abort")

    def test_start_that_failed_elsewhere(self) -> None:
        """A reserved port that was never opened is free again."""
        listener = self.listener(0)
        self.successResultOf(listener.reserving.start())
        self.successResultOf(listener.reserving.stop())
        socket.create_server(("127.0.0.1", listener.number)).close()
