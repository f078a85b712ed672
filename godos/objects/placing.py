"""Choosing the nodes of one upload, and going on to others where one refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from godos.cluster.members import IMembers
from godos.deferreds import deferred
from godos.model.errors import NodeFailed, NodeFull, NodeUnreachable, NotEnoughNodes, WrongNode
from godos.model.members import Node, NodeState
from godos.model.names import FragmentName, new_id
from godos.model.policy import Policy
from godos.protocol import placement, quorum
from godos.transfer.fanout import FanOut

AUTO = "auto"


@frozen
class Plan:
    """What is decided of an upload before its body is asked for."""

    policy: Policy
    nodes: tuple[Node, ...]  # candidates, best first
    required: int  # fragments to be durable before the commit
    incarnation: str

    def name(self, index: int) -> FragmentName:
        """The name of fragment `index`."""
        return FragmentName(self.incarnation, index)


@define
class Target:
    """One fragment on its way to one node; `store` is an `IFragmentStore`."""

    index: int
    store: Any
    upload: Any = field(default=None)  # an IFragmentUpload, once opened


Step = Callable[[Target], "Deferred[Any]"]


class Placer:
    """
    Plans uploads over the nodes that live now.

    Args:
        policy: answers the policy in force, `auto` or `copies=N`.
    """

    def __init__(self, members: IMembers, clock: IReactorTime, policy: Callable[[], str]) -> None:
        self._members = members
        self._clock = clock
        self._policy = policy

    def plan(self) -> Plan:
        """
        Draw an incarnation and choose its nodes.

        Raises:
            NodeFull: disks that are full keep a durable write from being possible.
            NotEnoughNodes: so do nodes that are not there, or take nothing new.
        """
        registered = self._members.registered()
        text = self._policy()
        policy = (
            Policy.auto(placement.failure_domains(registered))
            if text == AUTO
            else Policy.parse(text)
        )
        live = [
            node for node in self._members.live() if self._members.fragments(node.id) is not None
        ]
        incarnation = new_id()
        nodes = placement.candidates(incarnation, live)
        # one that is full, or being emptied, is not dead: its copy is not done without
        required = quorum.required(policy, sum(node.state is not NodeState.FAILED for node in live))
        if len(nodes) < required:
            full = sum(node.state is NodeState.UP and placement.is_full(node) for node in live)
            error = NodeFull if len(nodes) + full >= required else NotEnoughNodes
            raise error(
                f"the policy {policy} needs {required} nodes for a durable write; of "
                f"{len(registered)} registered {len(live)} are alive, {full} of these have full "
                f"disks, and {len(nodes)} take new data"
            )
        return Plan(policy, tuple(nodes), required, incarnation)

    @deferred
    async def spread(self, plan: Plan, what: str, step: Step) -> FanOut:
        """
        Do `step` for every fragment of the plan; where a node fails, try the next candidate.

        Answers a fan-out of those that did it.  May be fewer than required: see
        `FanOut.require`.
        """
        stores = [(node.id, self._members.fragments(node.id)) for node in plan.nodes]
        # a node may have left since it was planned with
        spare = [(node, store) for node, store in stores if store is not None]
        missing = list(range(plan.policy.width))
        done = FanOut({}, plan.required, self._clock)
        while missing and spare:
            chosen, spare = spare[: len(missing)], spare[len(missing) :]
            targets = {
                node: Target(index, store)
                for index, (node, store) in zip(missing, chosen, strict=False)
            }
            enough = max(1, plan.required - len(done.targets))
            fan = FanOut(targets, enough, self._clock)
            await fan.each(what, lambda _, target: step(target))
            self.blame(fan)
            done.targets |= fan.targets
            done.dropped |= fan.dropped
            placed = {target.index for target in done.targets.values()}
            missing = [index for index in missing if index not in placed]
        return done

    def blame(self, fan: FanOut) -> None:
        """Leave nodes that fell silent out of the next uploads, until they beat again."""
        for node, failure in fan.dropped.items():
            if silent(failure):
                self._members.suspect(node)


def silent(failure: Failure) -> bool:
    """Whether a failure says that the node is not there, rather than that it refused."""
    return failure.check(NodeUnreachable, NodeFailed, WrongNode, CancelledError) is not None
