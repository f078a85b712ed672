"""The transport's counting, and the options of ports."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from godos.web.listening import BUFFER, BodyServer, listen


class Reactor:
    """As much of a reactor as a transport needs."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)


class TransportTests(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)
        self.theirs.settimeout(5)
        self.reactor = Reactor()
        port: Any = None
        protocol = Protocol()
        self.transport: Any = BodyServer(
            self.ours,
            protocol,
            ("127.0.0.1", 1),
            port,
            1,
            self.reactor,  # type: ignore[arg-type]
        )
        protocol.makeConnection(self.transport)

    def take(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            taken += self.theirs.recv(count - len(taken))
        return taken

    def test_small_writes_leave_at_once(self) -> None:
        """A small answer does not wait for the reactor's next turn."""
        self.transport.write(b"hello")
        self.assertEqual(b"hello", self.take(5))
        self.assertEqual((5, 0), (self.transport.bytes_sent, self.transport.unsent))
        self.assertEqual(set(), self.reactor.writers)

    def test_counts_and_keeps_the_order(self) -> None:
        """What the kernel does not take waits, is counted, and follows in order."""
        data = bytes(range(256)) * 4096
        for start in range(0, len(data), 65536):
            self.transport.write(data[start : start + 65536])
        self.transport.writeSequence([b"the", b" end"])
        total = len(data) + 7
        self.assertGreater(self.transport.unsent, 0)
        self.assertEqual(total, self.transport.bytes_sent + self.transport.unsent)
        self.assertEqual({self.transport}, self.reactor.writers)
        taken = b""
        while len(taken) < total:
            taken += self.take(min(65536, self.transport.bytes_sent - len(taken)))
            self.transport.doWrite()
        self.assertEqual(data + b"the end", taken)
        self.assertEqual((total, 0), (self.transport.bytes_sent, self.transport.unsent))

    def test_sequences_wait_for_what_follows(self) -> None:
        """A head that is written as a sequence leaves together with the body after it."""
        self.transport.writeSequence([b"head", b"er"])
        self.transport.write(b"body")
        self.theirs.setblocking(False)
        self.assertRaises(BlockingIOError, self.theirs.recv, 1)
        self.transport.doWrite()
        self.assertEqual(b"headerbody", self.theirs.recv(100))

    def test_broken(self) -> None:
        """A broken connection is noticed by the reactor's loop, never inside of `write`."""
        self.theirs.close()
        self.transport.write(b"x")
        self.transport.write(b"y")
        self.assertEqual({self.transport}, self.reactor.writers)
        self.assertIsInstance(self.transport.doWrite(), Exception)

    def test_reads_much_at_once(self) -> None:
        """One read takes up to 256 KiB."""
        self.assertEqual(256 << 10, BUFFER)
        self.assertEqual(BUFFER, self.transport.bufferSize)


class PortTests(SynchronousTestCase):
    """Listening ports.  Nobody connects."""

    def listen(self, port: int, **options: Any) -> Any:
        from twisted.internet import reactor

        listening: Any = listen(reactor, Factory(), port, "127.0.0.1", **options)
        self.addCleanup(listening.connectionLost, None)
        self.addCleanup(listening.stopReading)
        return listening

    def test_taken(self) -> None:
        """A port that is taken is refused."""
        port = self.listen(0).getHost().port
        self.assertRaises(CannotListenError, self.listen, port)

    def test_shared(self) -> None:
        """Ports that all agree to share are shared."""
        port = self.listen(0, reuse_port=True).getHost().port
        self.assertEqual(port, self.listen(port, reuse_port=True).getHost().port)
