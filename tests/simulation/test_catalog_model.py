"""The catalog beside a model of what S3 promises: any sequence of operations shows the same."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from godos.catalog.catalog import Catalog
from godos.model.errors import (
    BucketNotEmpty,
    GodosError,
    MethodNotAllowed,
    NoSuchKey,
    NoSuchVersion,
    ObjectLocked,
    PreconditionFailed,
)
from godos.model.versions import (
    NULL_VERSION,
    UNCONDITIONAL,
    Attributes,
    Deleted,
    Lock,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from tests.catalog_audit import audit
from tests.contract.catalog import (
    ONLY_NEW,
    empty,
    expected_lines,
    if_match,
    upload,
    whole,
    whole_versions,
)
from tests.contract.catalog_uploads import beginning, blobs, collect, object_of, part
from tests.memory_items import MemoryItems

KEYS = ("a", "a/", "a/1", "a/2", "a/b/1", "b", "é/1", "\U0010ffff", "\U0010ffff/")
PREFIXES = ("", "a", "a/", "\U0010ffff")
DELIMITERS = ("", "/", "/b", "\U0010ffff")


@define
class Kept:
    """A version as the model knows it."""

    version_id: str
    etag: str
    marker: bool
    bytes_: frozenset[str]  # incarnations that it holds
    manifest: str | None = None
    tags: str = ""
    hold: bool = False

    @property
    def null(self) -> bool:
        return self.version_id == NULL_VERSION


class CatalogMachine(RuleBasedStateMachine):
    """`model` holds the versions of each key, newest first."""

    @initialize(shards=st.integers(1, 3), versioning=st.sampled_from(list(Versioning)))
    def open(self, shards: int, versioning: Versioning) -> None:
        self.items, self.clock = MemoryItems(), Clock()
        self.catalog = Catalog(self.items, self.clock, monotonic=self.clock.seconds, shards=shards)
        self.bucket = done(self.catalog.create_bucket("photos", "ann"))
        self.model: dict[str, list[Kept]] = {}
        self.dropped: set[str] = set()
        self.count = 0
        if versioning is not Versioning.OFF:
            self.change_versioning(versioning)

    # -- writes -------------------------------------------------------------------------
    @rule(versioning=st.sampled_from([Versioning.ENABLED, Versioning.SUSPENDED]))
    def change_versioning(self, versioning: Versioning) -> None:
        self.bucket = done(self.catalog.set_versioning("photos", versioning))

    @rule(
        key=st.sampled_from(KEYS),
        condition=st.sampled_from(["none", "none", "new", "any", "same", "other"]),
        has_bytes=st.booleans(),
    )
    def put(self, key: str, condition: str, has_bytes: bool) -> None:
        self.count += 1
        etag = f"etag {self.count}"
        asked, refused = self._condition(key, condition)
        new = upload(etag) if has_bytes else empty(etag)
        if refused is not None:
            assert isinstance(end(self.catalog.commit(self.bucket, key, new, asked)), refused)
            return
        if self._keeps_null(key):
            assert isinstance(end(self.catalog.commit(self.bucket, key, new, asked)), ObjectLocked)
            return
        made = done(self.catalog.commit(self.bucket, key, new, asked))
        held = frozenset([made.incarnation] if made.incarnation else [])
        self._on_top(key, Kept(made.version_id, etag, False, held))

    @rule(key=st.sampled_from(KEYS), sizes=st.lists(st.booleans(), min_size=1, max_size=3))
    def put_in_parts(self, key: str, sizes: list[bool]) -> None:
        """Parts with and without bytes, the first sent twice, one more than is chosen."""
        self.count += 1
        etag = f"etag {self.count}"
        opened = done(self.catalog.create_upload(self.bucket, beginning(key)))
        made = []
        for number, has_bytes in enumerate([sizes[0], *sizes, True], 0):
            new = part(max(number, 1), **({} if has_bytes else {"blob": None, "size": 0}))
            made.append(done(self.catalog.put_part(opened, self.bucket, new)))
        chosen = made[1:-1]
        asked = self.catalog.complete(self.bucket, opened, chosen, object_of(chosen, etag))
        if self._keeps_null(key):
            assert isinstance(end(asked), ObjectLocked)
            done(self.catalog.abort(self.bucket, opened))
            self.dropped |= blobs(made)
            return
        version = done(asked)
        self._on_top(
            key,
            Kept(version.version_id, etag, False, frozenset(blobs(chosen)), version.manifest),
        )
        self.dropped |= blobs([made[0], made[-1]])

    @precondition(lambda self: self.model)
    @rule(data=st.data(), to=st.sampled_from(KEYS))
    def copy(self, data: st.DataObject, to: str) -> None:
        """By reference: to the blob, or to the list of parts."""
        key = data.draw(st.sampled_from(sorted(self.model)))
        source = data.draw(st.sampled_from(self.model[key]))
        if source.marker or self._keeps_null(to):
            return
        self.count += 1
        new = empty(f"etag {self.count}")
        if source.manifest is not None:
            new = evolve(new, manifest=source.manifest)
        elif source.bytes_:
            (incarnation,) = source.bytes_
            new = evolve(new, blob=done(self.catalog.blob(incarnation)))
        made = done(self.catalog.commit(self.bucket, to, new))
        self._on_top(to, Kept(made.version_id, new.etag, False, source.bytes_, source.manifest))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), hold=st.booleans())
    def amend(self, data: st.DataObject, hold: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        chosen = data.draw(st.sampled_from(self.model[key]))
        self.count += 1
        tags = {"n": str(self.count)}
        attributes = Attributes(tags=tags, lock=Lock(legal_hold=hold))
        outcome = end(self.catalog.amend(self.bucket, key, chosen.version_id, lambda _: attributes))
        if chosen.marker:
            assert isinstance(outcome, MethodNotAllowed)
            return
        assert outcome.attributes == attributes
        chosen.tags, chosen.hold = tags["n"], hold

    @rule(key=st.sampled_from(KEYS), condition=st.sampled_from(["none", "none", "same", "other"]))
    def delete(self, key: str, condition: str) -> None:
        asked, refused = self._condition_of_deletion(key, condition)
        if refused is not None:
            assert isinstance(end(self.catalog.delete(self.bucket, key, None, asked)), refused)
            return
        if condition != "none" and not self.model.get(key):
            assert done(self.catalog.delete(self.bucket, key, None, asked)) == Deleted()
            return
        if self._keeps_null(key):
            refusal = end(self.catalog.delete(self.bucket, key, None, asked))
            assert isinstance(refusal, ObjectLocked)
            return
        deleted = done(self.catalog.delete(self.bucket, key, None, asked))
        if self.bucket.versioning is Versioning.OFF:
            self._drop(self.model.pop(key, []))
            return
        assert deleted.version_id is not None
        self._on_top(key, Kept(deleted.version_id, "", True, frozenset()))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete_version(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        chosen = data.draw(st.sampled_from(self.model[key]))
        outcome = end(self.catalog.delete(self.bucket, key, chosen.version_id))
        if chosen.hold:
            assert isinstance(outcome, ObjectLocked)
            return
        deleted = outcome
        assert deleted.removed is not None
        assert deleted.removed.etag == chosen.etag
        assert deleted.is_delete_marker == chosen.marker
        self._drop([chosen])
        self.model[key].remove(chosen)
        if not self.model[key]:
            del self.model[key]

    @rule(key=st.sampled_from(KEYS))
    def delete_null_version(self, key: str) -> None:
        nulls = [kept for kept in self.model.get(key, []) if kept.null]
        outcome = end(self.catalog.delete(self.bucket, key, NULL_VERSION))
        if any(kept.hold for kept in nulls):
            assert isinstance(outcome, ObjectLocked)
            return
        deleted = outcome
        assert (deleted.removed is not None) == bool(nulls)
        self._drop(nulls)
        left = [kept for kept in self.model.get(key, []) if not kept.null]
        self.model.pop(key, None)
        if left:
            self.model[key] = left

    @rule()
    def collect(self) -> None:
        used = {
            held for versions in self.model.values() for kept in versions for held in kept.bytes_
        }
        assert run(collect(self.catalog)) == self.dropped - used
        self.dropped = set()

    @rule()
    def delete_bucket(self) -> None:
        outcome = end(self.catalog.delete_bucket("photos"))
        if self.model:
            assert isinstance(outcome, BucketNotEmpty)
        else:
            assert outcome is None
            self.bucket = done(self.catalog.create_bucket("photos", "ann"))

    # -- what is seen -------------------------------------------------------------------
    @invariant()
    def rows_agree(self) -> None:
        rows = run(audit(self.items))
        rows.check_at_rest()

    @invariant()
    def heads_agree(self) -> None:
        for key in KEYS:
            latest = self._latest(key)
            seen = end(self.catalog.head(self.bucket, key))
            if latest is None:
                assert isinstance(seen, NoSuchKey)
                top = self.model.get(key)
                assert seen.delete_marker == (top[0].version_id if top else None)
            else:
                assert isinstance(seen, ObjectVersion)
                assert (seen.etag, seen.version_id) == (latest.etag, latest.version_id)

    @rule(key=st.sampled_from(KEYS))
    def versions_agree(self, key: str) -> None:
        for kept in self.model.get(key, []):
            seen = done(self.catalog.version(self.bucket, key, kept.version_id))
            assert (seen.etag, seen.is_delete_marker) == (kept.etag, kept.marker)
            assert seen.attributes.tags.get("n", "") == kept.tags
            assert seen.attributes.lock.legal_hold == kept.hold
            if kept.manifest is not None:
                assert blobs(done(self.catalog.manifest(seen.manifest))) == kept.bytes_
        if not any(kept.null for kept in self.model.get(key, [])):
            missing = end(self.catalog.version(self.bucket, key, NULL_VERSION))
            assert isinstance(missing, NoSuchVersion)

    @rule(
        prefix=st.sampled_from(PREFIXES),
        delimiter=st.sampled_from(DELIMITERS),
        limit=st.integers(1, 5),
    )
    def listings_agree(self, prefix: str, delimiter: str, limit: int) -> None:
        live = [key for key in self.model if self._latest(key) is not None]
        listed = run(whole(self.catalog, self.bucket, limit, prefix=prefix, delimiter=delimiter))
        assert listed == expected_lines(live, prefix, delimiter)

    @rule(limit=st.integers(1, 5))
    def listings_of_versions_agree(self, limit: int) -> None:
        listed = run(whole_versions(self.catalog, self.bucket, limit))
        expected = [
            (key, kept.version_id, kept.etag, number == 0)
            for key in sorted(self.model, key=str.encode)
            for number, kept in enumerate(self.model[key])
        ]
        assert [(v.key, v.version_id, v.etag, v.is_latest) for v in listed] == expected

    # -- the model ----------------------------------------------------------------------
    def _latest(self, key: str) -> Kept | None:
        top = self.model.get(key)
        return top[0] if top and not top[0].marker else None

    def _on_top(self, key: str, kept: Kept) -> None:
        assert kept.null == (self.bucket.versioning is not Versioning.ENABLED)
        older = self.model.get(key, [])
        if kept.null:
            self._drop([one for one in older if one.null])
            older = [one for one in older if not one.null]
        self.model[key] = [kept, *older]

    def _drop(self, gone: list[Kept]) -> None:
        self.dropped |= {held for kept in gone for held in kept.bytes_}

    def _keeps_null(self, key: str) -> bool:
        """Whether a null version is locked that a write of the null version would replace."""
        if self.bucket.versioning is Versioning.ENABLED:
            return False
        return any(kept.null and kept.hold for kept in self.model.get(key, []))

    def _condition(self, key: str, name: str) -> tuple[WriteCondition, type[GodosError] | None]:
        """A condition, and the error it must end in."""
        latest = self._latest(key)
        if name == "none":
            return UNCONDITIONAL, None
        if name == "new":
            return ONLY_NEW, PreconditionFailed if latest else None
        etag = {"any": "*", "same": latest.etag if latest else "x", "other": "x"}[name]
        if latest is None:
            return if_match(etag), NoSuchKey
        return if_match(etag), PreconditionFailed if name == "other" else None

    def _condition_of_deletion(
        self, key: str, name: str
    ) -> tuple[WriteCondition, type[GodosError] | None]:
        """A delete marker is a version too here, whose ETag nothing matches but `*`."""
        if name == "none":
            return UNCONDITIONAL, None
        top = self.model.get(key)
        if name == "other" or not top:
            return if_match("x"), PreconditionFailed if top else None
        return if_match("*" if top[0].marker else top[0].etag), None


def end(deferred: Deferred[Any]) -> Any:
    """A result, or the exception instead of it."""
    ended: list[Any] = []
    deferred.addBoth(ended.append)
    assert ended, "it waits for something"
    return ended[0].value if isinstance(ended[0], Failure) else ended[0]


def done(deferred: Deferred[Any]) -> Any:
    outcome = end(deferred)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def run(coroutine: Any) -> Any:
    return done(Deferred.fromCoroutine(coroutine))


TestCatalogModel = CatalogMachine.TestCase
TestCatalogModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
