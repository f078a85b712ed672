"""Choosing the nodes of one upload, and going on to others where one refuses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from godos.cluster.members import IMembers
from godos.deferreds import deferred
from godos.model.blobs import GENERATION
from godos.model.errors import NodeFailed, NodeFull, NodeUnreachable, NotEnoughNodes, WrongNode
from godos.model.members import Node, NodeState
from godos.model.names import FragmentName, new_id
from godos.model.policy import Policy
from godos.protocol import placement, quorum
from godos.transfer.fanout import FanOut


@frozen
class Plan:
    """
    What is decided of an upload before its body is asked for.

    `wanted` is the policy that was asked for.  Where too few nodes take data now for a code,
    `policy` are copies instead, which survive the same number of losses.
    """

    policy: Policy
    wanted: Policy
    nodes: tuple[Node, ...]  # candidates, best first
    live: int  # nodes that are not known dead, whether they take data or not
    incarnation: str
    generation: int = 0  # the first index of its fragments
    required: int = field(init=False)  # fragments to be durable before the commit

    @required.default
    def _required(self) -> int:
        return quorum.required(self.policy, self.live)

    @property
    def fell_back(self) -> bool:
        """Whether the bytes are stored with another policy than they should be for good."""
        return self.wanted.coded and not self.policy.coded

    def name(self, index: int) -> FragmentName:
        """The name of fragment `index`."""
        return FragmentName(self.incarnation, index)

    def for_size(self, size: int) -> Plan:
        """The plan for a blob of `size` bytes: of a code, small ones are copies for good."""
        policy = self.wanted.for_size(size)
        if policy is self.wanted:
            return self
        return evolve(self, policy=policy, wanted=policy)

    def as_copies(self, but: Collection[str] = ()) -> Plan:
        """
        The same as copies that survive as much, under names that this plan does not use.

        Args:
            but: nodes that refused.
        """
        return evolve(
            self,
            policy=self.policy.as_copies(),
            nodes=tuple(node for node in self.nodes if node.id not in but),
            generation=self.generation + GENERATION,
        )


@define
class Target:
    """One fragment on its way to one node; `store` is an `IFragmentStore`."""

    index: int
    store: Any
    upload: Any = field(default=None)  # an IFragmentUpload, once opened

    @property
    def shard(self) -> int:
        """Which of the blob's fragments it is, from 0."""
        return self.index % GENERATION


Step = Callable[[Target], "Deferred[Any]"]


class Placer:
    """
    Plans uploads over the nodes that live now.

    Args:
        policy: answers the policy of uploads that ask for none.
    """

    def __init__(self, members: IMembers, clock: IReactorTime, policy: Callable[[], str]) -> None:
        self._members = members
        self._clock = clock
        self.policy = policy

    def plan(self, wanted: str = "") -> Plan:
        """
        Draw an incarnation and choose its nodes.

        Args:
            wanted: `auto`, or the text of a policy; "": the one of uploads that ask for none.

        Raises:
            NodeFull: disks that are full keep a durable write from being possible.
            NotEnoughNodes: so do nodes that are not there, or take nothing new; or there
                never were enough for the code that is wanted.
        """
        registered = self._members.registered()
        policy = placement.policy_of(wanted or self.policy(), registered)
        if policy.coded:
            _check_width(policy, placement.failure_domains(registered))
        live = [
            node for node in self._members.live() if self._members.fragments(node.id) is not None
        ]
        incarnation = new_id()
        nodes = placement.candidates(incarnation, live)
        # one that is full, or being emptied, is not dead: its copy is not done without
        alive = sum(node.state is not NodeState.FAILED for node in live)
        plan = Plan(policy, policy, tuple(nodes), alive, incarnation)
        if policy.coded and len(nodes) < plan.required:
            plan = evolve(plan, policy=policy.as_copies())
        if len(nodes) < plan.required:
            full = sum(node.state is NodeState.UP and placement.is_full(node) for node in live)
            error = NodeFull if len(nodes) + full >= plan.required else NotEnoughNodes
            raise error(
                f"the policy {plan.policy} needs {plan.required} nodes for a durable write; of "
                f"{len(registered)} registered {len(live)} are alive, {full} of these have full "
                f"disks, and {len(nodes)} take new data"
            )
        return plan

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
        missing = list(range(plan.generation, plan.generation + plan.policy.width))
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


def _check_width(policy: Policy, nodes: int) -> None:
    """
    Raises:
        NotEnoughNodes: no blob of this code could ever be at target.
    """
    if nodes < policy.width:
        raise NotEnoughNodes(
            f"the policy {policy} needs {policy.width} nodes, and {nodes} are registered that are "
            "not being emptied: add some, or choose a policy with fewer fragments"
        )
