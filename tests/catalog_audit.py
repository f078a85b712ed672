"""What must hold of a catalog's rows at any moment, whoever wrote them in whatever order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import field, frozen

from godos.catalog.items import IItemStore, Item
from godos.catalog.places import MAX_SEQ, ONLY, content_place
from godos.catalog.records import ManifestState, blob_of
from godos.model.blobs import BlobState
from godos.model.multipart import Part, UploadState
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
    rows.check_contents()
    rows.check_manifests()
    rows.check_uploads()
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

    heads: dict[tuple[str, str], Item] = field(factory=dict)
    older: dict[tuple[str, str], list[Item]] = field(factory=lambda: defaultdict(list))
    blobs: dict[str, Item] = field(factory=dict)
    shared: set[str] = field(factory=set)
    contents: dict[str, Item] = field(factory=dict)
    references: set[tuple[str, str]] = field(factory=set)
    collect: set[str] = field(factory=set)
    repair: set[str] = field(factory=set)
    headings: dict[str, Item] = field(factory=dict)
    pages: dict[str, list[Item]] = field(factory=lambda: defaultdict(list))
    uploads: dict[str, Item] = field(factory=dict)
    parts: dict[str, list[Item]] = field(factory=lambda: defaultdict(list))
    opened: dict[tuple[str, str], list[str]] = field(factory=dict)
    due: set[str] = field(factory=set)
    events: list[Item] = field(factory=list)
    settings: dict[str, list[Item]] = field(factory=lambda: defaultdict(list))
    buckets: set[str] = field(factory=set)

    @classmethod
    def of(cls, items: Iterable[Item]) -> Rows:
        rows = cls()
        for item in items:
            rows._sort_in(item)
        return rows

    def _sort_in(self, item: Item) -> None:
        kind, _, rest = item.p.partition("#")
        match kind:
            case "O":
                self.heads[rest.rpartition("#")[0], item.s.decode()] = item
            case "H":
                self.older[rest.partition("#")[0], item.data["key"]].append(item)
            case "B" if item.s == ONLY:
                self.blobs[rest] = item
            case "B":
                self.shared.add(rest)
            case "D":
                self.contents[item.p] = item
            case "R":
                self.references.add((rest, item.s.decode()))
            case "G":
                self.collect.add(item.s[8:].hex())
            case "F":
                self.repair.add(item.s.hex())
            case "M" if item.s == b".":
                self.headings[rest] = item
            case "M":
                self.pages[rest].append(item)
            case "P" if item.s == b".":
                self.uploads[rest] = item
            case "P":
                self.parts[rest].append(item)
            case "U":
                self.opened[rest, item.s.decode()] = [name for _, name in item.data["open"]]
            case "X":
                self.due.add(item.s[8:].decode())
            case "E":
                self.events.append(item)
            case "C":
                self.settings[rest].append(item)
            case "BKT":
                self.buckets.add(item.data["id"])

    @property
    def versions(self) -> list[Item]:
        return [*self.heads.values(), *(item for some in self.older.values() for item in some)]

    def listed(self, manifest: str) -> list[Part]:
        """The parts on a manifest's pages."""
        return [Part(*line) for page in self.pages[manifest] for line in page.data["parts"]]

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
        named = Counter(self._named_by_versions())
        assert max(named.values(), default=1) == 1, "a version is there twice"
        must = {*named, *self._named_by_parts()}
        missing = must - self.references
        assert not missing, f"versions or parts without their reference: {missing}"
        idle = self.references - must - set(self._named_by_the_condemned())
        assert not idle, f"references that nothing has: {idle}"

    def _named_by_versions(self) -> Iterator[tuple[str, str]]:
        for item in self.versions:
            for held in ("inc", "man"):
                if held in item.data:
                    yield item.data[held], item.data["ref"]

    def _named_by_parts(self) -> Iterator[tuple[str, str]]:
        """Parts of open uploads, and of objects."""
        for name, parts in self.parts.items():
            upload = self.uploads.get(name)
            if upload is not None and upload.state == UploadState.OPEN:
                yield from ((p.data["inc"], p.rev or "") for p in parts if "inc" in p.data)
        for name, heading in self.headings.items():
            if heading.state == ManifestState.LIVE:
                yield from _held(self.listed(name))

    def _named_by_the_condemned(self) -> Iterator[tuple[str, str]]:
        """What may have a reference still: it is being let go of."""
        for parts in self.parts.values():
            yield from ((p.data["inc"], p.rev or "") for p in parts if "inc" in p.data)
        for name, heading in self.headings.items():
            if heading.state == ManifestState.CONDEMNED:
                yield from _held(self.listed(name))

    def check_blobs(self) -> None:
        used = {name for name, _ in self.references}
        for name in used:
            assert name in self.blobs or name in self.headings, f"the bytes {name} are gone"
        for incarnation, item in self.blobs.items():
            if incarnation not in used:
                assert incarnation in self.collect, f"nobody will ever collect {incarnation}"
            indexes = {index for index, _ in item.data.get("layout", ())}
            if len(indexes) < Policy.parse(item.data["policy"]).width:
                assert incarnation in self.repair, f"nobody will ever repair {incarnation}"

    def check_contents(self) -> None:
        """The content index names blobs where their rows say, and speaks of no others."""
        for place, item in self.contents.items():
            named = self.blobs.get(item.data["inc"])
            assert named is not None, f"the content index names {item.data['inc']}, which is gone"
            assert content_place(blob_of(named))[0] == place, "equal content is looked for there"
        assert self.shared <= set(self.blobs), "marks of blobs that are gone"

    def check_manifests(self) -> None:
        used = {name for name, _ in self.references}
        for name, heading in self.headings.items():
            if name not in used:
                assert name in self.collect, f"nobody will ever collect the list {name}"
            elif heading.state == ManifestState.LIVE:
                assert len(self.pages[name]) == heading.data["pages"], f"{name} lacks pages"
        for name, pages in self.pages.items():
            assert not pages or name in self.headings, f"pages of the list {name} are left over"

    def check_uploads(self) -> None:
        for name, item in self.uploads.items():
            place = item.data["bid"], item.data["key"]
            listed = name in self.opened.get(place, ())
            assert listed == (item.state == UploadState.OPEN), f"{name} is not listed as it is"
            assert name in self.due, f"nobody will ever end the upload {name}"
        for names in self.opened.values():
            assert names, "a key is said to have open uploads, and has none"
            assert set(names) <= set(self.uploads)
        for name, parts in self.parts.items():
            assert not parts or name in self.due, f"nobody will ever clear the parts of {name}"

    def check_at_rest(self) -> None:
        """What holds besides when no collector is between two of its steps."""
        for name in {name for name, _ in self.references}:
            if name in self.blobs:
                assert self.blobs[name].state == BlobState.LIVE
            else:
                assert self.headings[name].state == ManifestState.LIVE
        assert set(self.settings) <= self.buckets, "settings of a bucket that is gone"


def _held(parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    return ((part.incarnation, part.reference) for part in parts if part.incarnation is not None)
