"""What writes and reads cost, as docs/catalog-rows.rst tells it: money, on DynamoDB."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.model.versions import Bucket, Versioning
from tests.contract.catalog import empty, upload
from tests.contract.catalog_amends import tagged
from tests.contract.catalog_upkeep import large
from tests.contract.catalog_uploads import beginning, object_of, part
from tests.unit.catalog.scripted_items import RecordingItems


class Till:
    """A catalog with the rules of DynamoDB, over a store that counts."""

    def __init__(self, versioning: Versioning = Versioning.OFF) -> None:
        self.items, self.clock = RecordingItems(), Clock()
        self.catalog = Catalog(self.items, self.clock, 10.0, self.clock.seconds)
        self.bucket: Bucket = now(self.catalog.create_bucket("photos", "ann"))
        if versioning is not Versioning.OFF:
            changing = self.catalog.set_versioning("photos", versioning)
            self.clock.advance(10)
            self.bucket = now(changing)
        now(self.catalog.bucket("photos"))

    def of(self, deferred_from: Any) -> tuple[int, list[str]]:
        """Rows written in one transaction, and all calls."""
        self.items.asked.clear()
        self.items.written.clear()
        now(deferred_from())
        (actions,) = self.items.written
        return len(actions), [line.partition("#")[0] for line in self.items.asked]


def now(deferred: Deferred[Any]) -> Any:
    ended: list[Any] = []
    deferred.addCallback(ended.append)
    assert ended
    return ended[0]


PUT = ["get O", "transact"]


def test_without_versions() -> None:
    """A new object writes 3 rows, an overwrite 5, a deletion 3; each reads one."""
    till = Till()
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", upload())) == (3, PUT)
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", upload())) == (5, PUT)
    assert till.of(lambda: till.catalog.delete(till.bucket, "k")) == (3, PUT)


def test_with_versions() -> None:
    """A new object writes 3 rows, a further version 4, a delete marker 2."""
    till = Till(Versioning.ENABLED)
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", upload())) == (3, PUT)
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", upload())) == (4, PUT)
    assert till.of(lambda: till.catalog.delete(till.bucket, "k")) == (2, PUT)


def test_content_that_may_be_shared() -> None:
    """New bytes that are worth sharing write one row more, and so does a reference to them."""
    till = Till()
    new = large()
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", new)) == (4, PUT)
    assert new.blob is not None
    again = large(incarnation=new.blob.incarnation, rev=new.operation)
    assert till.of(lambda: till.catalog.commit(till.bucket, "copy", again)) == (4, PUT)


@pytest.mark.parametrize("versioning", [Versioning.OFF, Versioning.ENABLED])
def test_empty_objects(versioning: Versioning) -> None:
    """A new object of 0 bytes writes one row."""
    till = Till(versioning)
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", empty())) == (1, PUT)


def test_uploads_in_parts() -> None:
    """Each step of an upload in parts writes a few rows, however many parts there are."""
    till = Till()
    asked = beginning()
    assert till.of(lambda: till.catalog.create_upload(till.bucket, asked))[0] == 3
    opened = now(till.catalog.upload(till.bucket, "k", asked.id))
    for number in range(1, 120):
        rows, calls = till.of(lambda n=number: till.catalog.put_part(opened, till.bucket, part(n)))
        assert rows == 4
        assert "query" not in "".join(calls)
    parts = now(till.catalog.parts(opened)).parts
    till.items.written.clear()
    now(till.catalog.complete(till.bucket, opened, parts, object_of(parts)))
    draft, completion = till.items.written
    assert (len(draft), len(completion)) == (3, 7)


def test_amendments() -> None:
    """A change of attributes writes one row."""
    till = Till()
    now(till.catalog.commit(till.bucket, "k", upload()))
    assert till.of(lambda: till.catalog.amend(till.bucket, "k", None, tagged(a="1"))) == (1, PUT)


def test_events_cost_where_they_are_wanted() -> None:
    """A bucket that notifies nobody is read and written as if there were no events."""
    till = Till()
    put = upload(event="ObjectCreated:Put")
    assert till.of(lambda: till.catalog.commit(till.bucket, "k", put)) == (3, PUT)


def test_reads() -> None:
    """An object is looked up with one read."""
    till = Till()
    now(till.catalog.commit(till.bucket, "k", upload()))
    till.items.asked.clear()
    now(till.catalog.head(till.bucket, "k"))
    assert len(till.items.asked) == 1
