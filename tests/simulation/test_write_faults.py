"""Writes while nodes fail, hang, fill up and die at any step, under copies and codes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime

from godos.model.errors import NodeFailed, NodeFull, NodeUnreachable, NoSuchKey, Unavailable
from godos.model.names import FragmentName
from godos.model.objects import GetRequest, PutRequest
from godos.model.policy import SMALL_CODED, Policy
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Body, Store, now, whole

DATA = Random(5).randbytes((5 << 20) // 2)
SIZES = (1, SMALL_CODED + 1, 1 << 20, len(DATA))
TIME_OUT = 10.0  # seconds after which whoever asks a hung node gives up


@frozen
class Fault:
    """`step` fails from the `after`th time on, as `kind` says."""

    step: str  # put | open | write | seal
    kind: str  # gone | full | broken | hung | mute (does it, and does not say so)
    after: int = 0


class FaultyNode(MemoryFragments):
    """A node with one fault, or none."""

    def __init__(self, node_id: str, fault: Fault | None) -> None:
        super().__init__(node_id)
        self.fault = fault
        self.clock: IReactorTime
        self._times: dict[str, int] = {}

    def _do(self, step: str, work: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        times = self._times[step] = self._times.get(step, -1) + 1
        fault = self.fault
        if fault is None or fault.step != step or times < fault.after:
            return work()
        if fault.kind == "hung":
            hung: Deferred[Any] = Deferred()
            return hung.addTimeout(TIME_OUT, self.clock, self._timed_out)
        if fault.kind == "mute":
            return work().addCallback(lambda _: fail(NodeUnreachable("the answer was lost")))
        error = {"gone": NodeUnreachable, "full": NodeFull, "broken": NodeFailed}[fault.kind]
        return fail(error(fault.kind))

    def _timed_out(self, *_: Any) -> Any:
        raise NodeUnreachable("no answer")

    def put(self, header: Any, payload: Any) -> Any:
        return self._do("put", lambda: super(FaultyNode, self).put(header, payload))

    def upload(self, name: Any, length: Any) -> Any:
        opened = self._do("open", lambda: super(FaultyNode, self).upload(name, length))
        return opened.addCallback(self._watched)

    def _watched(self, upload: Any) -> Any:
        write, seal = upload.write, upload.seal
        upload.write = lambda pieces: self._do("write", lambda: write(pieces))
        upload.seal = lambda header: self._do("seal", lambda: seal(header))
        return upload


faults = st.one_of(
    st.none(),
    st.none(),
    st.builds(
        Fault,
        st.sampled_from(["put", "open", "write", "seal"]),
        st.sampled_from(["gone", "full", "broken", "hung", "mute"]),
        st.integers(0, 2),
    ),
)
clusters = st.sampled_from(["copies=1", "copies=2", "copies=3", "ec=2+1", "ec=3+2", "ec=4+2"])


def ended(store: Store, work: Deferred[Any]) -> Any:
    """The result of `work`, or its error, once time has passed."""
    results: list[Any] = []
    work.addBoth(results.append)
    for _ in range(200):
        if results:
            break
        store.clock.advance(0.5)
    assert results, "it never ends"
    for _ in range(50):  # what goes on in the background
        store.clock.advance(0.5)
    return getattr(results[0], "value", results[0])


def kept(store: Store) -> set[tuple[str, FragmentName]]:
    """All fragments on all nodes."""
    return {(node.node_id, name) for node in store.nodes for name in node.fragments}


@given(clusters, st.sampled_from(SIZES), st.booleans(), st.integers(0, 2), st.data())
@settings(max_examples=250, deadline=None)
def test_a_write_is_durable_or_leaves_nothing(
    text: str, size: int, announced: bool, spare: int, draw: st.DataObject
) -> None:
    """
    Whatever fails: a write that was acknowledged survives the loss of any one disk right
    after, wants repair unless it is as it should be, and a refused one is nowhere.
    """
    policy = Policy.parse(text)
    nodes = [
        FaultyNode(f"{number:032x}", draw.draw(faults)) for number in range(policy.width + spare)
    ]
    store = Store(nodes, text)
    for node in nodes:
        node.clock = store.clock
    data = DATA[:size]
    body = Body(data, 200_000, announced)
    end = ended(store, store.objects.put("objects", "k", body, PutRequest()))
    if isinstance(end, Exception):
        assert isinstance(end, Unavailable | NodeFull), end
        assert not kept(store)
        assert isinstance(ended(store, store.objects.head("objects", "k", GetRequest())), NoSuchKey)
        return
    blob = now(store.catalog.blob(end.incarnation))
    layout = {(placed.node, FragmentName(blob.incarnation, placed.index)) for placed in blob.layout}
    assert kept(store) == layout
    as_wanted = blob.policy == policy.for_size(size) and not blob.below_target
    assert bool(now(store.catalog.repairs())) is not as_wanted
    for node in nodes:
        node.fault = None
    for placed in blob.layout:
        assert read_without(store, placed.node, policy.width > 1) == data


def read_without(store: Store, lost: str, survives: bool) -> bytes:
    """The object when one disk is lost, where the policy promises that it survives that."""
    node = store.cluster.stores[lost]
    node.broken = NodeUnreachable("the disk died") if survives else None
    found = whole(ended(store, store.objects.get("objects", "k", GetRequest())))
    node.broken = None
    return found
