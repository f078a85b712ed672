"""What must hold of a catalog's rows at any moment, whoever wrote them in whatever order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from godos.catalog.items import IItemStore, Item
from godos.catalog.places import MAX_SEQ
from godos.model.blobs import BlobState
from godos.model.policy import Policy


async def audit(items: IItemStore) -> Rows:
    """
    Read all rows and check them against each other.

    Raises:
        AssertionError: something is lost, or nobody would ever collect it.
    """
    rows = Rows.of([item async for item in _all(items)])
    rows.check_histories()
    rows.check_references()
    rows.check_blobs()
    return rows


async def _all(items: IItemStore) -> Any:
    cursor = None
    while True:
        page = await items.scan(cursor)
        for item in page.items:
            yield item
        cursor = page.cursor
        if cursor is None:
            return


@frozen
class Rows:
    """The rows by kind; keys of objects are (bucket id, key)."""

    heads: dict[tuple[str, str], Item]
    older: dict[tuple[str, str], list[Item]]
    blobs: dict[str, Item]
    references: set[tuple[str, str]]
    collect: set[str]
    repair: set[str]

    @classmethod
    def of(cls, items: Iterable[Item]) -> Rows:
        rows = cls({}, defaultdict(list), {}, set(), set(), set())
        for item in items:
            kind, _, rest = item.p.partition("#")
            if kind == "O":
                rows.heads[rest.rpartition("#")[0], item.s.decode()] = item
            elif kind == "H":
                rows.older[rest.partition("#")[0], item.data["key"]].append(item)
            elif kind == "B":
                rows.blobs[rest] = item
            elif kind == "R":
                rows.references.add((rest, item.s.decode()))
            elif kind == "G":
                rows.collect.add(item.s[8:].hex())
            elif kind == "F":
                rows.repair.add(item.s.hex())
        return rows

    @property
    def versions(self) -> list[Item]:
        return [*self.heads.values(), *(item for some in self.older.values() for item in some)]

    def check_histories(self) -> None:
        for place, older in self.older.items():
            head = self.heads.get(place)
            assert head is not None, f"{place} has older versions and no head"
            assert head.data.get("older"), f"the head of {place} does not know of older versions"
            for item in older:
                seq = item.data["seq"]
                assert seq < head.data["seq"], f"{place} has a version that is newer than its head"
                assert item.s == (MAX_SEQ - seq).to_bytes(8, "big")
                if item.data.get("null"):
                    assert head.data.get("nul") == seq, f"the null version of {place} is not found"
        for place, head in self.heads.items():
            nulls = sum(bool(i.data.get("null")) for i in (head, *self.older.get(place, ())))
            assert nulls <= 1, f"{place} has {nulls} null versions"

    def check_references(self) -> None:
        named = Counter(
            (item.data["inc"], item.data["ref"]) for item in self.versions if "inc" in item.data
        )
        assert max(named.values(), default=1) == 1, "a version is there twice"
        missing = set(named) - self.references
        assert not missing, f"versions without their reference: {missing}"
        idle = self.references - set(named)
        assert not idle, f"references that no version has: {idle}"

    def check_blobs(self) -> None:
        used = {incarnation for incarnation, _ in self.references}
        for incarnation in used:
            assert incarnation in self.blobs, f"the blob {incarnation} of a version is gone"
        for incarnation, item in self.blobs.items():
            if incarnation not in used:
                assert incarnation in self.collect, f"nobody will ever collect {incarnation}"
            indexes = {index for index, _ in item.data.get("layout", ())}
            if len(indexes) < Policy.parse(item.data["policy"]).width:
                assert incarnation in self.repair, f"nobody will ever repair {incarnation}"

    def check_at_rest(self) -> None:
        """What holds besides when no collector is between two of its steps."""
        for incarnation in {incarnation for incarnation, _ in self.references}:
            assert self.blobs[incarnation].state == BlobState.LIVE
