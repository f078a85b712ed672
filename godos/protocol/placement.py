"""
Where fragments go: rendezvous hashing over nodes, weighted by capacity.

Every server that knows the same nodes answers alike, and a node that comes or goes moves
only the fragments that it gains or loses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import itemgetter

from godos.model.members import Node, NodeState
from godos.model.policy import Policy

AUTO = "auto"  # the policy that follows the number of nodes
FULLEST = 0.95  # share of a disk beyond which it takes no new fragments
_SCALE = float(1 << 64)
_FIRST = itemgetter(0)
_FIRST_TWO = itemgetter(0, 1)


def score(incarnation: str, node: str, weight: float) -> float:
    """
    How strongly `node` is drawn to a blob; the highest scores win.

    `-weight / ln(h)` for a hash h uniform in (0, 1) makes a node win in proportion to its
    weight.  Source: Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005.
    """
    digest = sha256(f"{incarnation}/{node}".encode("ascii")).digest()
    h = (int.from_bytes(digest[:8], "big") + 0.5) / _SCALE
    return -weight / math.log(h)


def rank(incarnation: str, nodes: Iterable[Node]) -> list[Node]:
    """All `nodes`, most wanted first, by score alone."""
    scored = [(-score(incarnation, n.id, max(n.capacity, 1)), n.id, n) for n in nodes]
    scored.sort(key=_FIRST_TWO)
    return [node for _, _, node in scored]


def takes_new(node: Node) -> bool:
    """Whether new fragments may be placed on `node`."""
    return node.state is NodeState.UP and not is_full(node)


def is_full(node: Node) -> bool:
    """Whether its disk is fuller than `FULLEST`, as far as its last beat told."""
    return node.capacity - node.free >= node.capacity * FULLEST


def candidates(incarnation: str, nodes: Iterable[Node]) -> list[Node]:
    """
    The nodes that may take fragments of a blob, best first: distinct zones before rank.

    Each zone gives its best node before any gives its second, so the loss of a zone takes
    as few fragments of a blob as can be.

    Take as many as the policy asks for, and go on down the list when one refuses.
    """
    ranked = rank(incarnation, filter(takes_new, nodes))
    seen: dict[str, int] = {}
    rounds = []
    for node in ranked:
        before = seen.get(node.zone, 0)
        seen[node.zone] = before + 1
        rounds.append((before, node))
    if len(seen) == len(ranked):
        return ranked  # each in a zone of its own
    return [node for _, node in sorted(rounds, key=_FIRST)]


def failure_domains(nodes: Sequence[Node]) -> int:
    """Nodes that count for the policy `auto`: registered, and not being emptied."""
    return sum(1 for node in nodes if node.state is not NodeState.DRAINING)


def policy_of(text: str, nodes: Sequence[Node]) -> Policy:
    """
    The policy that `auto`, or the text of a policy, means over the registered `nodes`.

    Raises:
        ValueError: `text` is neither.
    """
    return Policy.auto(failure_domains(nodes)) if text == AUTO else Policy.parse(text)
