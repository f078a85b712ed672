"""
Which fragments of a blob stay, and where the others are to be.  Decides, and does nothing.

Every shard is to have one good fragment, all on different nodes, zones being shared out
first.  What is good and may stay does; what is good and must leave is moved; what waits for
a node that is silent since not long is waited for; all else is made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import frozen

from godos.model.blobs import Blob, Placed
from godos.model.members import Node
from godos.objects.upkeep.examining import Finding, State
from godos.protocol.placement import rank, takes_new


@frozen
class Want:
    """
    A shard that needs a fragment elsewhere.

    `source` is a good fragment of it that is to leave its node; None: it is to be made anew.
    """

    shard: int
    source: Placed | None = None


@frozen
class Seating:
    """
    What is to become of the fragments of a blob.

    Args:
        kept: good fragments that stay, one for each of their shards.
        awaited: those of nodes that are silent since not long.
        wants: the most urgent first.
    """

    kept: tuple[Placed, ...]
    awaited: tuple[Placed, ...]
    wants: tuple[Want, ...]


def seating(
    blob: Blob,
    findings: Sequence[Finding],
    avoid: Collection[str] = (),
    prefer: Sequence[str] = (),
) -> Seating:
    """
    Args:
        findings: of the layout's fragments, and of those that were found elsewhere.
        avoid: nodes that no fragment is to stay on.
        prefer: nodes on which one is rather left than on others.
    """
    good = [finding.placed for finding in findings if finding.state is State.GOOD]
    staying = [placed for placed in good if placed.node not in avoid]
    staying.sort(key=lambda placed: placed.node not in prefer)
    kept = _spread(staying)
    awaited = {
        finding.shard: finding.placed
        for finding in findings
        if finding.state is State.SILENT
        and finding.placed.node not in avoid
        and finding.shard not in kept
    }
    rest = [n for n in range(blob.policy.width) if n not in kept and n not in awaited]
    leaving = {placed.shard: placed for placed in reversed(good)}
    wants = [Want(shard) for shard in rest if shard not in leaving]
    wants += [Want(shard, leaving[shard]) for shard in rest if shard in leaving]
    return Seating(
        tuple(placed for _, placed in sorted(kept.items())),
        tuple(placed for _, placed in sorted(awaited.items())),
        tuple(wants),
    )


def _spread(places: Iterable[Placed]) -> dict[int, Placed]:
    """One fragment for as many shards as possible, no two on one node: shard -> place."""
    options: dict[int, list[Placed]] = {}
    for placed in places:
        options.setdefault(placed.shard, []).append(placed)
    chosen: dict[str, Placed] = {}  # node -> what stays there

    def seat(shard: int, passed: set[str]) -> bool:
        """Find a node for a shard; others may have to move to another of theirs."""
        for placed in options[shard]:
            if placed.node not in passed:
                passed.add(placed.node)
                holder = chosen.get(placed.node)
                if holder is None or seat(holder.shard, passed):
                    chosen[placed.node] = placed
                    return True
        return False

    for shard in sorted(options):
        seat(shard, set())
    return {placed.shard: placed for placed in chosen.values()}


def seats(
    blob: Blob,
    plan: Seating,
    findings: Sequence[Finding],
    nodes: Iterable[Node],
    avoid: Collection[str] = (),
    prefer: Sequence[str] = (),
) -> Mapping[Want, Node]:
    """
    A node for each want, as far as there are nodes.

    Nodes that hold, or may hold, a fragment of the blob already get no second one.  `prefer`
    comes first, then zones that have the fewest fragments, then placement's order; a node on
    which a fragment was damaged is taken when there is no other.

    Args:
        nodes: those that live.
    """
    zones = {node.id: node.zone for node in nodes}
    held = [*plan.kept, *plan.awaited]
    taken = {placed.node for placed in held} | set(avoid)
    bad = {f.placed.node: f.shard for f in findings if f.state is State.DAMAGED}
    used = Counter(zones[placed.node] for placed in held if placed.node in zones)
    open_ = [n for n in rank(blob.incarnation, filter(takes_new, nodes)) if n.id not in taken]
    chosen: list[Node] = []
    while open_ and len(chosen) < len(plan.wants):
        best = min(open_, key=lambda n: (n.id not in prefer, n.id in bad, used[n.zone]))
        open_.remove(best)
        used[best.zone] += 1
        chosen.append(best)
    return _matched(plan.wants[: len(chosen)], chosen, findings)


def _matched(
    wants: Sequence[Want], nodes: Sequence[Node], findings: Sequence[Finding]
) -> Mapping[Want, Node]:
    """Give a node that should have a shard that very one; the others as they come."""
    named = {(finding.placed.node, finding.shard) for finding in findings}
    left, matched = list(wants), dict[Want, Node]()
    rest = []
    for node in nodes:
        own = next((want for want in left if (node.id, want.shard) in named), None)
        if own is None:
            rest.append(node)
        else:
            left.remove(own)
            matched[own] = node
    return matched | dict(zip(left, rest, strict=True))


def layout_of(blob: Blob, plan: Seating, findings: Sequence[Finding]) -> tuple[Placed, ...]:
    """
    The layout that says what is true after all was done that could be.

    What could not be replaced stays in it, for its node may come back; only what a node says
    it does not have, or whose node has left, goes, and that only when the others suffice.
    """
    stuck = [want.source for want in plan.wants if want.source is not None]
    named = [*plan.kept, *plan.awaited, *stuck]
    lost = {f.placed for f in findings if f.state is State.MISSING or not f.known}
    bare = {want.shard for want in plan.wants if want.source is None}
    rest = [placed for placed in blob.layout if placed.shard in bare]
    if len(plan.kept) + len(stuck) >= blob.policy.data:
        rest = [placed for placed in rest if placed not in lost]
    return tuple(sorted({*named, *rest}, key=lambda placed: (placed.index, placed.node)))


def missing_of(plan: Seating) -> tuple[int, ...]:
    """The shards that have no fragment known to be good."""
    bare = [want.shard for want in plan.wants if want.source is None]
    return tuple(sorted([*bare, *(placed.shard for placed in plan.awaited)]))


def trouble_of(plan: Seating, findings: Sequence[Finding], troubles: Sequence[str]) -> str:
    """Why a blob is not as it should be, in a sentence; empty when it is."""
    reasons = {finding.placed: finding.reason for finding in findings}
    said = [f"node {placed.node} is waited for: {reasons[placed]}" for placed in plan.awaited]
    if plan.wants:
        shards = ", ".join(str(want.shard) for want in plan.wants)
        said += [f"no other node takes fragment {shards}", *troubles]
    return "; ".join(said)
