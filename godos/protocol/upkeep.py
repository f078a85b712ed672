"""
What a census says of one blob, and when a store may call itself healthy.  Without I/O.

The words, as docs/health.rst explains them to operators:

- *below target*: fewer good fragments, or on fewer nodes, than the blob's policy asks for,
  counting those on disks that answered.
- *lost*: fewer than reading needs are on any disk, and every registered node answered.
- *unreachable*: the same, while some node did not answer; it may have them.
- *stray*: a fragment that no layout names and that no blob needs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256

from attrs import frozen

from godos.model.blobs import GENERATION, Blob, Placed
from godos.model.members import Cluster, Node, NodeState
from godos.model.upkeep import Census

# what a node has of one blob: index -> since when it is known to be good
Shelf = Mapping[int, float]
DAY = 86400.0  # seconds

# How the reason of a repair begins that is to bring a blob to the policy that was wanted.
INSTEAD = re.compile(r"stored as \S+ instead of ([^\s,]+), for want of nodes")


def reason_now(standing: str, reason: str) -> str:
    """
    Why a blob waits for repair that waited already, and is found wanting again.

    That it has not the policy that was wanted stays said: nobody else would look for that.
    """
    kept = INSTEAD.match(standing)
    if kept is None or INSTEAD.match(reason):
        return reason
    return f"{kept[0]}; {reason}"


def members_mark(nodes: Iterable[Node], silent: Collection[str] = ()) -> str:
    """
    A text that differs when other nodes are registered, drain, failed, or are silent.

    A census is of use only as long as this does not change.
    """
    lines = sorted(
        f"{node.id} {node.state.value} {'silent' if node.id in silent else ''}" for node in nodes
    )
    return sha256("\n".join(lines).encode("ascii")).hexdigest()[:32]


# -- one blob -------------------------------------------------------------------------------
@frozen
class Verdict:
    """
    What became of the fragments of one blob.

    `good`, `missing` and `silent` are entries of its layout: on the disk; not there, says
    the node, or the node is registered no more; nobody can tell.  `found` are fragments
    beside the layout that take the place of ones that are not good, `surplus` all others.
    `since`: all good ones were read, or written, then or later; 0.0: not known.
    """

    good: tuple[Placed, ...]
    missing: tuple[Placed, ...]
    silent: tuple[Placed, ...]
    found: tuple[Placed, ...]
    surplus: tuple[Placed, ...]
    below_target: bool
    lost: bool
    unreachable: bool
    since: float

    @property
    def plain(self) -> bool:
        """Whether disks and layout agree, as far as nodes answered."""
        return not (self.missing or self.found or self.surplus)

    @property
    def reason(self) -> str:
        """
        Why it is to be repaired: `census: no I on node N; node M is silent; …`.

        The repairer reads it: the more is wrong the sooner, and not yet what is only silent.
        """
        wrong = [f"no {each.index} on node {each.node}" for each in self.missing]
        wrong += [f"node {each.node} is silent" for each in self.silent]
        return "census: " + ("; ".join(wrong) or "fewer fragments than its policy asks for")


def judge(
    blob: Blob,
    held: Mapping[str, Shelf],
    answered: Collection[str],
    registered: Collection[str],
) -> Verdict:
    """
    Compare a blob's layout with what is on disks.

    Args:
        held: node -> what it has of this blob.
        answered: the nodes whose disks were looked at.
        registered: all nodes that there are.
    """
    good, missing, silent = [], [], []
    for placed in blob.layout:
        if placed.index in held.get(placed.node, ()):
            good.append(placed)
        elif placed.node in answered or placed.node not in registered:
            missing.append(placed)
        else:
            silent.append(placed)
    if len(good) == len(blob.layout) == sum(map(len, held.values())):
        found, surplus = list[Placed](), list[Placed]()  # nearly always: all is where it should be
    else:
        found, surplus = _beside(blob, held, good)
    policy, at_hand = blob.policy, {placed.shard for placed in (*good, *found)}
    unreadable = len(at_hand) < policy.data
    all_told = not unreadable or set(registered) <= set(answered)
    return Verdict(
        good=tuple(good),
        missing=tuple(missing),
        silent=tuple(silent),
        found=tuple(found),
        surplus=tuple(surplus),
        below_target=_spread(good) < policy.width,
        lost=unreadable and all_told,
        unreachable=unreadable and not all_told,
        since=min((held[placed.node][placed.index] for placed in good), default=0.0),
    )


def _spread(good: Sequence[Placed]) -> int:
    """Two fragments of a blob on one node go together, and so do two of one shard count once."""
    return min(len({placed.shard for placed in good}), len({placed.node for placed in good}))


def _beside(
    blob: Blob, held: Mapping[str, Shelf], good: Sequence[Placed]
) -> tuple[list[Placed], list[Placed]]:
    """Fragments beside the layout: those that help, and those that do not."""
    named, have = set(blob.layout), {placed.shard for placed in good}
    nodes = {placed.node for placed in good}
    beside = {Placed(index, node) for node, shelf in held.items() for index in shelf} - named
    found, surplus = [], []
    for placed in sorted(beside, key=lambda each: (each.node in nodes, each.index, each.node)):
        ours = placed.index // GENERATION * GENERATION == blob.generation
        if ours and placed.shard < blob.policy.width and placed.shard not in have:
            have.add(placed.shard)
            found.append(placed)
        else:
            surplus.append(placed)
    return found, surplus


def joined(blob: Blob, verdict: Verdict, found: Collection[Placed]) -> tuple[Placed, ...]:
    """The layout with `found`, which were read back, in the place of what is not good."""
    shards = {placed.shard for placed in found}
    kept = [
        placed for placed in blob.layout if placed in verdict.good or placed.shard not in shards
    ]
    return tuple(sorted((*kept, *found), key=lambda placed: (placed.index, placed.node)))


# -- the whole store ------------------------------------------------------------------------
class Health(StrEnum):
    """From bad to good; the first that fits is the store's."""

    LOST = "lost"  # bytes are on no disk any more
    UNREACHABLE = "unreachable"  # bytes cannot be read until nodes come back
    DEGRADED = "degraded"  # all can be read, and less may fail than should
    UNKNOWN = "unknown"  # nobody has counted since something changed
    HEALTHY = "healthy"


@frozen
class Facts:
    """What is known of a store: `silent` are nodes that do not answer now."""

    cluster: Cluster
    nodes: Sequence[Node]
    silent: Collection[str]
    census: Census | None
    waiting: int  # blobs that wait for repair
    overdue: bool = False  # the last census is older than it should ever become


@frozen
class Assessment:
    """One word, and in sentences what stands behind it."""

    health: Health
    reasons: tuple[str, ...]


def assess(facts: Facts) -> Assessment:
    """
    What the store may say of itself.

    It is healthy only when a census that finished after the last change of membership found
    nothing below target, and nothing has come up since.
    """
    found = [*_of_bytes(facts), *_of_nodes(facts), *_of_work(facts), *_of_census(facts)]
    order = list(Health)
    health = min((word for word, _ in found), key=order.index, default=Health.HEALTHY)
    return Assessment(health, tuple(sentence for _, sentence in found))


_Said = list[tuple[Health, str]]


def _of_bytes(facts: Facts) -> _Said:
    census, said = facts.census, _Said()
    if census is None:
        return said
    if census.lost:
        said.append((Health.LOST, f"{_blobs(census.lost)} lost: no disk has enough of them."))
    if census.unreachable:
        silent = ", ".join(census.silent)
        said.append(
            (
                Health.UNREACHABLE,
                f"{_blobs(census.unreachable)} cannot be read until silent nodes are back "
                f"({silent}).",
            )
        )
    if census.below_target:
        said.append((Health.DEGRADED, f"{_blobs(census.below_target)} below target."))
    return said


def _of_nodes(facts: Facts) -> _Said:
    said = _Said()
    for node in facts.nodes:
        if node.state is NodeState.FAILED:
            said.append((Health.DEGRADED, f"Node {node.id} failed: {node.reason}."))
        elif node.id in facts.silent:
            said.append((Health.DEGRADED, f"Node {node.id} at {node.address} does not answer."))
    return said


def _of_work(facts: Facts) -> _Said:
    said = _Said()
    if facts.waiting:
        said.append((Health.DEGRADED, f"{_blobs(facts.waiting)} waiting for repair."))
    if facts.cluster.epoch > facts.cluster.confirmed:
        said.append(
            (
                Health.UNKNOWN,
                "The catalog was imported or rebuilt: fragments that it does not know stay, "
                f"until `godos gc --confirm-epoch {facts.cluster.epoch}`.",
            )
        )
    return said


def _of_census(facts: Facts) -> _Said:
    census = facts.census
    if census is None:
        return [(Health.UNKNOWN, "No census has finished yet.")]
    if census.epoch != facts.cluster.epoch:
        return [(Health.UNKNOWN, "The catalog was imported or rebuilt since the last census.")]
    if census.members != members_mark(facts.nodes, facts.silent):
        return [(Health.UNKNOWN, "Nodes came, went or changed since the last census.")]
    if facts.overdue:
        return [(Health.UNKNOWN, "The last census is long ago, and no other finished since.")]
    return []


def _blobs(number: int) -> str:
    return "1 blob is" if number == 1 else f"{number} blobs are"
