"""What the store tells of itself over HTTP: status, explanations and gauges."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from godos.deferreds import Background
from godos.model.blobs import Blob
from godos.model.errors import AccessDenied, CatalogUnavailable, NodeUnreachable
from godos.model.members import NodeState
from godos.model.names import FragmentName
from godos.model.objects import PutRequest
from godos.objects.collection import Collector
from godos.objects.upkeep.census import CensusTaker
from godos.objects.upkeep.explain import Explainer
from godos.objects.upkeep.status import StatusReporter
from godos.objects.upkeep.sweeping import Sweeper
from godos.web.access import ANONYMOUS, Action, Principal
from godos.web.admin import Admin
from godos.web.counters import Counters
from godos.web.exchange import IExchange
from godos.web.target import is_verb
from godos.web.upkeep_pages import UpkeepPages
from tests.open_front import open_front
from tests.unit.objects.stores import Body, Store, now
from tests.unit.web.streaming_wire import Answer, Wire, request


class Server:
    """A site over a whole store in memory."""

    def __init__(self, nodes: int = 3, policy: str = "copies=3") -> None:
        self.store = store = Store(nodes, policy)
        self.clock: Clock = store.clock
        self.refuse: Exception | None = None
        self.asked: list[tuple[Action, str, str]] = []
        self.taker = CensusTaker(
            store.catalog, store.cluster, self.clock, maybeDeferred, "me", pause=0.0
        )
        self.collector = Collector(store.catalog, store.cluster, store.locator, self.clock, "me")
        sweeper = Sweeper(lambda: self.collector, lambda: self.taker, self.clock, Background())
        status = StatusReporter(store.catalog, store.cluster, self.clock, taker=lambda: self.taker)
        pages = UpkeepPages(
            self.authorise,
            self.clock,
            status,
            Explainer(store.catalog, store.cluster, self.clock),
            sweeper.sweep,
        )
        counters = Counters()
        verbs = open_front(self.clock, store.objects, counters).serving.serve
        admin = Admin(
            store.objects,
            self.authorise,
            verbs,
            lambda: succeed(()),
            counters,
            self.clock,
            pages,
        )
        self.wire = Wire(
            verbs, {}, admin.app.resource(), lambda e: is_verb(e.target, e.method), self.clock
        )

    def authorise(self, _: IExchange, action: Action, bucket: str, key: str) -> Deferred[Principal]:
        self.asked.append((action, bucket, key))
        return succeed(ANONYMOUS) if self.refuse is None else _fail(self.refuse)

    def ask(self, line: str) -> Answer:
        headers = ["Content-Length: 0"] if line.startswith("POST") else []
        self.wire.send(request(line, *headers))
        return self.wire.answer(line)

    def told(self, target: str) -> Any:
        answer = self.ask(f"GET {target}")
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def status(self) -> Any:
        self.clock.advance(6.0)  # what was told before is old
        return self.told("/-/status")

    def put(self, key: str, body: bytes = b"meow") -> Blob:
        version = now(self.store.objects.put("objects", key, Body(body), PutRequest()))
        blob: Blob = now(self.store.catalog.blob(version.incarnation))
        return blob


def _fail(error: Exception) -> Deferred[Any]:
    failed: Deferred[Any] = Deferred()
    failed.errback(error)
    return failed


@pytest.fixture
def server() -> Server:
    return Server()


def code(answer: Answer) -> tuple[int, str | None]:
    return answer.status, ElementTree.fromstring(answer.body).findtext("Code")


# -- status ------------------------------------------------------------------------------------
def test_a_store_that_nobody_counted(server: Server) -> None:
    """It does not call itself healthy."""
    status = server.status()
    assert status["health"] == "unknown"
    assert status["reasons"] == ["No census has finished yet."]
    assert status["census"] is None and status["counting"] is None
    assert [node["answers"] for node in status["nodes"]] == [True] * 3


def test_a_healthy_store(server: Server) -> None:
    """After a census it says so, with what was counted."""
    server.put("a")
    now(server.taker.take())
    status = server.status()
    assert (status["health"], status["reasons"], status["advice"]) == ("healthy", [], [])
    assert (status["census"]["blobs"], status["census"]["fragments"]) == (1, 3)
    assert status["repairs"]["waiting"] == 0 and status["repairs"]["eta"] == 0.0
    assert server.asked[-1] == (Action.STATUS, "", "")


def test_a_store_with_repairs(server: Server) -> None:
    """What waits is told with its reason, and how long it takes as far as it can be seen."""
    blobs = [server.put(f"key {n}") for n in range(10)]
    now(server.taker.take())
    for blob in blobs:
        now(server.store.catalog.want_repair(blob.incarnation, "damaged"))
    status = server.status()
    assert (status["health"], status["repairs"]["waiting"]) == ("degraded", 10)
    assert status["repairs"]["examples"][0]["reason"] == "damaged"
    assert status["repairs"]["eta"] is None
    for work in now(server.store.catalog.repairs())[:5]:
        now(server.store.catalog.repaired(work))
    status = server.status()
    assert status["repairs"]["waiting"] == 5
    assert status["repairs"]["eta"] == pytest.approx(6.0)


def test_a_node_that_was_replaced(server: Server) -> None:
    """An empty disk at the address of one that is gone: the command is told."""
    store = server.store
    server.put("a")
    old, new = store.nodes[0].node_id, store.nodes[1].node_id
    joined = server.clock.seconds()
    rows = store.cluster.rows
    rows[old] = evolve(rows[old], address="127.0.0.1:9000", joined=joined - 1000)
    rows[new] = evolve(rows[new], address="127.0.0.1:9000", joined=joined)
    assert server.status()["advice"] == []
    store.cluster.suspect(old)
    store.cluster.silence = lambda id_: 60.0 if id_ == old else 0.0
    [advice] = server.status()["advice"]
    assert advice.endswith(f"godos node replace {old} {new}")


def test_another_disk_of_the_same_server_is_no_successor(server: Server) -> None:
    """One that was added long before, and holds something, has not taken the place of another."""
    store = server.store
    server.put("a")
    old, other = store.nodes[0].node_id, store.nodes[1].node_id
    rows, joined = store.cluster.rows, server.clock.seconds() - 10_000
    rows[old] = evolve(rows[old], address="127.0.0.1:9000", joined=joined - 1)
    rows[other] = evolve(rows[other], address="127.0.0.1:9000", joined=joined)
    store.cluster.suspect(old)
    store.cluster.silence = lambda id_: 60.0 if id_ == old else 0.0
    assert server.status()["advice"] == []
    store.nodes[1].fragments.clear()
    assert len(server.status()["advice"]) == 1


def test_a_failed_disk(server: Server) -> None:
    """It is told why, and what can be done."""
    rows, failed = server.store.cluster.rows, server.store.nodes[0].node_id
    rows[failed] = evolve(rows[failed], state=NodeState.FAILED, reason="fsync: EIO")
    status = server.status()
    assert any("fsync: EIO" in reason for reason in status["reasons"])
    assert "godos disk check" in status["advice"][0]
    assert f"godos node remove {failed}" in status["advice"][0]


def test_an_imported_catalog(server: Server) -> None:
    """The operator is told what to confirm."""
    cluster = now(server.store.catalog.cluster())
    server.store.catalog.cluster = lambda: succeed(evolve(cluster, epoch=3))
    status = server.status()
    assert status["advice"][0].endswith("godos gc --confirm-epoch 3")
    assert status["health"] == "unknown"


def test_a_catalog_that_does_not_answer(server: Server) -> None:
    """Then there is no status; the counters are there even so."""
    server.store.catalog.waiting_repairs = lambda: _fail(CatalogUnavailable("throttled"))
    assert server.ask("GET /-/status").status == 503
    metrics = server.ask("GET /-/metrics")
    assert metrics.status == 200 and b"godos_objects" not in metrics.body
    assert b"godos_http_running" in metrics.body


# -- metrics -----------------------------------------------------------------------------------
def test_gauges(server: Server) -> None:
    """What the census counted, repairs and nodes, as Prometheus reads them."""
    blob = server.put("a")
    before = server.ask("GET /-/metrics").body.decode()
    assert "godos_objects_below_target" not in before
    assert 'godos_health{state="unknown"} 1' in before
    server.store.nodes[0].fragments.clear()
    now(server.taker.take())
    server.store.cluster.suspect(server.store.nodes[0].node_id)
    server.clock.advance(6.0)
    lines = server.ask("GET /-/metrics").body.decode().splitlines()
    for line in (
        "godos_objects_below_target 1",
        "godos_objects_lost 0",
        "godos_blobs 1",
        f"godos_blob_bytes {blob.size}",
        "godos_repair_waiting 1",
        'godos_nodes{state="silent"} 1',
        'godos_nodes{state="up"} 2',
        'godos_health{state="degraded"} 1',
        'godos_health{state="healthy"} 0',
        "# TYPE godos_repair_mended_total counter",
    ):
        assert line in lines


# -- explain -----------------------------------------------------------------------------------
def test_explain(server: Server) -> None:
    """Every fragment, where it is and why, and what would happen without a node."""
    blob = server.put("a//b c")
    told = server.told("/-/explain/objects/a//b%20c")
    assert server.asked[-1] == (Action.EXPLAIN, "objects", "a//b c")
    assert (told["bucket"], told["key"], told["readable"]) == ("objects", "a//b c", True)
    assert (told["losses"], told["next"]) == (2, None)
    [one] = told["blobs"]
    assert (one["blob"], one["policy"], one["codec"]) == (blob.incarnation, "copies=3", "raw")
    assert (one["good"], one["needed"], one["wanted"], one["missing"]) == (3, 1, 3, [])
    for fragment, placed in zip(one["fragments"], blob.layout, strict=True):
        assert (fragment["shard"], fragment["node"]) == (placed.shard, placed.node)
        assert (fragment["present"], fragment["node_state"]) == ("yes", "up")
        assert fragment["choice"] in (1, 2, 3) and fragment["rank"] in (1, 2, 3)
        assert "choice" in fragment["why"]
    assert [node["readable_without"] for node in told["nodes"]] == [True] * 3
    assert [node["losses_then"] for node in told["nodes"]] == [1] * 3


def test_explain_what_cannot_be_read(server: Server) -> None:
    """The reason is the one that a GET is refused with: node by node."""
    blob = server.put("a")
    names = [placed.node for placed in blob.layout]
    stores = server.store.cluster.stores
    stores[names[0]].fragments.clear()
    stores[names[1]].fragments.clear()
    stores[names[2]].broken = NodeUnreachable("connection refused")
    told = server.told("/-/explain/objects/a")
    assert (told["readable"], told["losses"]) == (False, 0)
    [reason] = told["reasons"]
    assert "0 of the 1 fragments" in reason
    assert f"{names[0]}: the node does not have it" in reason
    assert f"{names[2]}: connection refused" in reason
    present = [fragment["present"] for fragment in told["blobs"][0]["fragments"]]
    assert present == ["no", "no", "no answer"]


def test_explain_does_not_wait_for_long(server: Server) -> None:
    """A node that hangs is told of as one that does not answer."""
    blob = server.put("a")
    server.store.cluster.stores[blob.layout[0].node].holds = lambda _: Deferred()
    server.wire.send(request("GET /-/explain/objects/a"))
    assert server.wire.answers() == []
    server.clock.advance(5.1)
    told = json.loads(server.wire.answer().body)
    assert told["blobs"][0]["fragments"][0]["present"] == "no answer"
    assert told["readable"] and told["losses"] == 1


def test_explain_and_read_back(server: Server) -> None:
    """Damage shows only when the fragments are read."""
    blob = server.put("a")
    placed = blob.layout[1]
    store = server.store.cluster.stores[placed.node]
    store.damage(FragmentName(blob.incarnation, placed.index), 1)
    assert server.told("/-/explain/objects/a")["blobs"][0]["good"] == 3
    [one] = server.told("/-/explain/objects/a?verify")["blobs"]
    assert (one["good"], one["missing"]) == (2, [1])
    assert one["fragments"][1]["present"] == "damaged"
    assert one["fragments"][0]["verified"] == server.clock.seconds()


def test_explain_when_it_was_verified(server: Server) -> None:
    """What the node knows of when it last read the fragment."""
    blob = server.put("a")
    store = server.store.cluster.stores[blob.layout[0].node]
    store.verified[FragmentName(blob.incarnation, blob.layout[0].index)] = 1234.0
    first, second, _ = server.told("/-/explain/objects/a")["blobs"][0]["fragments"]
    assert (first["verified"], second["verified"]) == (1234.0, None)


def test_explain_an_object_without_bytes(server: Server) -> None:
    """Nothing of it can be lost."""
    now(server.store.objects.put("objects", "empty", Body(b""), PutRequest()))
    told = server.told("/-/explain/objects/empty")
    assert (told["readable"], told["losses"], told["blobs"]) == (True, None, [])


def test_explain_nothing(server: Server) -> None:
    """What is not there cannot be explained, and who may not ask is told nothing."""
    assert code(server.ask("GET /-/explain/objects/a")) == (404, "NoSuchKey")
    assert code(server.ask("GET /-/explain/objects/a?versionId=x")) == (404, "NoSuchVersion")
    assert code(server.ask("GET /-/explain/objects/")) == (400, "InvalidArgument")
    for senseless in ("x", "101", "-1", "0" * 9 + "9" * 5000):
        answer = server.ask(f"GET /-/explain/objects/a?limit={senseless}")
        assert code(answer) == (400, "InvalidArgument")
    server.refuse = AccessDenied("not you")
    for line in ("GET /-/explain/objects/a", "GET /-/status", "POST /-/gc"):
        assert code(server.ask(line)) == (403, "AccessDenied")


# -- collecting --------------------------------------------------------------------------------
def test_collect_now(server: Server) -> None:
    """An operator need not wait for the next round, or census."""
    server.put("a")
    answer = server.ask("POST /-/gc")
    assert json.loads(answer.body) == {"began": server.clock.seconds()}
    assert server.taker.taken == 1
    refused = server.ask("GET /-/gc")
    assert (refused.status, refused["allow"]) == (405, "POST")


def test_collect_once(server: Server) -> None:
    """Asked again while it runs, it runs once."""
    hung: Deferred[Any] = Deferred()
    inventory = server.store.nodes[0].inventory
    server.store.nodes[0].inventory = lambda *_: hung
    server.ask("POST /-/gc")
    assert server.taker.sums is not None
    server.ask("POST /-/gc")
    server.store.nodes[0].inventory = inventory
    hung.callback(())
    assert server.taker.taken == 1


def test_a_server_that_looks_after_nothing() -> None:
    """Where these resources are not served they are not there."""
    store = Store()
    counters = Counters()
    verbs = open_front(store.clock, store.objects, counters).serving.serve
    admin = Admin(
        store.objects,
        lambda *_: succeed(ANONYMOUS),
        verbs,
        lambda: succeed(()),
        counters,
        store.clock,
    )
    wire = Wire(verbs, {}, admin.app.resource(), lambda e: is_verb(e.target, e.method), store.clock)
    for line in ("GET /-/status", "GET /-/explain/objects/a"):
        wire.send(request(line))
        assert code(wire.answer(line)) == (404, "NoSuchResource")
