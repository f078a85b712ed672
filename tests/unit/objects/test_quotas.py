"""How much a bucket may hold, and how that is known."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from godos.model.errors import CommitUnknown, QuotaExceeded
from godos.model.objects import ChosenPart, CompleteRequest, DeleteRequest, NewUpload, PutRequest
from godos.model.versions import Versioning
from godos.objects.quotas import Account, Amount
from godos.objects.usage import EVERY, PAUSE, UsageSurvey
from tests.unit.objects.stores import Body, Store, now

TEXT = b"0123456789"


def limited(**quota: int) -> Store:
    store = Store(1)
    now(store.objects.set_setting("objects", "quota", quota))
    return store


def put(store: Store, key: str, data: bytes = TEXT, announced: bool = True) -> Any:
    body = Body(data, announced=announced)
    return store.objects.put("objects", key, body, PutRequest())


def refused(store: Store, key: str) -> None:
    with pytest.raises(QuotaExceeded):
        now(put(store, key))


def finished(work: Deferred[Any], clock: Clock) -> Any:
    """The result of work that rests now and then."""
    for _ in range(100):
        if work.called:
            break
        clock.advance(PAUSE)
    return now(work)


def survey(store: Store, holder: str = "me") -> None:
    finished(UsageSurvey(store.catalog, store.clock, holder).round(), store.clock)


def usage(store: Store) -> tuple[int, int]:
    found = now(store.objects.settings("objects"))["usage"]
    return found["bytes"], found["objects"]


# -- the survey -----------------------------------------------------------------------------------
def test_what_is_counted() -> None:
    """All versions and the parts of open uploads; no delete markers."""
    store = limited(bytes=1000)
    now(store.objects.set_versioning("objects", Versioning.ENABLED))
    now(put(store, "a"))
    now(put(store, "a", b"x" * 5))
    now(store.objects.delete("objects", "a", DeleteRequest()))
    for key in ("open", "done"):
        upload = now(store.objects.create_upload("objects", key, NewUpload("me")))
        part = now(
            store.objects.upload_part("objects", key, upload.id, 1, Body(TEXT), PutRequest())
        )
    chosen = CompleteRequest((ChosenPart(1, part.etag),))
    now(store.objects.complete_upload("objects", "done", upload.id, chosen))
    survey(store)
    assert usage(store) == (10 + 5 + 10 + 10, 3)


def test_many_pages() -> None:
    """However many there are."""
    store = limited(objects=10_000)
    now(store.objects.set_versioning("objects", Versioning.ENABLED))
    for number in range(1500):
        now(put(store, f"key {number // 3}", b"x"))
    survey(store)
    assert usage(store) == (1500, 1500)


def test_only_buckets_with_a_quota() -> None:
    """Nothing is written to others."""
    store = Store(1)
    now(put(store, "a"))
    survey(store)
    assert now(store.objects.settings("objects")) == {}


def test_only_the_holder_of_the_lease() -> None:
    """The others leave it to that one."""
    store = limited(bytes=1000)
    survey(store, "first")
    now(put(store, "a"))
    survey(store, "second")
    assert usage(store) == (0, 0)
    survey(store, "first")
    assert usage(store) == (10, 1)


def test_it_comes_round() -> None:
    """At the start, and again and again."""
    store = limited(bytes=1000)
    service = UsageSurvey(store.catalog, store.clock, "me")
    service.startService()
    assert usage(store) == (0, 0)
    now(put(store, "a"))
    store.clock.advance(EVERY)
    assert usage(store) == (10, 1)
    now(service.stopService())
    assert not store.clock.getDelayedCalls()


# -- what is known of it --------------------------------------------------------------------------
def test_what_others_wrote_counts_after_the_survey() -> None:
    """And what they deleted is room then."""
    store = limited(bytes=15)
    other = Store(1)
    other.objects = store.another()
    now(put(other, "a"))
    now(put(store, "b"))  # not known of each other: 20 bytes
    store.clock.advance(120)
    survey(store)
    store.clock.advance(3)  # settings may be two seconds old
    refused(store, "c")
    refused(other, "c")
    now(other.objects.delete("objects", "b", DeleteRequest()))
    now(other.objects.delete("objects", "a", DeleteRequest()))
    refused(store, "c")
    store.clock.advance(120)
    survey(store)
    now(put(store, "c"))


def test_writes_since_the_survey_count_on_top() -> None:
    """Those from before it are in it."""
    store = limited(bytes=25)
    now(put(store, "a"))
    store.clock.advance(120)
    survey(store)
    store.clock.advance(3)
    now(put(store, "b"))
    refused(store, "c")


def test_a_body_of_unknown_length() -> None:
    """It may pass the limit, and then nothing more is taken."""
    store = limited(bytes=15)
    now(put(store, "a"))
    now(put(store, "b", announced=False))
    with pytest.raises(QuotaExceeded):
        now(put(store, "c", announced=False))


def test_what_failed_takes_no_room() -> None:
    """A wrong digest, say."""
    store = limited(bytes=10)
    request = PutRequest(md5=b"0" * 16)
    with pytest.raises(Exception, match="nothing was stored"):
        now(store.objects.put("objects", "a", Body(TEXT), request))
    now(put(store, "a"))


def test_what_may_have_happened_takes_room() -> None:
    """Until a survey knows."""
    store = limited(bytes=10)
    commit = store.catalog.commit
    store.catalog.commit = lambda *_: fail(CommitUnknown("?"))  # type: ignore
    with pytest.raises(CommitUnknown):
        now(put(store, "a"))
    store.catalog.commit = commit  # type: ignore
    refused(store, "b")
    store.clock.advance(120)
    survey(store)
    store.clock.advance(3)
    now(put(store, "b"))


def test_smaller_in_the_place_of_larger() -> None:
    """A full bucket takes what does not make it fuller."""
    store = limited(bytes=10, objects=1)
    now(put(store, "a"))
    now(put(store, "a", b"x"))
    refused(store, "b")


def test_an_account_stays_small() -> None:
    """Whatever the number of writes and the time since the last survey."""
    account = Account()
    for minute in range(2000):
        account.add(Amount(1, 1), minute * 60.0)
    assert len(account.written) <= 500
    assert account.since(0.0) == Amount(2000, 2000)
    assert account.since(1990 * 60.0) == Amount(11, 11)
