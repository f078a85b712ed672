"""What every catalog promises of uploads in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.model.blobs import Blob, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import (
    BytesNotFound,
    Conflict,
    InvalidPart,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
)
from godos.model.multipart import MultipartUpload, NewPart, Part, UploadsPage, UploadState
from godos.model.names import new_id
from godos.model.versions import (
    NULL_VERSION,
    Bucket,
    ChecksumType,
    NewVersion,
    ObjectVersion,
)
from tests.catalog_audit import audit
from tests.contract.catalog import (
    BOTH,
    ENABLED,
    HARD_KEYS,
    ONLY_NEW,
    TWO,
    Bench,
    CatalogBench,
    empty,
    expected_lines,
    if_match,
    upload,
)
from tests.contract.catalog_amends import FULL, tagged

WHEN = 4_000_000_000.0  # seconds since the epoch: uploads of these tests do not become old


def beginning(key: str = "k", when: float = WHEN, **more: Any) -> MultipartUpload:
    """An upload that is to begin."""
    return MultipartUpload(new_id(), "photos", key, when, "ann", **more)


def part(number: int = 1, layout: tuple[Placed, ...] = BOTH, **more: Any) -> NewPart:
    """A new part of 5 bytes, its etag told by its number."""
    blob = Blob(new_id(), 5, "ab" * 32, TWO, layout)
    return evolve(NewPart(new_id(), number, 5, f"e{number}", WHEN, blob), **more)


def object_of(parts: Sequence[Part], etag: str = "whole", **more: Any) -> NewVersion:
    """The object of these parts, its list new."""
    size = sum(part.size for part in parts)
    count = len(parts)
    return NewVersion(new_id(), etag, size, WHEN, None, manifest=new_id(), parts=count, **more)


async def begun(catalog: ICatalog, bucket: Bucket, *numbers: int, key: str = "k") -> Any:
    """An upload with parts, and those."""
    opened = await catalog.create_upload(bucket, beginning(key))
    parts = [await catalog.put_part(opened, bucket, part(number)) for number in numbers]
    return opened, parts


async def completed(
    catalog: ICatalog, bucket: Bucket, *numbers: int, key: str = "k"
) -> ObjectVersion:
    """An object of so many parts."""
    opened, parts = await begun(catalog, bucket, *numbers, key=key)
    made: ObjectVersion = await catalog.complete(bucket, opened, parts, object_of(parts))
    return made


async def whole_uploads(catalog: ICatalog, bucket: Bucket, limit: int, **how: Any) -> list[str]:
    """All lines of a listing of uploads, read in pages of at most `limit`."""
    lines: list[str] = []
    after = how.pop("after", ("", ""))
    while True:
        page: UploadsPage = await catalog.uploads(bucket, after=after, limit=limit, **how)
        found = [f"{one.key} {one.initiated:.0f}" for one in page.uploads]
        assert len(found) + len(page.common_prefixes) <= limit
        lines += sorted([*found, *page.common_prefixes], key=str.encode)
        if page.next is None:
            return lines
        after = page.next


async def collect(catalog: ICatalog) -> set[str]:
    """What a collector removes that comes until there is nothing more to do."""
    gone: set[str] = set()
    idle = 0
    while idle < 3:  # one round looks at uploads, the next at lists, the next at blobs
        removals = await catalog.removals(0)
        for removal in removals:
            gone.add(removal.blob.incarnation)
            await catalog.removed(removal)
        idle = 0 if removals else idle + 1
    return gone


def blobs(parts: Sequence[Part]) -> set[str]:
    return {part.incarnation for part in parts if part.incarnation is not None}


class UploadsContract(CatalogBench):
    """See the module."""

    # -- beginning and end --------------------------------------------------------------
    @ensureDeferred
    async def test_an_upload(self, catalog: Catalog, second: Catalog) -> None:
        """An upload is known to every server from its beginning, with all that belongs to it."""
        bench = await self.bench(catalog)
        asked = beginning(
            "ключ/", attributes=FULL, checksum="crc32", checksum_type=ChecksumType.FULL_OBJECT
        )
        opened = await catalog.create_upload(bench.bucket, asked)
        assert opened == evolve(asked, rev=opened.rev)
        assert await second.upload(bench.bucket, "ключ/", asked.id) == opened
        assert (await second.uploads(bench.bucket)).uploads == (opened,)
        assert (await second.parts(opened)).parts == ()
        with pytest.raises(NoSuchKey):
            await catalog.head(bench.bucket, "ключ/")

    @ensureDeferred
    async def test_no_upload(self, catalog: Catalog) -> None:
        """An id that was never given, or is of another key or bucket, is of no upload."""
        bench = await self.bench(catalog)
        opened, parts = await begun(catalog, bench.bucket, 1)
        other = await catalog.create_bucket("other", "ann")
        for name in ("", "x", "é", "a" * 3000, "../..", new_id()):
            with pytest.raises(NoSuchUpload):
                await catalog.upload(bench.bucket, "k", name)
        for bucket, key in ((bench.bucket, "l"), (other, "k")):
            stranger = evolve(opened, key=key)
            for asked in (
                lambda b=bucket, k=key: catalog.upload(b, k, opened.id),
                lambda b=bucket, s=stranger: catalog.put_part(s, b, part()),
                lambda b=bucket, s=stranger: catalog.abort(b, s),
                lambda b=bucket, s=stranger: catalog.complete(b, s, parts, object_of(parts)),
            ):
                with pytest.raises(NoSuchUpload):
                    await asked()
        assert (await catalog.parts(opened)).parts == tuple(parts)

    @ensureDeferred
    async def test_upload_into_no_bucket(self, catalog: Catalog) -> None:
        """An upload begins only in a bucket that is there, and ends with it."""
        bench = await self.bench(catalog)
        opened, parts = await begun(catalog, bench.bucket, 1)
        await catalog.delete_bucket("photos")
        for asked in (
            lambda: catalog.create_upload(bench.bucket, beginning()),
            lambda: catalog.put_part(opened, bench.bucket, part()),
            lambda: catalog.complete(bench.bucket, opened, parts, object_of(parts)),
        ):
            with pytest.raises(NoSuchBucket):
                await asked()
        await catalog.abort(bench.bucket, opened)
        assert await collect(catalog) == blobs(parts)

    @ensureDeferred
    async def test_abort(self, catalog: Catalog, items: IItemStore) -> None:
        """An aborted upload is gone, and its parts' bytes are collected."""
        bench = await self.bench(catalog)
        opened, parts = await begun(catalog, bench.bucket, 1, 2, 2, 7)
        await catalog.abort(bench.bucket, opened)
        for asked in (
            lambda: catalog.upload(bench.bucket, "k", opened.id),
            lambda: catalog.put_part(opened, bench.bucket, part()),
            lambda: catalog.abort(bench.bucket, opened),
            lambda: catalog.complete(bench.bucket, opened, parts[2:], object_of(parts[2:])),
        ):
            with pytest.raises(NoSuchUpload):
                await asked()
        assert (await catalog.uploads(bench.bucket)).uploads == ()
        await audit(items)
        assert await collect(catalog) == blobs(parts)
        rows = await audit(items)
        assert not rows.blobs
        assert not rows.parts

    # -- parts --------------------------------------------------------------------------
    @ensureDeferred
    async def test_parts(self, catalog: Catalog, second: Catalog) -> None:
        """Parts are listed by number, in whatever order they came and in pages of every size."""
        bench = await self.bench(catalog)
        numbers = (300, 1, 10_000, 256, 2, 255, 46)
        opened, made = await begun(catalog, bench.bucket, *numbers)
        expected = tuple(sorted(made, key=lambda one: one.number))
        assert (await second.parts(opened)).parts == expected
        for limit in (1, 2, 3, 7, 100):
            found: list[Part] = []
            after: int | None = 0
            while after is not None:
                page = await second.parts(opened, after, limit)
                assert len(page.parts) <= limit
                found += page.parts
                after = page.next
            assert tuple(found) == expected
        assert [one.number for one in (await catalog.parts(opened, 256)).parts] == [300, 10_000]
        assert (await catalog.parts(opened, 10_000)).parts == ()
        assert (await catalog.parts(opened, 0, 0)).parts == ()

    @ensureDeferred
    async def test_a_part(self, catalog: Catalog, second: Catalog) -> None:
        """A part comes back as it was stored, and its blob is there."""
        bench = await self.bench(catalog)
        opened = await catalog.create_upload(bench.bucket, beginning())
        new = part(3, checksums={"crc32c": "AAAAAA=="}, modified=WHEN + 0.25)
        made = await catalog.put_part(opened, bench.bucket, new)
        assert new.blob is not None
        assert (made.incarnation, made.reference) == (new.blob.incarnation, new.operation)
        assert (made.number, made.size, made.etag, made.modified) == (3, 5, "e3", WHEN + 0.25)
        assert made.checksums == new.checksums
        assert (await second.parts(opened)).parts == (made,)
        assert await second.blob(new.blob.incarnation) == evolve(new.blob, rev=new.operation)
        assert await collect(catalog) == set()

    @ensureDeferred
    async def test_a_part_without_bytes(self, catalog: Catalog) -> None:
        """A part may have no bytes."""
        bench = await self.bench(catalog)
        opened = await catalog.create_upload(bench.bucket, beginning())
        nothing = part(1, blob=None, size=0)
        made = await catalog.put_part(opened, bench.bucket, nothing)
        assert made.incarnation is None
        whole = await catalog.complete(bench.bucket, opened, [made], object_of([made]))
        assert whole.manifest is not None
        assert await catalog.manifest(whole.manifest) == (made,)
        await catalog.delete(bench.bucket, "k")
        assert await collect(catalog) == set()

    @ensureDeferred
    async def test_a_part_again(self, catalog: Catalog, items: IItemStore) -> None:
        """A part that is sent again takes the place of the first, whose bytes are collected."""
        bench = await self.bench(catalog)
        opened, (first, second) = await begun(catalog, bench.bucket, 1, 1)
        assert (await catalog.parts(opened)).parts == (second,)
        assert await collect(catalog) == blobs([first])
        (await audit(items)).check_at_rest()

    @ensureDeferred
    async def test_a_part_below_target(self, catalog: Catalog) -> None:
        """A part that reached fewer nodes than its policy asks for waits for repair."""
        bench = await self.bench(catalog)
        opened = await catalog.create_upload(bench.bucket, beginning())
        made = await catalog.put_part(opened, bench.bucket, part(1, BOTH[:1]))
        assert [work.incarnation for work in await catalog.repairs()] == [made.incarnation]

    @ensureDeferred
    async def test_parts_of_stored_bytes(self, catalog: Catalog) -> None:
        """A part may refer to bytes that are stored, twice too, as long as they are live."""
        bench = await self.bench(catalog)
        source = await catalog.commit(bench.bucket, "source", upload())
        blob = await catalog.blob(source.incarnation or "")
        opened = await catalog.create_upload(bench.bucket, beginning())
        made = [
            await catalog.put_part(opened, bench.bucket, part(number, blob=blob))
            for number in (1, 2, 2)
        ]
        chosen = [made[0], made[2]]
        whole = await catalog.complete(bench.bucket, opened, chosen, object_of(chosen))
        await catalog.delete(bench.bucket, "source")
        assert await collect(catalog) == set()
        assert [p.incarnation for p in await catalog.manifest(whole.manifest or "")] == [
            source.incarnation
        ] * 2
        await catalog.delete(bench.bucket, "k")
        assert await collect(catalog) == {source.incarnation}
        again = await catalog.create_upload(bench.bucket, beginning())
        with pytest.raises(Conflict):
            await catalog.put_part(again, bench.bucket, part(1, blob=blob))

    # -- completing ---------------------------------------------------------------------
    @ensureDeferred
    async def test_complete(self, catalog: Catalog, second: Catalog, items: IItemStore) -> None:
        """A completed upload is an object of the chosen parts; the others are collected."""
        bench = await self.bench(catalog)
        opened, parts = await begun(catalog, bench.bucket, 1, 2, 3, 5)
        chosen = [parts[0], parts[2]]
        new = object_of(
            chosen,
            attributes=FULL,
            checksums={"sha1": "AAAA-2"},
            checksum_type=ChecksumType.COMPOSITE,
        )
        made = await catalog.complete(bench.bucket, opened, chosen, new)
        assert await second.head(bench.bucket, "k") == made
        assert await second.version(bench.bucket, "k", NULL_VERSION) == made
        assert (made.incarnation, made.manifest, made.parts) == (None, new.manifest, 2)
        assert (made.etag, made.size, made.attributes) == ("whole", 10, FULL)
        assert (made.checksums, made.checksum_type) == (new.checksums, new.checksum_type)
        assert await second.manifest(made.manifest or "") == tuple(chosen)
        assert (await second.uploads(bench.bucket)).uploads == ()
        with pytest.raises(NoSuchUpload):
            await catalog.put_part(opened, bench.bucket, part(1))
        with pytest.raises(NoSuchUpload):
            await catalog.abort(bench.bucket, opened)
        await audit(items)
        assert await collect(catalog) == blobs([parts[1], parts[3]])
        rows = await audit(items)
        rows.check_at_rest()
        assert not rows.parts

    @ensureDeferred
    async def test_complete_again(self, catalog: Catalog, second: Catalog) -> None:
        """A completed upload answers its result, whatever became of the object since."""
        bench = await self.bench(catalog)
        opened, parts = await begun(catalog, bench.bucket, 1, 2)
        made = await catalog.complete(bench.bucket, opened, parts, object_of(parts))
        known = await second.upload(bench.bucket, "k", opened.id)
        assert (known.state, known.result) == (UploadState.COMPLETED, made)
        changes = (
            lambda: catalog.head(bench.bucket, "k"),
            lambda: catalog.commit(bench.bucket, "k", empty()),
            lambda: catalog.delete(bench.bucket, "k"),
        )
        gone: set[str] = set()
        for change in changes:
            await change()
            again = await second.complete(bench.bucket, opened, parts, object_of(parts))
            assert again == made
            gone |= await collect(catalog)
        assert gone == blobs(parts)

    @ensureDeferred
    async def test_complete_with_other_parts(self, catalog: Catalog, items: IItemStore) -> None:
        """An upload is not completed with a part that is not, or no more, the one of its number."""
        bench = await self.bench(catalog)
        opened, parts = await begun(catalog, bench.bucket, 1, 2, 2)
        for wrong in ([parts[0], parts[1]], [evolve(parts[0], number=3)]):
            with pytest.raises(InvalidPart):
                await catalog.complete(bench.bucket, opened, wrong, object_of(wrong))
        right = [parts[0], parts[2]]
        assert await collect(catalog) == blobs([parts[1]])
        made = await catalog.complete(bench.bucket, opened, right, object_of(right))
        assert await catalog.manifest(made.manifest or "") == tuple(right)
        await audit(items)

    @ensureDeferred
    async def test_complete_under_a_condition(self, catalog: Catalog, items: IItemStore) -> None:
        """A condition that does not hold leaves object and upload; it may be completed later."""
        bench = await self.bench(catalog)
        before = await catalog.commit(bench.bucket, "k", upload("1"))
        opened, parts = await begun(catalog, bench.bucket, 1)
        for condition in (ONLY_NEW, if_match("2")):
            with pytest.raises(PreconditionFailed):
                await catalog.complete(bench.bucket, opened, parts, object_of(parts), condition)
        assert await catalog.head(bench.bucket, "k") == before
        assert await collect(catalog) == set()  # also not through the lists that came to nothing
        (await audit(items)).check_at_rest()
        assert not (await audit(items)).headings
        made = await catalog.complete(bench.bucket, opened, parts, object_of(parts), if_match("1"))
        assert (made.seq, made.etag) == (2, "whole")
        assert await collect(catalog) == {before.incarnation}

    @ensureDeferred
    async def test_versions_of_parts(self, catalog: Catalog) -> None:
        """Objects of parts are versions like others: kept, found, removed, and come up again."""
        bench = await self.bench(catalog, ENABLED)
        first = await completed(catalog, bench.bucket, 1, 2)
        other = await catalog.commit(bench.bucket, "k", upload("2"))
        third = await completed(catalog, bench.bucket, 1)
        listed = (await catalog.list_versions(bench.bucket)).versions
        assert [version.manifest for version in listed] == [third.manifest, None, first.manifest]
        await catalog.amend(bench.bucket, "k", first.version_id, tagged(a="1"))
        found = await catalog.version(bench.bucket, "k", first.version_id)
        assert (found.manifest, found.parts) == (first.manifest, 2)
        last = await catalog.manifest(third.manifest or "")
        await catalog.delete(bench.bucket, "k", third.version_id)
        await catalog.delete(bench.bucket, "k", other.version_id)
        assert await collect(catalog) == {*blobs(last), other.incarnation}
        assert (await catalog.head(bench.bucket, "k")).manifest == first.manifest
        assert len(await catalog.manifest(first.manifest or "")) == 2

    many_parts = 10_000  # of the test of many; fewer where that takes long

    @ensureDeferred
    async def test_many_parts(self, catalog: Catalog, items: IItemStore) -> None:
        """An object may have ten thousand parts, and all of their bytes are collected."""
        bench = await self.bench(catalog)
        opened = await catalog.create_upload(bench.bucket, beginning())
        new = [part(number + 1) for number in range(self.many_parts)]
        made: list[Part] = []
        for first in range(0, len(new), 50):
            some = new[first : first + 50]
            made += await self.race(
                *((lambda n=n: catalog.put_part(opened, bench.bucket, n)) for n in some)
            )
        whole = await catalog.complete(bench.bucket, opened, made, object_of(made))
        assert whole.parts == self.many_parts
        assert await catalog.manifest(whole.manifest or "") == tuple(made)
        await catalog.delete(bench.bucket, "k")
        assert await collect(catalog) == blobs(made)
        rows = await audit(items)
        assert not rows.blobs
        assert not rows.headings

    @ensureDeferred
    async def test_long_lists(self, catalog: Catalog, second: Catalog) -> None:
        """A list of ten thousand parts with the longest checksums comes back as it was."""
        sums = {"sha256": "A" * 44, "crc64nvme": "A" * 12}
        parts = tuple(
            Part(number, 5 << 30, "e" * 32, new_id(), new_id(), WHEN + 0.125, sums)
            for number in range(1, 10_001)
        )
        await catalog._manifests.draft("a" * 32, parts)
        assert await second.manifest("a" * 32) == parts

    # -- lists of parts -----------------------------------------------------------------
    @ensureDeferred
    async def test_copies(self, catalog: Catalog, items: IItemStore) -> None:
        """A copy shares the list of parts, and the bytes live until the last of both is gone."""
        bench = await self.bench(catalog)
        made = await completed(catalog, bench.bucket, 1, 2)
        parts = await catalog.manifest(made.manifest or "")
        await collect(catalog)

        def copy() -> NewVersion:
            return evolve(empty("whole"), size=10, manifest=made.manifest, parts=2)

        for key in ("copy", "k"):  # the latter onto itself
            copied = await catalog.commit(bench.bucket, key, copy())
            assert (copied.manifest, copied.parts) == (made.manifest, 2)
        await catalog.delete(bench.bucket, "k")
        assert await collect(catalog) == set()
        (await audit(items)).check_at_rest()
        assert await catalog.manifest(made.manifest or "") == parts
        await catalog.delete(bench.bucket, "copy")
        assert await collect(catalog) == blobs(parts)
        with pytest.raises(Conflict):
            await catalog.commit(bench.bucket, "late", copy())
        with pytest.raises(NoSuchKey):
            await catalog.head(bench.bucket, "late")
        assert not (await audit(items)).blobs

    @ensureDeferred
    async def test_no_list(self, catalog: Catalog) -> None:
        """A list of parts that is not there is a failure of the store, and no empty object."""
        with pytest.raises(BytesNotFound):
            await catalog.manifest(new_id())

    @ensureDeferred
    async def test_grace_of_parts(self, catalog: Catalog) -> None:
        """Bytes of an object of parts are not collected before their grace is over."""
        bench = await self.bench(catalog)
        made = await completed(catalog, bench.bucket, 1, 2)
        await catalog.delete(bench.bucket, "k")
        for _ in range(2):
            assert await catalog.removals(3600) == []
        assert len(await catalog.manifest(made.manifest or "")) == 2

    # -- listing ------------------------------------------------------------------------
    UPLOADED = ("a", "a/", "a/b", "a/b/c", "b/1", "b/2", "b-", "ä/ö", "z\U0010ffff/1")

    async def many(self, catalog: Catalog) -> Bench:
        """Two uploads of each key, the later begun first."""
        bench = await self.bench(catalog)
        for key in self.UPLOADED:
            for when in (2.0, 1.0):
                await catalog.create_upload(bench.bucket, beginning(key, WHEN + when))
        return bench

    @ensureDeferred
    async def test_listing_uploads(self, catalog: Catalog) -> None:
        """Uploads are listed by key and then by age, rolled up, in pages of every size."""
        bench = await self.many(catalog)
        for prefix in ("", "a", "a/", "b", "none"):
            for delimiter in ("", "/", "-", "\U0010ffff"):
                expected: list[str] = []
                for line in expected_lines(self.UPLOADED, prefix, delimiter):
                    rolled = line not in self.UPLOADED or (delimiter and line.endswith(delimiter))
                    cut = delimiter and delimiter in line[len(prefix) :]
                    ages = [""] if rolled and cut else [f" {WHEN + n:.0f}" for n in (1, 2)]
                    expected += [line + age for age in ages]
                for limit in (1, 2, 3, 1000):
                    how = {"prefix": prefix, "delimiter": delimiter}
                    found = await whole_uploads(catalog, bench.bucket, limit, **how)
                    assert found == sorted(expected, key=str.encode), (how, limit)

    @ensureDeferred
    async def test_listing_uploads_of_any_name(self, catalog: Catalog) -> None:
        """Uploads of the hardest and longest names are listed in the order of their bytes."""
        bench = await self.bench(catalog)
        for key in HARD_KEYS:
            await catalog.create_upload(bench.bucket, beginning(key))
        for limit in (1, 4, 1000):
            found = await whole_uploads(catalog, bench.bucket, limit)
            assert [line.rpartition(" ")[0] for line in found] == expected_lines(HARD_KEYS)

    @ensureDeferred
    async def test_listing_uploads_after(self, catalog: Catalog) -> None:
        """A listing goes on after a key, or after one of its uploads; gone ones do not matter."""
        bench = await self.many(catalog)
        page = await catalog.uploads(bench.bucket, prefix="b/", limit=1)
        assert page.next == ("b/1", page.uploads[0].id)
        rest = await catalog.uploads(bench.bucket, prefix="b/", after=page.next)
        assert [one.initiated - WHEN for one in rest.uploads] == [2, 1, 2]
        after_key = await catalog.uploads(bench.bucket, prefix="b/", after=("b/1", ""))
        assert {one.key for one in after_key.uploads} == {"b/2"}
        await catalog.abort(bench.bucket, page.uploads[0])
        again = await catalog.uploads(bench.bucket, prefix="b/", after=page.next)
        assert again == rest
        assert (await catalog.uploads(bench.bucket, limit=0)).uploads == ()

    @ensureDeferred
    async def test_ended_uploads_are_not_listed(self, catalog: Catalog) -> None:
        """Neither are the prefixes that only they had."""
        bench = await self.bench(catalog)
        await completed(catalog, bench.bucket, 1, key="a/1")
        aborted, _ = await begun(catalog, bench.bucket, 1, key="a/2")
        await catalog.abort(bench.bucket, aborted)
        kept, _ = await begun(catalog, bench.bucket, 1, key="b/1")
        for delimiter in ("", "/"):
            page = await catalog.uploads(bench.bucket, delimiter=delimiter)
            assert page.common_prefixes == (("b/",) if delimiter else ())
            assert [one.id for one in page.uploads] == ([] if delimiter else [kept.id])

    # -- races --------------------------------------------------------------------------
    @ensureDeferred
    async def test_parts_at_once(
        self, catalog: Catalog, second: Catalog, items: IItemStore
    ) -> None:
        """Parts that come at once are all kept, and of each number one."""
        bench = await self.bench(catalog)
        opened = await catalog.create_upload(bench.bucket, beginning())
        made = await self.race(
            *(
                (lambda c=c, n=n: c.put_part(opened, bench.bucket, part(n)))
                for c, n in ((catalog, 1), (second, 1), (catalog, 2), (second, 3), (second, 2))
            )
        )
        assert all(isinstance(end, Part) for end in made)
        left = (await catalog.parts(opened)).parts
        assert [one.number for one in left] == [1, 2, 3]
        assert await collect(catalog) == blobs(made) - blobs(left)
        (await audit(items)).check_at_rest()

    @ensureDeferred
    async def test_ends_at_once(self, catalog: Catalog, second: Catalog, items: IItemStore) -> None:
        """An upload that is completed twice and aborted at once ends in one way."""
        bench = await self.bench(catalog)
        for turn in range(3):
            key = f"k{turn}"
            opened, parts = await begun(catalog, bench.bucket, 1, 2, key=key)
            ends = await self.race(
                *(
                    (lambda c=c, o=opened, p=parts: c.complete(bench.bucket, o, p, object_of(p)))
                    for c in (catalog, second)
                ),
                lambda o=opened: second.abort(bench.bucket, o),
            )
            made = [end for end in ends if isinstance(end, ObjectVersion)]
            if made:
                assert len(made) == 2
                assert made[0] == made[1] == await catalog.head(bench.bucket, key)
                assert isinstance(ends[2], NoSuchUpload)
                await collect(catalog)
                assert await catalog.manifest(made[0].manifest or "") == tuple(parts)
            else:
                assert ends[2] is None
                assert all(isinstance(end, NoSuchUpload) for end in ends[:2])
            await collect(catalog)
            (await audit(items)).check_at_rest()
