"""The admin resources, through a site, Klein and the verbs, as a server puts them together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from godos import __version__
from godos.model.errors import AccessDenied, CatalogUnavailable
from godos.model.names import is_id
from godos.web.access import ANONYMOUS, Action, Principal
from godos.web.admin import Admin
from godos.web.counters import Counters
from godos.web.exchange import IExchange
from godos.web.target import is_verb
from tests.memory_objects import MemoryObjects
from tests.open_front import open_front
from tests.unit.web.streaming_wire import Answer, Wire, request


def _is_verb(exchange: IExchange) -> bool:
    return is_verb(exchange.target, exchange.method)


class Server:
    """A site with verbs and admin resources, on one connection after the other."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.objects = MemoryObjects(self.clock.seconds)
        self.ready: Deferred[Sequence[str]] = succeed(())
        self.asked: list[tuple[Action, str, str]] = []
        self.refuse: Exception | None = None
        verbs = open_front(self.clock, self.objects, self.counters).serving.serve
        admin = Admin(
            self.objects, self.authorise, verbs, lambda: self.ready, self.counters, self.clock
        )
        self.wire = Wire(verbs, {}, admin.app.resource(), _is_verb, self.clock)
        self.ask("PUT /objects")
        self.asked.clear()

    def authorise(self, _: IExchange, action: Action, bucket: str, key: str) -> Deferred[Principal]:
        self.asked.append((action, bucket, key))
        return succeed(ANONYMOUS) if self.refuse is None else fail(self.refuse)

    def ask(self, line: str, *headers: str, body: bytes = b"") -> Answer:
        if line.startswith("PUT") and not body:
            headers = (*headers, "Content-Length: 0")
        self.wire.send(request(line, *headers, body=body))
        return self.wire.answer(line)


@pytest.fixture
def server() -> Server:
    return Server()


def told(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, answer
    assert answer["content-type"] == "application/json"
    return json.loads(answer.body)


def code(answer: Answer) -> tuple[int, str | None]:
    return answer.status, ElementTree.fromstring(answer.body).findtext("Code")


def test_status(server: Server) -> None:
    """`GET /` tells which version runs, and whether it can serve."""
    assert told(server.ask("GET /")) == {
        "name": "godos",
        "version": __version__,
        "status": "ready",
        "reasons": [],
    }
    server.ready = succeed(["1 of 2 nodes is alive"])
    status = told(server.ask("GET /"))
    assert (status["status"], status["reasons"]) == ("not ready", ["1 of 2 nodes is alive"])


def test_an_s3_client_lists_its_buckets(server: Server) -> None:
    """A signed `GET /` and `GET /?buckets` list the buckets instead."""
    signed = "Authorization: AWS a:b"
    for asked in (("GET /?format=json", signed), ("GET /?buckets&format=json",)):
        assert [each["Name"] for each in told(server.ask(*asked))["Buckets"]] == ["objects"]


@pytest.mark.parametrize(
    ("target", "header"),
    [
        ("/?x-id=ListBuckets", "Accept: */*"),
        ("/", "amz-sdk-invocation-id: 0"),
        ("/", "X-Amz-Date: 20260101T000000Z"),
        ("/?max-buckets=7", "Accept: */*"),
        ("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "Accept: */*"),
        ("/?AWSAccessKeyId=a&Signature=b&Expires=9", "Accept: */*"),
    ],
)
def test_s3_clients_that_do_not_sign_headers(server: Server, target: str, header: str) -> None:
    """An S3 client is told of its buckets as S3 does it, though it does not sign."""
    answer = server.ask(f"GET {target}", header)
    assert answer.status == 200
    assert answer["content-type"] == "application/xml"
    assert b"<ListAllMyBucketsResult" in answer.body and b"<Name>objects</Name>" in answer.body


@pytest.mark.parametrize(
    ("target", "header"),
    [
        ("/?utm_source=mail", "Accept: text/html"),
        ("/", "User-Agent: Boto3/1.40"),
    ],
)
def test_people_who_look(server: Server, target: str, header: str) -> None:
    """Whoever is no S3 client reads the server's status."""
    assert told(server.ask(f"GET {target}", header))["name"] == "godos"


def test_alive(server: Server) -> None:
    """A server that answers is alive, also when it cannot serve."""
    server.ready = succeed(["no nodes"])
    assert told(server.ask("GET /-/health")) == {"status": "alive"}
    head = server.ask("HEAD /-/health")
    assert (head.status, head.body) == (200, b"")


def test_ready(server: Server) -> None:
    """A server that can serve says 200, one that cannot says 503 and why."""
    assert told(server.ask("GET /-/ready"))["status"] == "ready"
    server.ready = succeed(["no nodes"])
    assert told(server.ask("GET /-/ready"), 503)["reasons"] == ["no nodes"]
    server.ready = fail(CatalogUnavailable("the table is throttled"))
    assert told(server.ask("GET /-/ready"), 503)["reasons"] == ["the table is throttled"]


def test_a_server_that_does_not_know(server: Server) -> None:
    """Readiness that cannot be found out in time is none."""
    server.ready = Deferred()
    server.wire.send(request("GET /-/ready"))
    assert server.wire.answers() == []
    server.clock.advance(5.1)
    assert "5 seconds" in told(server.wire.answer(), 503)["reasons"][0]


def test_a_prober_that_leaves(server: Server) -> None:
    """A client that goes away stops the question it asked."""
    stopped: list[object] = []
    server.ready = Deferred(stopped.append)
    server.wire.send(request("GET /-/ready"))
    server.wire.drop()
    assert len(stopped) == 1
    server.wire.connect()
    assert server.ask("GET /-/health").status == 200


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("a", "a"),
        ("a//b", "a//b"),
        ("/a", "/a"),
        ("../x", "../x"),
        ("./x", "./x"),
        ("a%2Fb", "a/b"),
        ("folder/", "folder/"),
        ("a%0Ab%00", "a\nb\0"),
        ("%C3%A9", "é"),
        ("%252F", "%2F"),
    ],
)
def test_locate(server: Server, target: str, key: str) -> None:
    """Who holds an object, whatever its name looks like."""
    server.ask(f"PUT /objects/{target}", body=b"x")
    located = told(server.ask(f"GET /-/locate/objects/{target}"))
    assert is_id(located["holders"][0].pop("blob"))
    assert located == {
        "bucket": "objects",
        "key": key,
        "complete": True,
        "silent": [],
        "holders": [{"node": "node-1", "address": "127.0.0.1:8031", "fragments": [0]}],
    }
    assert server.asked[-1] == (Action.LOCATE, "objects", key)


def test_locate_nothing(server: Server) -> None:
    """An object that is not there cannot be located, nor one without a name."""
    assert code(server.ask("GET /-/locate/objects/a")) == (404, "NoSuchKey")
    assert code(server.ask("GET /-/locate/photos/a")) == (404, "NoSuchBucket")
    assert code(server.ask("GET /-/locate/objects/a?versionId=x")) == (404, "NoSuchVersion")
    for target in ("objects", "objects/", ""):
        assert code(server.ask(f"GET /-/locate/{target}")) == (400, "InvalidArgument")
    assert code(server.ask("GET /-/locate//a")) == (400, "InvalidBucketName")
    assert server.ask("GET /-/locate/objects/%ff").status == 400


def test_metrics(server: Server) -> None:
    """Counters of what was asked, as text."""
    server.ask("GET /objects/a")
    metrics = server.ask("GET /-/metrics")
    assert metrics["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'requests_total{method="GET",action="GetObject",status="404"} 1\n' in metrics.body


def test_what_is_not_for_everybody(server: Server) -> None:
    """Metrics and locations need leave; health does not."""
    server.refuse = AccessDenied("not you")
    assert code(server.ask("GET /-/metrics")) == (403, "AccessDenied")
    assert code(server.ask("GET /-/locate/objects/a")) == (403, "AccessDenied")
    assert server.ask("GET /-/health").status == server.ask("GET /").status == 200


@pytest.mark.parametrize("target", ["/-/", "/-/nothing", "/-/health/x", "/-//health", "/-/../x"])
def test_other_admin_names(server: Server, target: str) -> None:
    """Names below `/-/` that mean nothing are 404, in the form of all errors."""
    missing = server.ask(f"GET {target}")
    assert code(missing) == (404, "NoSuchResource")
    assert missing["x-amz-request-id"] is not None
    as_json = server.ask(f"GET {target}", "Accept: application/json")
    assert told(as_json, 404)["Resource"] == target


@pytest.mark.parametrize("target", ["/-/health", "/-/ready", "/-/metrics", "/-/locate/objects/a"])
def test_admin_resources_are_read_only(server: Server, target: str) -> None:
    """Other verbs are 405."""
    for method in ("PUT", "DELETE", "POST"):
        refused = server.ask(f"{method} {target}", body=b"x")
        assert code(refused) == (405, "MethodNotAllowed")
        assert refused["allow"] == "GET, HEAD"


# -- what strangers send ----------------------------------------------------------------------
@pytest.mark.parametrize("host", ["a..b", "x" * 300, "\xff", "xn--a", "[::1", "", "\x1b[31m"])
def test_hosts_that_are_no_names(server: Server, host: str) -> None:
    """What the Host says has no part in finding a resource, and is no fault of ours."""
    raw = f"GET /-/health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")
    server.wire.send(raw)
    assert server.wire.answer().status == 200


@pytest.mark.parametrize("target", ["/-/%ff", "/-/locate/objects/%ff", "/-/caf\xe9"])
def test_targets_that_are_not_utf8(
    server: Server, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused in the form of all errors, and are nothing for the log of faults."""
    faults: list[object] = []
    monkeypatch.setattr("twisted.python.log.err", lambda *told, **_: faults.append(told))
    answer = server.ask(f"GET {target}")
    assert answer.status == 400
    assert b"<Code>InvalidURI</Code>" in answer.body
    assert (answer["x-amz-request-id"] or "").encode() in answer.body
    assert not faults


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("line", ["GET /-/nothing", "POST /-/health"])
def test_what_is_not_there_is_answered_once(
    server: Server, line: str, recwarn: pytest.WarningsRecorder
) -> None:
    """Klein ends such answers a second time, which nobody need read of in the log."""
    assert server.ask(line).status in (404, 405)
    assert server.ask("GET /-/health").status == 200
    assert not recwarn.list
