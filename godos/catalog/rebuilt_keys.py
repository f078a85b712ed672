"""Which versions a key has once fragments were found that tell of some: decided without I/O."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field

from godos.catalog.items import Absent, Action, Delete, Put, RevIs
from godos.catalog.manifests import live_items
from godos.catalog.places import ObjectKey, reference_place
from godos.catalog.plans import dropped, let_go
from godos.catalog.records import Head, head_item, older_item, row
from godos.model.blobs import Blob
from godos.model.multipart import Part
from godos.model.versions import ObjectVersion

Named = tuple[Blob, str]  # and the id of the reference to it


@define
class KeyPlan:
    """
    Takes the versions that were found (`add`), orders them among those that stand (`finish`),
    and says what is to be written (`stored`, `actions`).

    Order is that of `modified`: what stands keeps its place, and a number out of the time is
    given to what comes in between.  Of null versions only the newest stays.
    """

    at: ObjectKey
    head: Head | None
    standing: Sequence[ObjectVersion]
    operation: str
    now: float  # seconds since the epoch
    overwritten: int = field(default=0, init=False)
    new: list[ObjectVersion] = field(factory=list, init=False)
    _versions: dict[str, ObjectVersion] = field(init=False)  # by reference
    _blobs: dict[str, list[Named]] = field(factory=dict, init=False)
    _lists: dict[str, tuple[Sequence[Part], Sequence[Part]]] = field(factory=dict, init=False)
    _gone: list[ObjectVersion] = field(factory=list, init=False)  # of those that stood

    @_versions.default
    def _stood(self) -> dict[str, ObjectVersion]:
        return {version.reference: version for version in self.standing}

    # -- what was found -----------------------------------------------------------------
    def add(self, version: ObjectVersion, blobs: list[Named]) -> None:
        """A version, perhaps one that stands there."""
        known = self._versions.get(version.reference)
        if known is None or version.manifest is not None:
            stays = known is not None and known.modified == version.modified
            seq = known.seq if known is not None and stays else 0
            self._versions[version.reference] = evolve(version, seq=seq)
        self._blobs[version.reference] = blobs

    def add_list(self, manifest: str, parts: Sequence[Part], before: Sequence[Part]) -> None:
        """The parts of one of them, and those that it was made of so far."""
        self._lists[manifest] = parts, before

    def leave_out(self, manifest: str) -> None:
        """An object is not to be made of these parts; perhaps it was."""
        for name, version in list(self._versions.items()):
            if version.manifest == manifest:
                self._gone.append(self._versions.pop(name))

    # -- what becomes of it ----------------------------------------------------------------
    def finish(self) -> None:
        """Bring all into their order, and leave out null versions that were replaced."""
        stood = self._stood()
        ordered = sorted(
            self._versions.values(), key=lambda each: (each.modified, each.seq, each.reference)
        )
        replaced = [version for version in ordered if version.is_null][:-1]
        for version in replaced:
            self._leave(version, stood)
        self._versions = {}
        seq = 0
        for version in ordered:
            if version in replaced:
                continue
            seq = max(1, version.seq or int(version.modified * 1000), seq + 1)
            numbered = evolve(version, seq=seq)
            self._versions[version.reference] = numbered
            if version.reference not in stood:
                self.new.append(numbered)

    def _leave(self, version: ObjectVersion, stood: dict[str, ObjectVersion]) -> None:
        self.overwritten += 1
        self._blobs.pop(version.reference, None)
        self._lists.pop(version.manifest or "", None)
        if version.reference in stood:
            self._gone.append(stood[version.reference])

    def stored(self) -> list[Named]:
        """The blobs of the versions that stay, with the names of their references."""
        return [named for blobs in self._blobs.values() for named in blobs]

    def actions(self) -> list[Sequence[Action]]:
        """What is to be written besides blobs, in groups that each happen as one."""
        groups: list[Sequence[Action]] = []
        for manifest, (parts, before) in self._lists.items():
            if list(parts) != list(before):
                groups += self._list(manifest, parts, before)
        groups += self._rows()
        groups += [dropped(version, self.operation, self.now) for version in self._gone]
        return groups

    def _list(
        self, manifest: str, parts: Sequence[Part], before: Sequence[Part]
    ) -> list[Sequence[Action]]:
        """A list of parts, written over a shorter one; parts that were replaced are let go."""
        kept = {part.reference for part in parts}
        freed = [part for part in before if part.reference not in kept]
        groups: list[Sequence[Action]] = [
            let_go(part.incarnation, part.reference, self.operation, self.now) for part in freed
        ]
        return [*groups, [Put(item) for item in live_items(manifest, parts, self.operation)]]

    def _rows(self) -> list[Sequence[Action]]:
        """The versions: older ones first, and the head with what makes them reachable."""
        ordered = list(self._versions.values())
        if not self._changed(ordered):
            return []
        places = {version.seq for version in ordered[:-1]}
        groups: list[Sequence[Action]] = [
            [Delete(*self.at.older(old.seq))] for old in self.standing[1:] if old.seq not in places
        ]
        groups += [
            [Put(older_item(self.at, version, self.operation)), *_named(version)]
            for version in ordered[:-1]
        ]
        return [*groups, self._top(ordered)]

    def _changed(self, ordered: Sequence[ObjectVersion]) -> bool:
        before = [_told(version) for version in reversed(self.standing)]
        return before != [_told(version) for version in ordered]

    def _top(self, ordered: Sequence[ObjectVersion]) -> Sequence[Action]:
        unchanged = Absent() if self.head is None else RevIs(self.head.rev)
        if not ordered:
            return [Delete(*self.at.head, unchanged)]
        latest = evolve(ordered[-1], rev=self.operation)
        null = next((version.seq for version in ordered[:-1] if version.is_null), None)
        head = Head(latest, older=len(ordered) > 1, null_seq=null)
        return [Put(head_item(self.at, head), unchanged), *_named(latest)]


def _named(version: ObjectVersion) -> list[Action]:
    """The reference to a list of parts; that to a blob is written with the blob."""
    if version.manifest is None:
        return []
    return [Put(row(*reference_place(version.manifest, version.reference), version.reference))]


def _told(version: ObjectVersion) -> tuple[object, ...]:
    """What a row of a version says that a rebuild may change."""
    return version.reference, version.seq, version.size, version.etag, version.parts
