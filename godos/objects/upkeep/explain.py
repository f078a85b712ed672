"""
Why an object can be read, or cannot: where its fragments are, and why there.

The catalog says where they should be, and the nodes are asked now; whoever does not answer
in time is told of as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.deferreds import deferred
from godos.model.blobs import Blob, Placed
from godos.model.catalog import ICatalog
from godos.model.members import Node
from godos.model.versions import ObjectVersion
from godos.objects.upkeep.interview import Answers, Interview, Said
from godos.protocol.placement import candidates, rank, takes_new
from godos.protocol.survival import losses, readable

ROW_LOST = "the catalog has the object, but lost the row of its bytes"


@frozen
class _Piece:
    """One blob of an object; `part` is None of an object that was uploaded in one."""

    part: int | None
    incarnation: str
    row: Blob | None


class Explainer:
    """Asks the catalog and the nodes about one object."""

    def __init__(self, catalog: ICatalog, members: IMembers, clock: IReactorTime) -> None:
        self._catalog = catalog
        self._members = members
        self._interview = Interview(members, clock)

    @deferred
    async def explain(
        self,
        bucket: str,
        key: str,
        version_id: str | None = None,
        after: int = 0,
        limit: int = 20,
        verify: bool = False,
    ) -> Mapping[str, Any]:
        """
        What is known of a version, JSON-able; see docs/explain.rst.

        Args:
            after: of an object in parts, only those with a number above it.
            limit: blobs that are told of; `next` goes on after them.
            verify: let nodes read the fragments back, and not only look whether they have
                them.

        Fails: NoSuchBucket, NoSuchKey, NoSuchVersion; as the catalog does.
        """
        version = await self._version(bucket, key, version_id)
        pieces, following = await self._pieces(version, after, limit)
        rows = [piece.row for piece in pieces if piece.row is not None]
        answers = await self._interview.ask(rows, verify)
        blobs = [self._blob(piece, answers) for piece in pieces]
        return {
            "bucket": bucket,
            "key": key,
            "version": _version(version),
            "readable": all(blob["readable"] for blob in blobs),
            "reasons": [blob["reason"] for blob in blobs if blob["reason"]],
            "losses": min((blob["losses"] for blob in blobs), default=None),
            "nodes": _deaths([piece.row for piece in pieces], answers),
            "blobs": blobs,
            "next": following,
        }

    async def _version(self, bucket: str, key: str, version_id: str | None) -> ObjectVersion:
        found = await self._catalog.bucket(bucket)
        if version_id is None:
            return await self._catalog.head(found, key)
        return await self._catalog.version(found, key, version_id)

    async def _pieces(
        self, version: ObjectVersion, after: int, limit: int
    ) -> tuple[list[_Piece], int | None]:
        """The blobs of a version, and the number of the last one when there are more."""
        if version.incarnation is not None:
            row = await self._catalog.blob(version.incarnation)
            return [_Piece(None, version.incarnation, row)], None
        if version.manifest is None:
            return [], None
        parts = await self._catalog.manifest(version.manifest)
        left = [part for part in parts if part.number > after and part.incarnation is not None]
        pieces = []
        for part in left[:limit]:
            assert part.incarnation is not None
            row = await self._catalog.blob(part.incarnation)
            pieces.append(_Piece(part.number, part.incarnation, row))
        return pieces, pieces[-1].part if len(left) > limit else None

    # -- one blob -------------------------------------------------------------------------------
    def _blob(self, piece: _Piece, answers: Answers) -> Mapping[str, Any]:
        blob = piece.row
        if blob is None:
            return {
                "part": piece.part,
                "blob": piece.incarnation,
                "readable": False,
                "reason": ROW_LOST,
                "losses": 0,
                "fragments": [],
            }
        good, policy = answers.good(blob), blob.policy
        can = readable((*good, *answers.beside(blob)), policy.data)
        shards = {placed.shard for placed in good}
        return {
            "part": piece.part,
            "blob": blob.incarnation,
            "size": blob.size,
            "policy": str(policy),
            "codec": blob.codec,
            "state": blob.state.value,
            "good": len(shards),
            "needed": policy.data,
            "wanted": policy.width,
            "missing": [shard for shard in range(policy.width) if shard not in shards],
            "readable": can,
            "reason": "" if can else _reason(blob, answers),
            "losses": losses(good, policy.data) if can else 0,
            "fragments": [self._fragment(blob, placed, answers) for placed in blob.layout],
            "elsewhere": [
                {"index": placed.index, "shard": placed.shard, "node": placed.node}
                for placed in answers.beside(blob)
            ],
        }

    def _fragment(self, blob: Blob, placed: Placed, answers: Answers) -> Mapping[str, Any]:
        nodes = {node.id: node for node in self._members.registered()}
        node, said = nodes.get(placed.node), answers.of(blob, placed)
        return {
            "index": placed.index,
            "shard": placed.shard,
            "node": placed.node,
            "zone": node.zone if node else "",
            "address": node.address if node else "",
            "node_state": node.state.value if node else "not registered",
            "silence": round(self._members.silence(placed.node), 1),
            "present": said.present.value,
            "trouble": said.trouble,
            "verified": said.verified or None,
            **_place(blob, placed, list(nodes.values())),
        }


def _version(version: ObjectVersion) -> Mapping[str, Any]:
    return {
        "id": version.version_id,
        "latest": version.is_latest,
        "delete_marker": version.is_delete_marker,
        "size": version.size,
        "etag": version.etag,
        "modified": version.modified,
        "storage_class": version.attributes.storage_class,
        "encrypted": version.attributes.encryption is not None,
        "parts": version.parts,
    }


def _reason(blob: Blob, answers: Answers) -> str:
    """What a reader is told with the 503."""
    troubles = [
        f"{placed.node}: {said.trouble}"
        for placed in blob.layout
        if (said := answers.of(blob, placed)).present is not Said.YES
    ]
    troubles += [
        f"no answer from {node}"
        for node in sorted(answers.silent - {placed.node for placed in blob.layout})
    ]
    have = len({placed.shard for placed in (*answers.good(blob), *answers.beside(blob))})
    return (
        f"no node gives the object's bytes now: {have} of the {blob.policy.data} fragments that "
        "reading needs are there; " + "; ".join(troubles)
    )


# -- why it is there --------------------------------------------------------------------------
def _place(blob: Blob, placed: Placed, nodes: Sequence[Node]) -> Mapping[str, Any]:
    """
    Where the node stands for this blob.

    `rank` is its place among all nodes in the order of the hash, which is weighted by
    capacity; `choice` the one after zones are spread and nodes that take no new data left
    out.  Both count from 1, None: it is not among them.
    """
    ranked = [node.id for node in rank(blob.incarnation, nodes)]
    chosen = [node.id for node in candidates(blob.incarnation, nodes)]
    place, choice = _number(ranked, placed.node), _number(chosen, placed.node)
    node = next((node for node in nodes if node.id == placed.node), None)
    total = sum(each.capacity for each in nodes)
    return {
        "rank": place,
        "choice": choice,
        "weight": round(node.capacity / total, 4) if node is not None and total else None,
        "why": _why(blob, node, place, choice),
    }


def _number(ids: Sequence[str], node: str) -> int | None:
    return ids.index(node) + 1 if node in ids else None


def _why(blob: Blob, node: Node | None, place: int | None, choice: int | None) -> str:
    width = blob.policy.width
    if node is None:
        return "its node is not registered any more"
    if choice is None or not takes_new(node):
        return "placed here before; the node takes no new data now"
    if choice > width:
        return (
            f"placed here when others were full, silent or not there: now {width} nodes come "
            f"before it (choice {choice})"
        )
    if choice == place:
        return f"choice {choice} by the hash of the blob, weighted by capacity"
    return f"choice {choice}, as zones come first; by the hash alone it were {place}"


# -- what if ----------------------------------------------------------------------------------
def _deaths(rows: Sequence[Blob | None], answers: Answers) -> list[Mapping[str, Any]]:
    """For each node with fragments: whether all could be read without it, and what then."""
    known = [(row, answers.good(row)) for row in rows if row is not None]
    nodes = sorted({placed.node for _, good in known for placed in good})
    told: list[Mapping[str, Any]] = []
    for node in nodes:
        left = [
            (row.policy.data, [placed for placed in good if placed.node != node])
            for row, good in known
        ]
        can = len(known) == len(rows) and all(readable(good, data) for data, good in left)
        more = min(losses(good, data) for data, good in left) if can else 0
        told.append({"node": node, "readable_without": can, "losses_then": more})
    return told
