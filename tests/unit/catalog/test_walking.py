"""Walking over the heads of a bucket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.catalog.walking import MOST_QUERIES, Range, after_prefix, common_prefix
from godos.model.versions import Bucket, Versioning
from tests.contract.catalog import puts, whole
from tests.unit.catalog.scripted_items import RecordingItems

BYTES = st.binary(max_size=4) | st.lists(st.sampled_from([0, 254, 255]), max_size=4).map(bytes)


@given(BYTES, BYTES)
def test_after_a_prefix(prefix: bytes, key: bytes) -> None:
    """What follows a prefix is the first that does not begin with it, also after 0xff."""
    stop = after_prefix(prefix)
    inside = key.startswith(prefix)
    if stop is None:
        assert key < prefix or inside
    else:
        assert inside == (prefix <= key < stop)


def test_after_the_last_character() -> None:
    """U+10FFFF has no next character, and still something follows it."""
    assert after_prefix("\U0010ffff".encode()) == b"\xf4\x8f\xbf\xc0"
    assert after_prefix(b"a\xff\xff") == b"b"
    assert after_prefix(b"\xff") is None
    assert after_prefix(b"") is None


@pytest.mark.parametrize(
    ("key", "prefix", "delimiter", "expected"),
    [
        (b"a/b/c", b"", b"/", b"a/"),
        (b"a/b/c", b"a/", b"/", b"a/b/"),
        (b"a/b/c", b"a", b"/", b"a/"),
        (b"a//c", b"a/", b"/", b"a//"),
        (b"a", b"", b"/", None),
        (b"a/", b"a/", b"/", None),
        (b"a--b", b"a-", b"--", None),
        (b"a---b", b"a-", b"--", b"a---"),
        (b"a/b", b"", b"", None),
    ],
)
def test_common_prefixes(
    key: bytes, prefix: bytes, delimiter: bytes, expected: bytes | None
) -> None:
    """Keys are rolled up at the first delimiter after the prefix."""
    assert common_prefix(key, prefix, delimiter) == expected


def test_ranges() -> None:
    """A page goes on behind a key, and behind all of a common prefix."""
    assert Range.of("", "/", "").start == b""
    assert Range.of("", "/", "a").start == b"a\0"
    assert Range.of("", "/", "a/").start == b"a0"
    assert Range.of("", "/", "a/b").start == b"a/b\0"
    assert Range.of("a/", "/", "a/").start == b"a/\0"
    assert Range.of("a/", "/", "a/b/").start == b"a/b0"
    assert Range.of("m", "", "a").start == b"m"
    assert Range.of("m", "", "a").stop == b"n"
    assert Range.of("", "", "a", inclusive=True).start == b"a"


class Bench:
    """A bucket in a store that counts."""

    def __init__(self, versioning: Versioning = Versioning.OFF, shards: int = 1) -> None:
        self.items = RecordingItems()
        self.catalog = Catalog(self.items, Clock(), monotonic=Clock().seconds, shards=shards)
        self.bucket: Bucket = now(self.catalog.create_bucket("photos", "ann"))
        if versioning is not Versioning.OFF:
            self.bucket = now(self.catalog.set_versioning("photos", versioning))

    def put(self, *keys: str) -> None:
        run(puts(self.catalog, self.bucket, *keys))
        self.items.asked.clear()

    @property
    def queries(self) -> int:
        asked = len([line for line in self.items.asked if line.startswith("query O#")])
        self.items.asked.clear()
        return asked


def now(deferred: Deferred[Any]) -> Any:
    ended: list[Any] = []
    deferred.addCallback(ended.append)
    assert ended
    return ended[0]


def run(coroutine: Any) -> Any:
    return now(Deferred.fromCoroutine(coroutine))


def test_large_prefixes_are_skipped() -> None:
    """A folder of very many objects costs a listing of its parent no more than a few pages."""
    bench = Bench()
    bench.put(*(f"{folder}/{n:05}" for folder in "abc" for n in range(2000)), "z")
    page = now(bench.catalog.list_objects(bench.bucket, delimiter="/"))
    assert (page.common_prefixes, page.next) == (("a/", "b/", "c/"), None)
    assert [version.key for version in page.versions] == ["z"]
    assert bench.queries <= 5


def test_small_prefixes_are_read_through() -> None:
    """Many small folders cost pages, not a query each."""
    bench = Bench()
    bench.put(*(f"{folder:04}/{n}" for folder in range(500) for n in range(3)))
    page = now(bench.catalog.list_objects(bench.bucket, delimiter="/"))
    assert (len(page.common_prefixes), page.next) == (500, None)
    assert bench.queries <= 8


def test_flat_pages_cost_one_query() -> None:
    """A page without delimiter is one query of its size."""
    bench = Bench()
    bench.put(*(f"{n:05}" for n in range(1500)))
    page = now(bench.catalog.list_objects(bench.bucket, limit=900))
    assert (len(page.versions), page.next) == (900, "00899")
    assert bench.queries == 1


def test_pages_of_the_deleted_end_short() -> None:
    """Very many deleted objects make pages short, not slow, and every page goes on."""
    bench = Bench(Versioning.ENABLED)
    keys = [f"{n:05}" for n in range(300)]
    bench.put(*keys, "live")
    for key in keys:
        now(bench.catalog.delete(bench.bucket, key))
    bench.items.page = 2
    bench.items.asked.clear()
    page = now(bench.catalog.list_objects(bench.bucket))
    assert (page.versions, page.common_prefixes) == ((), ())
    assert page.next is not None
    assert bench.queries == MOST_QUERIES
    assert run(whole(bench.catalog, bench.bucket, 1000)) == ["live"]


def test_a_short_page_does_not_end_on_a_prefix() -> None:
    """A page that ends short among the deleted never hides the rest of their folder."""
    for extra in range(6):
        bench = Bench(Versioning.ENABLED)
        dead = [f"a{n:04}" for n in range(2 * MOST_QUERIES - 4 + extra)]
        bench.put(*dead, "b/", "b/1", "b/2")
        for key in (*dead, "b/"):
            now(bench.catalog.delete(bench.bucket, key))
        bench.items.page = 2
        assert run(whole(bench.catalog, bench.bucket, 1000, delimiter="/")) == ["b/"]


def test_history_is_read_where_there_is_one() -> None:
    """A listing of versions asks only for the history of keys that have one."""
    bench = Bench(Versioning.ENABLED)
    bench.put(*(f"{n:03}" for n in range(50)))
    bench.put("007")
    page = now(bench.catalog.list_versions(bench.bucket))
    assert len(page.versions) == 51
    assert len([line for line in bench.items.asked if line.startswith("query H#")]) == 1


def test_shards_are_read_side_by_side() -> None:
    """Each shard of a bucket costs its own query for a page."""
    bench = Bench(shards=4)
    bench.put(*(f"{n:03}" for n in range(50)))
    assert len(now(bench.catalog.list_objects(bench.bucket)).versions) == 50
    assert bench.queries == 4
