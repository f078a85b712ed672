"""The way of a PUT."""

from __future__ import annotations

from hashlib import md5, sha256
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import (
    BadDigest,
    CommitUnknown,
    IncompleteBody,
    NodeFull,
    NodeUnreachable,
    NoSuchBucket,
    NoSuchKey,
    NotEnoughNodes,
    PreconditionFailed,
)
from godos.model.members import NodeState
from godos.model.objects import GetRequest, PutRequest
from godos.model.versions import Attributes, WriteCondition
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import NOW, Body, Store, now, whole

SMALL = b"hello"
LARGE = bytes(range(256)) * 16384  # 4 MiB


def put(store: Store, body: Body, key: str = "k", **told: Any) -> Any:
    return store.objects.put("objects", key, body, PutRequest(**told))


def get(store: Store, key: str = "k") -> bytes:
    return whole(now(store.objects.get("objects", key, GetRequest())))


@pytest.mark.parametrize("data", [b"", SMALL, b"x" * (1 << 20), b"y" * ((1 << 20) + 1), LARGE])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_what_was_put_is_read(data: bytes, announced: bool, nodes: int) -> None:
    """Whatever its size, with or without a length, and on as many nodes as the policy says."""
    store = Store(nodes)
    version = now(put(store, Body(data, announced=announced)))
    assert version.etag == md5(data).hexdigest()
    assert (version.size, version.modified) == (len(data), NOW)
    assert get(store) == data
    assert store.fragments == (min(nodes, 3) if data else 0)
    assert not now(store.catalog.repairs())


class PutTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = Store(3)

    def test_headers_and_metadata_are_kept(self) -> None:
        """What came with the upload comes with the version."""
        now(
            put(self.store, Body(SMALL), attributes=Attributes({"content-type": "a/b"}, {"x": "ü"}))
        )
        version = now(self.store.objects.head("objects", "k", GetRequest()))
        self.assertEqual({"content-type": "a/b"}, dict(version.headers))
        self.assertEqual({"x": "ü"}, dict(version.metadata))

    def test_a_missing_bucket_is_told_before_the_body(self) -> None:
        """Nobody sends 5 GiB to learn that."""
        body = Body(SMALL)
        self.failureResultOf(self.store.objects.put("nope", "k", body, PutRequest()), NoSuchBucket)
        self.assertFalse(body.asked_for)

    def test_conditions_are_told_before_the_body(self) -> None:
        """A condition that cannot hold refuses the upload at once."""
        late = Body(SMALL)
        missing = WriteCondition(if_match="abc")
        self.failureResultOf(put(self.store, late, condition=missing), NoSuchKey)
        now(put(self.store, Body(SMALL)))
        exists = WriteCondition(if_none_match_any=True)
        self.failureResultOf(put(self.store, late, condition=exists), PreconditionFailed)
        other = WriteCondition(if_match="other")
        self.failureResultOf(put(self.store, late, condition=other), PreconditionFailed)
        self.assertFalse(late.asked_for)

    def test_conditions_that_hold(self) -> None:
        """The writer who knows the current ETag, or that there is none, writes."""
        now(put(self.store, Body(SMALL), condition=WriteCondition(if_none_match_any=True)))
        current = WriteCondition(if_match=md5(SMALL).hexdigest())
        now(put(self.store, Body(b"new"), condition=current))
        self.assertEqual(b"new", get(self.store))

    def test_a_wrong_digest_stores_nothing(self) -> None:
        """Small or large, the fragments are removed again and nothing is visible."""
        for data in (SMALL, LARGE):
            for told in ({"md5": md5(b"?").digest()}, {"sha256": sha256(b"?").digest()}):
                self.failureResultOf(put(self.store, Body(data), **told), BadDigest)
        self.assertEqual(0, self.store.fragments)
        self.failureResultOf(self.store.objects.head("objects", "k", GetRequest()), NoSuchKey)

    def test_right_digests_are_accepted(self) -> None:
        """Both at once."""
        told = {"md5": md5(LARGE).digest(), "sha256": sha256(LARGE).digest()}
        now(put(self.store, Body(LARGE), **told))
        self.assertEqual(LARGE, get(self.store))

    def test_no_quorum_is_told_before_the_body(self) -> None:
        """With one of three nodes alive a durable write is not possible."""
        for node in self.store.nodes[1:]:
            self.store.cluster.dead.add(node.node_id)
        body = Body(LARGE)
        self.failureResultOf(put(self.store, body), NotEnoughNodes)
        self.assertFalse(body.asked_for)

    def test_below_target_leaves_repair_work(self) -> None:
        """Two of three copies are a quorum; the third is somebody's job from the start."""
        self.store.cluster.dead.add(self.store.nodes[0].node_id)
        version = now(put(self.store, Body(SMALL)))
        [work] = now(self.store.catalog.repairs())
        self.assertEqual(version.incarnation, work.incarnation)
        blob = now(self.store.catalog.blob(version.incarnation))
        self.assertEqual(2, len(blob.layout))

    def test_a_lost_commit_race_removes_the_fragments(self) -> None:
        """The loser of `If-None-Match: *` leaves nothing on the nodes."""
        slow = Deferred[None]()
        first, second = Body(SMALL), Body(b"second")
        second.collect = lambda limit: slow.addCallback(lambda _: [b"second"])  # type: ignore
        only = WriteCondition(if_none_match_any=True)
        late = put(self.store, second, condition=only)
        now(put(self.store, first, condition=only))
        slow.callback(None)
        self.failureResultOf(late, PreconditionFailed)
        self.assertEqual(3, self.store.fragments)
        self.assertEqual(SMALL, get(self.store))

    def test_an_unknown_commit_removes_nothing(self) -> None:
        """It may have happened: the fragments stay until the collector knows."""
        self.store.catalog.commit = lambda *_: fail(CommitUnknown("?"))  # type: ignore
        self.failureResultOf(put(self.store, Body(SMALL)), CommitUnknown)
        self.failureResultOf(put(self.store, Body(LARGE)), CommitUnknown)
        self.assertEqual(6, self.store.fragments)

    def test_a_client_that_leaves_during_the_commit(self) -> None:
        """The commit goes on to its end; the next reader sees the object."""
        commit, gate = self.store.catalog.commit, Deferred[None]()
        self.store.catalog.commit = lambda *a: gate.addCallback(lambda _: commit(*a))  # type: ignore
        upload = put(self.store, Body(SMALL))
        upload.cancel()
        self.failureResultOf(upload, CancelledError)
        self.assertNoResult(self.store.background.idle())
        gate.callback(None)
        self.assertEqual(SMALL, get(self.store))

    def test_a_client_that_leaves_mid_body(self) -> None:
        """The staged bytes are dropped on every node."""
        body = Body(LARGE)
        whole_body, broken = body.deliver_to, Deferred[None]()
        body.deliver_to = lambda consumer: whole_body(consumer).addCallback(lambda _: broken)  # type: ignore
        upload = put(self.store, body)
        self.assertEqual([1] * 3, [node.staged for node in self.store.nodes])
        broken.errback(IncompleteBody("gone"))
        self.failureResultOf(upload, IncompleteBody)
        self.assertEqual([0] * 3, [node.staged for node in self.store.nodes])
        self.assertEqual(0, self.store.fragments)


class BrokenNode(MemoryFragments):
    """Fails every step that is listed in `breaks`, or hangs in it."""

    def __init__(self, node_id: str, breaks: str, error: Exception | None) -> None:
        super().__init__(node_id)
        self.breaks, self.error = breaks, error

    def _trouble(self) -> Deferred[Any]:
        return Deferred() if self.error is None else fail(self.error)

    def put(self, header: Any, payload: Any) -> Any:
        return self._trouble() if self.breaks == "put" else super().put(header, payload)

    def upload(self, name: Any, length: Any) -> Any:
        if self.breaks == "open":
            return self._trouble()
        made = super().upload(name, length)
        made.addCallback(self._broken)
        return made

    def _broken(self, upload: Any) -> Any:
        if self.breaks in ("write", "seal"):
            setattr(upload, self.breaks, lambda _: self._trouble())
        return upload


def with_broken(breaks: str, error: Exception | None, nodes: int = 3) -> Store:
    first = BrokenNode(f"{0:032x}", breaks, error)
    return Store([first, *(MemoryFragments(f"{n:032x}") for n in range(1, nodes))])


STEPS = [("put", SMALL), ("open", LARGE), ("write", LARGE), ("seal", LARGE)]


@pytest.mark.parametrize(("breaks", "data"), STEPS)
@pytest.mark.parametrize("error", [NodeUnreachable("gone"), NodeFull("full")])
def test_one_of_three_nodes_fails(breaks: str, data: bytes, error: Exception) -> None:
    """The write succeeds on the other two, below target, and the object reads whole."""
    store = with_broken(breaks, error)
    now(put(store, Body(data)))
    assert get(store) == data
    assert len(now(store.catalog.repairs())) == 1
    assert [node.staged for node in store.nodes] == [0, 0, 0]
    assert (store.nodes[0].node_id in store.cluster.dead) == isinstance(error, NodeUnreachable)


@pytest.mark.parametrize(("breaks", "data"), STEPS)
def test_a_hung_node_delays_a_write_by_seconds(breaks: str, data: bytes) -> None:
    """Once the quorum is done the straggler is given up."""
    store = with_broken(breaks, None)
    upload = put(store, Body(data))
    assert not upload.called
    store.clock.advance(2.1)
    now(upload)
    assert get(store) == data
    assert store.nodes[0].node_id in store.cluster.dead


@pytest.mark.parametrize(("breaks", "data"), [("put", SMALL), ("open", LARGE)])
def test_another_node_steps_in(breaks: str, data: bytes) -> None:
    """With a fourth node a refusing one costs nothing: the object is at target."""
    for _ in range(10):  # whichever three are chosen first
        store = with_broken(breaks, NodeUnreachable("gone"), nodes=4)
        now(put(store, Body(data)))
        assert store.fragments == 3
        assert not now(store.catalog.repairs())


@pytest.mark.parametrize(("breaks", "data"), STEPS)
def test_the_only_node_is_full(breaks: str, data: bytes) -> None:
    """The client learns that the disk is full, and nothing is visible."""
    store = with_broken(breaks, NodeFull("full"), nodes=1)
    with pytest.raises(NodeFull):
        now(put(store, Body(data)))
    with pytest.raises(NoSuchKey):
        now(store.objects.head("objects", "k", GetRequest()))
    assert store.fragments == 0


def test_nodes_known_to_be_full() -> None:
    """The body is not asked for, and the client learns why."""
    store = Store(3)
    for node in store.nodes[:2]:
        row = store.cluster.rows[node.node_id]
        store.cluster.rows[node.node_id] = evolve(row, free=row.capacity // 50)
    body = Body(LARGE)
    with pytest.raises(NodeFull, match="2 of these have full disks"):
        now(put(store, body))
    assert not body.asked_for


def test_too_few_nodes_finish() -> None:
    """One of three sealed is no quorum: it is removed again."""
    broken = [BrokenNode(f"{n:032x}", "seal", NodeUnreachable("gone")) for n in range(2)]
    store = Store([*broken, MemoryFragments(f"{2:032x}")])
    with pytest.raises(NotEnoughNodes):
        now(put(store, Body(LARGE)))
    assert store.fragments == 0


class SlowNode(MemoryFragments):
    """Takes its time: what is listed in `slow` waits for `gate`, and then is done."""

    def __init__(self, node_id: str, slow: str) -> None:
        super().__init__(node_id)
        self.slow, self.gate = slow, Deferred[None]()

    def put(self, header: Any, payload: Any) -> Any:
        return self._late("put", super().put, header, payload)

    def upload(self, name: Any, length: Any) -> Any:
        opened = self._late("open", super().upload, name, length)
        return opened.addCallback(self._with_slow_seal)

    def _with_slow_seal(self, upload: Any) -> Any:
        seal = upload.seal
        upload.seal = lambda header: self._late("seal", seal, header)
        return upload

    def _late(self, step: str, work: Any, *args: Any) -> Any:
        """Whoever cancels learns nothing more, and the work is done even so."""
        if step != self.slow:
            return work(*args)
        told = Deferred[Any]()
        self.gate.addCallback(lambda _: work(*args).addCallback(told.callback) and None)
        return told


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_whole_body_is_there_before_the_nodes_are(size: int) -> None:
    """A body of unknown length that ends while the uploads are opened is stored whole."""
    data = b"x" * size
    node = SlowNode(f"{0:032x}", "open")
    store = Store([node])
    upload = put(store, Body(data, announced=False))
    node.gate.callback(None)
    assert now(upload).size == size
    assert get(store) == data


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_a_commit_that_is_broken_off_removes_nothing(data: bytes) -> None:
    """A server that stops in a hurry cannot know whether the commit has happened."""
    store = Store(3)
    commit, answers = store.catalog.commit, Deferred[None]()
    store.catalog.commit = lambda *a: commit(*a).addCallback(lambda _: answers)  # type: ignore
    upload = put(store, Body(data))
    store.background.cancel()
    with pytest.raises(CancelledError):
        now(upload)
    assert get(store) == data


def test_a_commit_that_fails_like_nothing_foreseen_removes_nothing() -> None:
    """Whatever broke, the object may be visible."""
    store = Store(3)
    commit = store.catalog.commit
    store.catalog.commit = lambda *a: commit(*a).addCallback(lambda _: 1 // 0)  # type: ignore
    with pytest.raises(ZeroDivisionError):
        now(put(store, Body(SMALL)))
    assert get(store) == SMALL


@pytest.mark.parametrize(("slow", "data"), [("put", SMALL), ("seal", LARGE)])
def test_what_a_straggler_stores_in_the_end_is_removed(slow: str, data: bytes) -> None:
    """It is in no layout, so nobody else would ever find it."""
    late = SlowNode(f"{0:032x}", slow)
    store = Store([late, *(MemoryFragments(f"{n:032x}") for n in range(1, 3))])
    upload = put(store, Body(data))
    store.clock.advance(1.0)
    remove, asked = late.remove, []
    late.remove = lambda name: asked.append(name) or remove(name)  # type: ignore
    store.clock.advance(1.1)
    now(upload)
    assert len(asked) == 1


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_a_node_that_cannot_be_reached_at_all_is_passed_over(data: bytes) -> None:
    """It is registered and was alive a moment ago, but nobody here knows a way to it."""
    store = Store(3)
    del store.cluster.stores[store.nodes[0].node_id]
    now(put(store, Body(data)))
    assert get(store) == data


def test_a_full_disk_is_no_dead_one() -> None:
    """Of two copies one is enough only while the other node is dead: a disk may die any time."""
    store = Store(2)
    first = store.nodes[0].node_id
    row = store.cluster.rows[first]
    store.cluster.rows[first] = evolve(row, free=0)
    with pytest.raises(NodeFull):
        now(put(store, Body(SMALL)))
    store.cluster.dead.add(first)
    now(put(store, Body(SMALL)))
    assert len(now(store.catalog.repairs())) == 1


def test_a_failed_disk_is_a_dead_one() -> None:
    """Its server still beats, and says so."""
    store = Store(2)
    first = store.nodes[0].node_id
    store.cluster.rows[first] = evolve(store.cluster.rows[first], state=NodeState.FAILED)
    now(put(store, Body(SMALL)))
    assert len(now(store.catalog.repairs())) == 1
