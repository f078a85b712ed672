"""`godos status`, `godos explain` and `godos gc` as an operator meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from twisted.internet.defer import maybeDeferred

from godos.catalog.items import Put
from godos.catalog.records import cluster_item
from godos.cli import main
from godos.cli.explain import lines as explained
from godos.cli.status import lines as told
from godos.cli.times import ago, span
from godos.model.names import FragmentName
from godos.model.objects import DeleteRequest, PutRequest
from godos.model.upkeep import Job, JobKind, Stray
from godos.objects.upkeep.census import CensusTaker
from godos.objects.upkeep.explain import Explainer
from godos.objects.upkeep.status import StatusReporter
from tests.unit.cli.answering import Asked, Respond, answering
from tests.unit.cli.catalogs import Operator
from tests.unit.objects.stores import Body, Store, now

DAY = 24 * 3600.0


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own keys and servers have no part in tests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GODOS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")


def godos(respond: Respond, *words: str, stdin: str | None = None) -> tuple[Result, Asked]:
    """The command against a server; nothing may escape but its exit code."""
    with answering(respond) as asked:
        result = CliRunner().invoke(main, [*words, "--endpoint", asked.endpoint], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, asked


def always(document: Any, status: int = 200) -> Respond:
    return lambda *_: (status, document)


class Reported:
    """The documents of a store in memory."""

    def __init__(self, nodes: int = 3, policy: str = "copies=3") -> None:
        self.store = Store(nodes, policy)
        over = self.store.catalog, self.store.cluster, self.store.clock
        self.taker = CensusTaker(*over, maybeDeferred, "me", pause=0.0)
        self.reporter = StatusReporter(*over, taker=lambda: self.taker)
        self.explainer = Explainer(*over)

    def put(self, key: str, body: bytes = b"meow") -> Any:
        return now(self.store.objects.put("objects", key, Body(body), PutRequest()))

    def count(self) -> None:
        now(self.taker.take())

    def status(self) -> Mapping[str, Any]:
        self.store.clock.advance(6.0)
        document: Mapping[str, Any] = json.loads(json.dumps(now(self.reporter.document())))
        return document

    def explain(self, key: str, **more: Any) -> Mapping[str, Any]:
        document = now(self.explainer.explain("objects", key, **more))
        plain: Mapping[str, Any] = json.loads(json.dumps(document))
        return plain


@pytest.fixture
def reported() -> Reported:
    return Reported()


# -- status ------------------------------------------------------------------------------------
def test_status_of_a_healthy_store(reported: Reported) -> None:
    """One word first, then what stands behind it; exit code 0."""
    reported.put("a")
    reported.count()
    result, asked = godos(always(reported.status()), "status")
    assert result.exit_code == 0
    assert result.stdout.startswith("The store is healthy.\n")
    assert "1 blob, 4 bytes, 3 fragments" in result.stdout
    assert "0 below target, 0 lost, 0 unreachable" in result.stdout
    assert "repairs       none waiting" in result.stdout
    for node in reported.store.cluster.registered():
        assert f"{node.id}  {node.address}" in result.stdout
    assert asked.requests == [("GET", "/-/status")]
    assert "authorization" not in asked.headers[0]


def test_status_of_a_store_that_is_not(reported: Reported) -> None:
    """Each reason is a sentence, what can be done a command; exit code 1."""
    reported.put("a")
    reported.store.nodes[0].fragments.clear()
    reported.count()
    old = reported.store.nodes[1].node_id
    reported.store.cluster.suspect(old)
    job = Job("1" * 32, JobKind.DRAIN, old, total=100, done=7, moved=3, trouble="it is \x1b full")
    assert now(reported.store.catalog.put_job(job)) is not None
    result, _ = godos(always(reported.status()), "status")
    assert result.exit_code == 1
    assert result.stdout.startswith("The store is degraded.\n")
    assert "1 blob is below target." in result.stdout
    assert "1 blob is waiting for repair." in result.stdout
    assert f"Node {old} at 127.0.0.1:1 does not answer." in result.stdout
    assert f"drain {old}: 7 of 100 blobs, 3 fragments" in result.stdout
    assert "repairs       1 waiting, 0 bytes/s\n" in result.stdout
    assert "it is \\x1b full" in result.stdout


def test_status_of_work_that_begins_anew(reported: Reported) -> None:
    """A job that looks at blobs again and again is never at more than all of them."""
    job = Job("1" * 32, JobKind.DRAIN, "2" * 32, total=2, done=5, failed=2, trouble="no room")
    assert now(reported.store.catalog.put_job(job)) is not None
    result, _ = godos(always(reported.status()), "status")
    assert f"drain {'2' * 32}: 2 of 2 blobs, 0 fragments (0 bytes) moved, 2 failed" in result.stdout


def test_status_for_machines(reported: Reported) -> None:
    """The whole document; the exit code tells the same."""
    document = reported.status()
    result, _ = godos(always(document), "status", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == document


def test_status_is_signed(monkeypatch: pytest.MonkeyPatch, reported: Reported) -> None:
    """With a key in the environment the request says whose it is."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "GODOSKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    _, asked = godos(always(reported.status()), "status")
    assert "Credential=GODOSKEY/" in asked.headers[0]["authorization"]
    assert "secret" not in str(asked.headers)


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (403, {"Code": "AccessDenied", "Message": "not you"}, "Error: not you (AccessDenied)"),
        (404, {"Code": "NoSuchResource", "Message": "no"}, "Error: no (NoSuchResource)"),
        (503, {"Code": "ServiceUnavailable", "Message": "slow"}, "Error: slow"),
        (200, {"status": "alive"}, "is no API server of godos"),
        (200, b"<html>", "Error: the server answers 200, and no document"),
        (502, b"bad gateway", "Error: the server answers 502, and no document"),
    ],
)
def test_a_server_that_refuses(status: int, document: Any, said: str) -> None:
    """A line, and exit code 1."""
    for words in (("status",), ("explain", "objects/a"), ("gc", "--yes")):
        result, _ = godos(always(document, status), *words)
        assert (result.exit_code, said in result.stderr) == (1, True), result.stderr
    assert result.stdout == ""


def test_a_server_that_is_not_there() -> None:
    """A line that names it."""
    with answering(always({})) as gone:
        pass
    result = CliRunner().invoke(main, ["status", "--endpoint", gone.endpoint])
    assert result.exit_code == 1
    assert gone.endpoint in result.stderr
    for wrong in ("nonsense", "ftp://127.0.0.1", "http://[::1"):
        result = CliRunner().invoke(main, ["status", "--endpoint", wrong])
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)


def test_all_of_a_status_can_be_told(reported: Reported) -> None:
    """Also before the first census, and with a zone that would do something to a terminal."""
    first = reported.store.nodes[0].node_id
    rows = reported.store.cluster.rows
    rows[first] = evolve(rows[first], zone="\x1b[31m", verified_since=1.7e9, joined=1.0)
    text = "\n".join(told(reported.status()))
    assert "\x1b" not in text and "No census has finished yet." in text
    assert "2023-11-14 22:13:20 UTC" in text


# -- explain -----------------------------------------------------------------------------------
def test_explain(reported: Reported) -> None:
    """A readable page; the name goes as it is written."""
    reported.put("a//b ü")
    document = reported.explain("a//b ü")
    result, asked = godos(always(document), "explain", "objects/a//b ü")
    assert result.exit_code == 0
    assert asked.requests == [("GET", "/-/explain/objects/a//b%20%C3%BC")]
    text = result.stdout
    assert text.startswith("objects/a//b ü\n")
    assert "stored as copies=3, raw: 3 of 3 fragments, 1 needed to read" in text
    assert "It can be read, and any 2 further nodes may die." in text
    assert text.count("yes, and any 1 further node may die") == 3


def test_explain_keys_that_look_like_paths(reported: Reported) -> None:
    """Nothing is normalised on the way."""
    for key, sent in (("../x", "../x"), ("./a/../b", "./a/../b"), ("?a=%b", "%3Fa%3D%25b")):
        reported.put(key)
        result, asked = godos(always(reported.explain(key)), "explain", f"s3://objects/{key}")
        assert result.exit_code == 0
        assert asked.requests == [("GET", f"/-/explain/objects/{sent}")]


def test_explain_what_cannot_be_read(reported: Reported) -> None:
    """The reason, and exit code 1."""
    reported.put("a")
    for node in reported.store.nodes:
        node.fragments.clear()
    result, _ = godos(always(reported.explain("a")), "explain", "objects/a")
    assert result.exit_code == 1
    assert "It cannot be read: no node gives the object's bytes now" in result.stdout
    assert "missing: 0, 1, 2" in result.stdout


def test_explain_many_parts(reported: Reported) -> None:
    """Page by page, until the last."""
    reported.put("a")
    page = dict(reported.explain("a"))

    def respond(_: str, target: str) -> tuple[int, Any]:
        return 200, page if "part=20" in target else {**page, "next": 20}

    result, asked = godos(respond, "explain", "objects/a", "--version-id", "null", "--verify")
    assert result.exit_code == 0
    assert [target for _, target in asked.requests] == [
        "/-/explain/objects/a?versionId=null&verify=",
        "/-/explain/objects/a?versionId=null&part=20&verify=",
    ]


def test_explain_one_that_has_no_bytes(reported: Reported) -> None:
    """An empty object, and a delete marker."""
    reported.put("empty", b"")
    assert "It has no bytes that could be lost." in list(explained(reported.explain("empty")))
    page = dict(reported.explain("empty"))
    page["version"] = {**page["version"], "delete_marker": True}
    assert any("is a delete marker" in line for line in explained(page))


@pytest.mark.parametrize("name", ["objects", "objects/", "/a", ""])
def test_explain_what_is_no_object(name: str) -> None:
    """A name without a bucket or a key is refused before anything is asked."""
    result, asked = godos(always({}), "explain", name)
    assert (result.exit_code, asked.requests) == (2, [])


# -- gc ----------------------------------------------------------------------------------------
@pytest.fixture
def operator() -> Operator:
    """Somebody with a catalog in which things were removed; its clock is right."""
    operator, store = Operator(), Store()
    store.clock.advance(time.time() - store.clock.seconds() - DAY)
    for key in ("old", "shared"):
        now(store.objects.put("objects", key, Body(b"x" * 2048), PutRequest()))
    now(store.objects.delete("objects", "old", DeleteRequest()))
    store.clock.advance(DAY - 3600)
    now(store.objects.put("objects", "new", Body(b"y" * 10), PutRequest()))
    now(store.objects.delete("objects", "new", DeleteRequest()))
    store.clock.advance(3600)
    name = str(FragmentName("5" * 32, 3))
    for node in store.cluster.registered():
        now(store.catalog.claim_node(node))
    stray = Stray(store.nodes[0].node_id, name, "no blob", time.time() - 3600)
    now(store.catalog.put_stray(stray))
    operator.catalog, operator.items = store.catalog, store.items
    return operator


def test_gc_dry_run(operator: Operator) -> None:
    """What goes when, and why; nothing is changed."""
    for _ in range(2):
        result = operator("gc", "--dry-run")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        blobs = [line for line in lines if " blob " in line]
        assert sorted(line.split("  ")[0] for line in blobs) == ["in 22 hours", "now"]
        assert all(line.endswith("nothing refers to it") for line in blobs)
        [stray] = [line for line in lines if "fragment 5" in line]
        assert stray.startswith("in 22 hours") and stray.endswith("stray: no blob")
        assert lines[-1].startswith("2 blobs, 2.0 KiB, and 1 stray fragment ")


def test_gc_dry_run_for_machines(operator: Operator) -> None:
    """A line of JSON for each."""
    result = operator("gc", "--dry-run", "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(each["kind"] for each in found) == ["blob", "blob", "stray"]
    assert all(each["due"] - each["since"] == DAY for each in found)


def test_gc_with_other_graces(operator: Operator) -> None:
    """Servers that were started with other times are asked about with them."""
    result = operator("gc", "--dry-run", "--collect-after", "60", "--stray-grace", "30")
    assert [line[:3] for line in result.stdout.splitlines()[:3]] == ["now"] * 3


def test_gc_confirm_epoch(operator: Operator) -> None:
    """After an import strays stay until somebody says the number of the epoch."""
    cluster = now(operator.catalog.cluster())
    raised = Put(cluster_item(evolve(cluster, epoch=2), "r" * 32))
    now(operator.items.transact([raised], "1" * 32))
    assert "stays until the epoch is confirmed" in operator("gc", "--dry-run").stdout
    assert operator("gc", "--confirm-epoch", "2", stdin="n\n").exit_code == 1
    assert now(operator.catalog.cluster()).confirmed == 1
    refused = operator("gc", "--confirm-epoch", "3", "--yes")
    assert refused.exit_code == 1 and refused.stderr.startswith("Error: ")
    assert operator("gc", "--confirm-epoch", "2", stdin="y\n").exit_code == 0
    assert now(operator.catalog.cluster()).confirmed == 2
    assert "stays until" not in operator("gc", "--dry-run").stdout


def test_gc_asks_before(reported: Reported) -> None:
    """Who says no is no trouble to the server."""
    result, asked = godos(always({}), "gc", stdin="n\n")
    assert (result.exit_code, asked.requests) == (1, [])
    assert godos(always({}), "gc", "--dry-run", "--confirm-epoch", "2")[0].exit_code == 2


def test_gc(reported: Reported) -> None:
    """It waits for the census that was asked for, and tells what that counted."""
    reported.put("a")
    reported.count()
    before = reported.status()
    reported.store.clock.advance(10)
    began = reported.store.clock.seconds()
    reported.count()
    after = reported.status()
    left = [before, {**before, "counting": {"looked": 1, "of": 2}}, after]

    def respond(method: str, _: str) -> tuple[int, Any]:
        return 200, {"began": began} if method == "POST" else left.pop(0)

    result, asked = godos(respond, "gc", "--yes")
    assert result.exit_code == 0, result.output
    assert asked.requests == [("POST", "/-/gc"), *[("GET", "/-/status")] * 3]
    assert "Counted 1 blob, 4 bytes: 0 below target, 0 lost" in result.stdout


# -- times -------------------------------------------------------------------------------------
def test_spans() -> None:
    """In the greatest unit, rounded down."""
    assert [span(s) for s in (0, 1, 59, 60, 7200, 86400, 200_000)] == [
        "a moment",
        "1 second",
        "59 seconds",
        "1 minute",
        "2 hours",
        "1 day",
        "2 days",
    ]
    assert (ago(0.0, 5.0), ago(4.0, 9.0)) == ("never", "5 seconds ago")
