"""Writing the fragments that a blob wants, as long as there are nodes for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError

from godos.cluster.members import IMembers
from godos.model.blobs import Blob, Placed
from godos.model.errors import FragmentDamaged, GodosError, NoSuchFragment
from godos.objects.upkeep.examining import Examiner, Finding, State
from godos.objects.upkeep.genuine import of_generation
from godos.objects.upkeep.landing import Landed
from godos.objects.upkeep.rebuilding import Goal, Rebuilder
from godos.objects.upkeep.seating import Seating, Want, seating, seats


@define
class Effort:
    """
    What is done to one blob: how it is meant, and what came of it so far.

    Args:
        avoid: nodes that no fragment is to be on.
        prefer: nodes that had better have one.
        thorough: whether all fragments are read back.
    """

    avoid: frozenset[str] = frozenset()
    prefer: tuple[str, ...] = ()
    thorough: bool = True
    written: dict[Placed, int] = field(factory=dict)  # what was read back, and its bytes
    failed: set[str] = field(factory=set)  # nodes that took no fragment
    troubles: list[str] = field(factory=list)
    unreadable: bool = False  # nothing can be made anew

    def landed(self, landed: Landed) -> None:
        """Take note of fragments that are there now, and of nodes that took none."""
        self.written |= {placed: header.length for placed, header in landed.headers.items()}
        self.failed |= set(landed.failed)
        self.troubles += [f"node {node}: {why}" for node, why in landed.failed.items()]

    def seating(self, blob: Blob, findings: Sequence[Finding]) -> Seating:
        """What is to become of the fragments."""
        return seating(blob, findings, self.avoid, self.prefer)


class Filler:
    """Finds nodes for what a blob wants, and gives it to them; where one fails, to others."""

    def __init__(self, members: IMembers, examiner: Examiner, rebuilder: Rebuilder) -> None:
        self._members = members
        self._examiner = examiner
        self._rebuilder = rebuilder

    def chosen(self, goal: Goal, findings: Sequence[Finding], effort: Effort) -> Mapping[Want, str]:
        """A node for each shard that wants one, as far as there are."""
        nodes = [
            node
            for node in self._members.live()
            if node.id not in effort.failed and self._members.fragments(node.id) is not None
        ]
        plan = effort.seating(goal.target, findings)
        if effort.unreadable:
            plan = evolve(plan, wants=tuple(want for want in plan.wants if want.source))
        found = seats(goal.target, plan, findings, nodes, effort.avoid, effort.prefer)
        return {want: node.id for want, node in found.items()}

    async def fill(self, goal: Goal, findings: list[Finding], effort: Effort) -> list[Finding]:
        """
        Write all that is wanted and has a place; answers the findings with what was written.

        What goes wrong is in the effort, and not raised.  Each turn writes something, or
        leaves out a node or a source that failed.
        """
        while chosen := self.chosen(goal, findings, effort):
            if not goal.origin:
                goal = evolve(goal, origin=await self._origin(goal.blob, findings))
            findings = await self._made(goal, chosen, findings, effort)
            findings = await self._carried(goal.blob, chosen, findings, effort)
        return findings

    async def _origin(self, blob: Blob, findings: Sequence[Finding]) -> bytes:
        """The origin block that the blob's fragments carry."""
        for finding in findings:
            if finding.header is not None:
                return finding.header.origin
        there = [f.placed for f in findings if f.state in (State.GOOD, State.DAMAGED)]
        return await self._examiner.origin(blob, [*there, *blob.layout])

    async def _made(
        self, goal: Goal, chosen: Mapping[Want, str], findings: list[Finding], effort: Effort
    ) -> list[Finding]:
        """Make anew what has no good fragment."""
        places = {want.shard: node for want, node in chosen.items() if want.source is None}
        if not places:
            return findings
        readable = evolve(goal, blob=_readable(goal.blob, findings))
        try:
            landed: Landed = await self._rebuilder.rebuild(readable, places)
        except CancelledError:
            raise
        except GodosError as error:
            effort.unreadable = True
            effort.troubles.append(str(error))
            return findings
        effort.landed(landed)
        return _with(findings, landed)

    async def _carried(
        self, blob: Blob, chosen: Mapping[Want, str], findings: list[Finding], effort: Effort
    ) -> list[Finding]:
        """Copy what is good and is to be elsewhere."""
        for want, node in chosen.items():
            if want.source is None:
                continue
            try:
                landed: Landed = await self._rebuilder.carry(blob, want.source, node)
            except CancelledError:
                raise
            except GodosError as error:
                findings = _without(findings, want.source, error)
            else:
                effort.landed(landed)
                findings = _with(findings, landed)
        return findings


def _readable(blob: Blob, findings: Sequence[Finding]) -> Blob:
    """The blob as it is read without meeting what is known to be bad, where that is enough."""
    good = [finding.placed for finding in findings if finding.state is State.GOOD]
    ours = [placed for placed in good if of_generation(placed.index, blob.generation)]
    enough = len({placed.shard for placed in ours}) >= blob.policy.data
    return evolve(blob, layout=tuple(ours)) if enough else blob


def _with(findings: Sequence[Finding], landed: Landed) -> list[Finding]:
    """The findings, with fragments that were read back; they may stand where damaged ones did."""
    fresh = [Finding(at, State.GOOD, header=header) for at, header in landed.headers.items()]
    return [*(each for each in findings if each.placed not in landed.headers), *fresh]


def _without(findings: Sequence[Finding], placed: Placed, error: GodosError) -> list[Finding]:
    """The findings, of which a fragment could not be read after all."""
    state = State.SILENT
    if isinstance(error, FragmentDamaged):
        state = State.DAMAGED
    elif isinstance(error, NoSuchFragment):
        state = State.MISSING
    spoiled = Finding(placed, state, str(error))
    return [spoiled if each.placed == placed else each for each in findings]
