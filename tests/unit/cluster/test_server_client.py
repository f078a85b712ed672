"""Requests to other servers: what is believed, what is repeated, what is given up."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI, ResponseNeverReceived
from twisted.web.http_headers import Headers

from godos.cluster.connections import Endpoints, pooled_agent
from godos.cluster.fragment_client import ask_holdings
from godos.cluster.server_client import ServerClient
from godos.model.errors import NodeFailed, NodeUnreachable, WrongNode
from godos.model.names import FragmentName
from tests.data_server import ADDRESS, Cluster
from tests.memory_fragments import MemoryFragments

NODE, OTHER = "1" * 32, "2" * 32
BLOB = "0123456789abcdef" * 2
QUESTION = {"names": [BLOB]}


class ClientCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.cluster = Cluster()
        self.cluster.serve({NODE: MemoryFragments(NODE)})
        self.client = self.cluster.client()

    def ask(self, client: ServerClient | None = None) -> Deferred[Any]:
        return (client or self.client).call("POST", ADDRESS, "/-/locate", QUESTION)

    @property
    def asked(self) -> int:
        return len(self.cluster.agent.requests)


class BootTests(ClientCase):
    def test_the_first_request_learns_the_boot_id(self) -> None:
        """It is repeated once, and later ones go through at once."""
        self.successResultOf(self.ask())
        self.assertEqual(2, self.asked)
        self.successResultOf(self.ask())
        self.assertEqual(3, self.asked)

    def test_a_restarted_server_is_learned_anew(self) -> None:
        """Its clients do not notice."""
        self.successResultOf(self.ask())
        self.cluster.serve({NODE: MemoryFragments(NODE)}, boot="c" * 32)
        self.successResultOf(self.ask())
        self.assertEqual(4, self.asked)

    def test_a_recorded_request_does_nothing_after_a_restart(self) -> None:
        """Byte for byte the same request, to the same server, is refused."""
        store, node = self.cluster.store(NODE, self.client), MemoryFragments(NODE)
        name = FragmentName(BLOB, 0)
        self.successResultOf(self.ask())
        recorded: list[bytes] = []
        send = self.cluster.agent.request

        def record(method: bytes, uri: bytes, headers: Headers, body: Any = None) -> Any:
            recorded.extend(headers.getRawHeaders(b"Authorization") or [])
            return send(method, uri, headers, body)

        self.cluster.agent.request = record  # type: ignore[method-assign]
        self.successResultOf(store.remove(name))
        for boot in ("b" * 32, "c" * 32):
            if boot != "b" * 32:
                self.cluster.serve({NODE: node}, boot=boot)
            uri = f"http://{ADDRESS}/nodes/{NODE}/fragments/{name}".encode()
            headers = Headers({b"Authorization": recorded[-1:]})
            response = self.successResultOf(send(b"DELETE", uri, headers))
            self.assertEqual(403, response.code)

    def test_boot_ids_that_change_with_every_request_are_given_up(self) -> None:
        """It is repeated once and not for ever."""
        boots = iter("cdef")
        send = self.cluster.agent.request

        def restart(*args: Any) -> Any:
            self.cluster.serve({NODE: MemoryFragments(NODE)}, boot=next(boots) * 32)
            return send(*args)

        self.cluster.agent.request = restart  # type: ignore[method-assign]
        self.failureResultOf(self.ask(), NodeUnreachable)
        self.assertEqual(2, self.asked)


class BeliefTests(ClientCase):
    def test_a_stranger_is_not_believed(self) -> None:
        """A server with another secret refuses us, and we do not believe its refusal either."""
        self.failureResultOf(self.ask(self.cluster.client(b"t" * 32)), WrongNode)

    def test_an_answer_without_signature_is_not_believed(self) -> None:
        """Neither a "no" nor a "yes"; the connection is not used again."""
        self.successResultOf(self.ask())
        self.cluster.agent.tamper = lambda data: data.replace(b"X-Godos-Answer", b"X-Nothing-Here")
        self.failureResultOf(self.ask(), WrongNode)
        self.assertTrue(self.cluster.agent.connections[-1].gone)

    def test_a_changed_answer_is_not_believed(self) -> None:
        """Status and body are signed."""
        self.successResultOf(self.ask())
        for old, new in ((b"200 OK", b"201 OK"), (NODE.encode(), OTHER.encode())):
            self.cluster.agent.tamper = lambda data, a=old, b=new: data.replace(a, b)
            self.failureResultOf(self.ask(), WrongNode)

    def test_skewed_clocks_are_told(self) -> None:
        """The message says by how much."""
        self.client._now = lambda: self.cluster.clock.seconds() - 400
        self.successResultOf(self.ask(self.cluster.client()))
        self.client._boots[ADDRESS] = b"b" * 32
        error = self.failureResultOf(self.ask(), NodeUnreachable).value
        self.assertIn("400 s behind", str(error))

    def test_an_endless_answer_is_cut(self) -> None:
        """A client does not collect whatever somebody sends."""
        self.successResultOf(self.ask())

        def endless(data: bytes) -> bytes:
            head, mark, _ = data.partition(b"\r\n\r\n")
            if not mark:
                return data
            lines = [x for x in head.split(b"\r\n") if not x.lower().startswith(b"content-length")]
            lines.append(b"Content-Length: %d" % (1 << 30))
            return b"\r\n".join([*lines, b"", b"x" * (5 << 20)])

        self.cluster.agent.tamper = endless
        self.failureResultOf(self.ask(), NodeUnreachable)
        self.assertTrue(self.cluster.agent.connections[-1].gone)


class SilenceTests(ClientCase):
    def test_no_answer_in_time(self) -> None:
        """After thirty seconds the request is aborted."""
        self.cluster.agent.lose_after(0)
        asking = self.ask()
        self.cluster.clock.advance(29)
        self.assertNoResult(asking)
        self.cluster.clock.advance(1)
        self.failureResultOf(asking, NodeUnreachable)
        self.assertTrue(self.cluster.agent.connections[-1].gone)

    def test_half_an_answer(self) -> None:
        """An answer that stops in the middle is none."""
        self.successResultOf(self.ask())
        self.cluster.agent.tamper = lambda data: data[:-5]
        asking = self.ask()
        self.assertNoResult(asking)
        self.cluster.agent.connections[-1].cut(ConnectionLost())
        self.failureResultOf(asking, NodeUnreachable)

    def test_cancelling_aborts(self) -> None:
        """The caller who cancels sees that, and the connection is closed."""
        self.cluster.agent.lose_after(0)
        asking = self.ask()
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertTrue(self.cluster.agent.connections[-1].gone)
        self.assertEqual([], self._timers())

    def _timers(self) -> list[Any]:
        """Time-outs that are still set; the sites look at their clock by themselves."""
        calls = self.cluster.clock.getDelayedCalls()
        return [call for call in calls if "_look_at_clock" not in str(call)]

    def test_what_the_network_can_do(self) -> None:
        """Each of its errors is a node that cannot be reached, and says why."""
        lost = ResponseNeverReceived([Failure(ConnectionLost())])
        for error in (ConnectionRefusedError(), DNSLookupError("no such host"), lost):
            client = self.cluster.client(agent=_Failing(error))
            said = str(self.failureResultOf(self.ask(client), NodeUnreachable).value)
            self.assertIn(ADDRESS, said)
        self.assertEqual([], self._timers())


class _Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def request(self, *_: Any) -> Deferred[Any]:
        return fail(self._error)


class HoldingsTests(ClientCase):
    def test_all_nodes_of_a_server_answer(self) -> None:
        """One question reaches each; those that cannot look are named."""
        nodes = {NODE: MemoryFragments(NODE), OTHER: MemoryFragments(OTHER)}
        nodes[OTHER].broken = NodeFailed("disk")
        self.cluster.serve(nodes)
        holdings = self.successResultOf(ask_holdings(self.client, ADDRESS, [BLOB]))
        self.assertEqual({NODE: {}}, holdings.nodes)
        self.assertEqual([OTHER], holdings.silent)

    def test_patience_of_its_own(self) -> None:
        """Who asks many waits less for each."""
        self.cluster.agent.lose_after(0)
        asking = ask_holdings(self.client, ADDRESS, [BLOB], patience=0.25)
        self.cluster.clock.advance(0.25)
        self.failureResultOf(asking, NodeUnreachable)


class ConnectionTests(SynchronousTestCase):
    def test_nothing_is_repeated_behind_our_back(self) -> None:
        """A DELETE whose answer was lost may have happened."""
        _, pool = pooled_agent(MemoryReactorClock())
        self.assertFalse(pool.retryAutomatically)
        self.assertEqual(64, pool.maxPersistentPerHost)

    def test_requests_use_the_pool(self) -> None:
        """An agent that was made without it would open a connection for each."""
        agent, pool = pooled_agent(MemoryReactorClock())
        self.assertIs(pool, agent._pool)

    def test_addresses_of_all_kinds(self) -> None:
        """Names, IPv4 and IPv6 with its brackets."""
        endpoints = Endpoints(MemoryReactorClock())
        for uri, host in (
            (b"http://node.test:81/x", b"node.test"),
            (b"http://127.0.0.1:81/", b"127.0.0.1"),
            (b"http://[::1]:81/", b"::1"),
        ):
            endpoint = endpoints.endpointForURI(URI.fromBytes(uri))
            self.assertIn(host.decode(), str(vars(endpoint)))
            self.assertIs(endpoint, endpoints.endpointForURI(URI.fromBytes(uri)))

    def test_a_server_that_does_not_accept(self) -> None:
        """Connecting has a time-out of its own."""
        reactor = MemoryReactorClock()
        client = ServerClient.pooled(reactor, b"s" * 32)
        asking = client.call("POST", "127.0.0.1:81", "/-/locate", QUESTION)
        [(host, port, _, timeout, _)] = reactor.tcpClients
        self.assertEqual(("127.0.0.1", 81, 5.0), (host, port, timeout))
        reactor.pump([1.0] * 30)
        self.failureResultOf(asking, NodeUnreachable)

    def test_cancelling_while_it_connects(self) -> None:
        """It is a cancellation, and not a host that was not found."""
        reactor = MemoryReactorClock()
        asking = ServerClient.pooled(reactor, b"s" * 32).call("GET", "127.0.0.1:81", "/")
        asking.cancel()
        self.failureResultOf(asking, CancelledError)

    def test_closing(self) -> None:
        """A client can be closed, with a pool and without."""
        self.successResultOf(ServerClient.pooled(MemoryReactorClock(), b"s" * 32).close())
        self.successResultOf(Cluster(clock=Clock()).client().close())
