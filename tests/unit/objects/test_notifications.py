"""Events reach the queues that want them: at least once, and in order of each key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogLevel, globalLogPublisher

from godos.catalog.items import Delete, Put
from godos.catalog.outbox import shard_of
from godos.catalog.places import ObjectKey, outbox_partition
from godos.messaging.queues import MessageRefused, QueueUnavailable
from godos.model.catalog import OUTBOX_SHARDS, Event
from godos.model.errors import CatalogUnavailable
from godos.model.versions import Bucket
from godos.objects.notifications import (
    BATCH,
    EVERY,
    GIVE_UP,
    LEASE,
    LEASED,
    LOOK,
    PATIENCE,
    REFUSED,
    SETTING,
    SWEEP,
    Notifier,
)
from godos.objects.trials import Trials
from tests.contract.catalog import empty
from tests.unit.objects.stores import Store, now

PUT = "ObjectCreated:Put"


def arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:1:{name}"


class MemoryQueues:
    """Queues that take everything but what they were told not to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, str, str]] = []
        self.tries: list[str] = []
        self.down: set[str] = set()
        self.refused: set[str] = set()  # keys
        self.silent: set[str] = set()
        self.waiting: list[Deferred[None]] = []

    def send(self, to: str, body: str, group: str, unique: str) -> Deferred[None]:
        name, told = to.rpartition(":")[2], json.loads(body)
        self.tries.append(name)
        if name in self.silent:
            self.waiting.append(Deferred())
            return self.waiting[-1]
        if name in self.down:
            return fail(QueueUnavailable(f"cannot send to {to}: AccessDenied"))
        if "Records" in told and told["Records"][0]["s3"]["object"]["key"] in self.refused:
            return fail(MessageRefused(f"cannot send to {to}: too long"))
        self.sent.append((name, told, group, unique))
        return succeed(None)

    def heard(self, name: str) -> list[str]:
        """Key and ETag of what a queue was told, such as `k 1`."""
        objects = [told["Records"][0]["s3"]["object"] for to, told, *_ in self.sent if to == name]
        return [f"{described['key']} {described.get('eTag', '-')}" for described in objects]


class Place:
    """A store with a bucket that tells queues `a` (all keys) and `b` (keys with a `b`)."""

    def __init__(self) -> None:
        self.store = Store()
        self.catalog, self.clock = self.store.catalog, self.store.clock
        now(self.catalog.create_bucket("photos", "ann"))
        self.queues = MemoryQueues()
        self.notifier = self.server("s1")

    def server(self, holder: str) -> Notifier:
        return Notifier(self.catalog, self.queues, self.clock, holder, "us-east-1")

    @property
    def bucket(self) -> Bucket:
        found: Bucket = now(self.catalog.bucket("photos"))
        return found

    def configure(self, *names: str, events: tuple[str, ...] = ("s3:ObjectCreated:*",)) -> None:
        """Let the bucket tell these queues."""
        queues = [{"Id": name, "QueueArn": arn(name), "Events": list(events)} for name in names]
        document = {"QueueConfigurations": queues} if queues else None
        now(self.catalog.set_setting(self.bucket, SETTING, document))
        self.clock.advance(3)

    def put(self, key: str, *etags: str) -> None:
        for etag in etags:
            now(self.catalog.commit(self.bucket, key, empty(etag, event=PUT)))

    def round(self, times: int = 1, notifier: Notifier | None = None) -> None:
        for _ in range(times):
            self.clock.advance(EVERY)
            now((notifier or self.notifier).round())

    def waiting(self) -> list[Event]:
        """What stands in the outbox."""
        return [event for n in range(OUTBOX_SHARDS) for event in now(self.catalog.events(n))]

    def beside(self, key: str) -> str:
        """Another key of the same shard."""
        shard = shard_of(ObjectKey(self.bucket, key))
        names = (f"x{n}" for n in range(1000))
        return next(n for n in names if shard_of(ObjectKey(self.bucket, n)) == shard)


@pytest.fixture
def place() -> Place:
    return Place()


@contextmanager
def logged(level: LogLevel) -> Iterator[list[str]]:
    """Formats of what is logged with this level."""
    found: list[str] = []

    def look(event: Any) -> None:
        if event.get("log_level") is level:
            found.append(event["log_format"])

    globalLogPublisher.addObserver(look)
    try:
        yield found
    finally:
        globalLogPublisher.removeObserver(look)


def test_delivered(place: Place) -> None:
    """What happened is told once to every queue that wants it, and then forgotten."""
    place.configure("a", "b")
    place.put("k", "1", "2")
    place.put("l", "3")
    place.round(3)
    for name in "ab":
        assert sorted(place.queues.heard(name)) == ["k 1", "k 2", "l 3"]
        assert [line for line in place.queues.heard(name) if line[0] == "k"] == ["k 1", "k 2"]
    assert place.waiting() == []
    assert place.notifier.delivered == 6


def test_ids_for_fifo_queues(place: Place) -> None:
    """A key is a group of its own, and a message that comes again has the same id."""
    place.configure("a", "b")
    place.put("k", "1", "2")
    place.put("l", "1")
    place.round()
    groups = {told["Records"][0]["s3"]["object"]["key"]: g for _, told, g, _ in place.queues.sent}
    assert len(set(groups.values())) == 2
    uniques = [unique for *_, unique in place.queues.sent]
    assert len(set(uniques)) == 6


def test_what_nobody_wants_any_more(place: Place) -> None:
    """Events of a configuration that was changed, or of a bucket that is gone, are dropped."""
    place.configure("a")
    place.put("k", "1")
    place.configure("a", events=("s3:ObjectRemoved:*",))
    place.round()
    assert (place.queues.sent, place.waiting()) == ([], [])
    place.configure("a")
    place.put("k", "2")
    now(place.catalog.delete(place.bucket, "k"))
    deleting = place.catalog.delete_bucket("photos")
    place.clock.advance(20)
    now(deleting)
    assert place.waiting()
    now(place.catalog.create_bucket("photos", "eve"))
    place.configure("eve")
    place.round(10)
    assert (place.queues.sent, place.waiting()) == ([], [])


def test_left_over(place: Place) -> None:
    """Events that wait when a bucket's last configuration goes are dropped, too."""
    place.configure("a")
    place.put("k", "1")
    place.configure()
    place.round(int((LOOK + SWEEP) / EVERY) + 2)
    assert (place.queues.sent, place.waiting()) == ([], [])


def test_a_queue_that_is_down(place: Place) -> None:
    """Others are told meanwhile, once; when it is back it hears of everything, in order."""
    place.configure("a", "b")
    place.queues.down.add("b")
    with logged(LogLevel.warn) as warnings:
        for n in range(20):
            place.put("k", str(n))
            place.put("l", str(n))
            place.round()
    assert warnings == ["events for {queue} wait: {reason}"]
    for key in "kl":
        heard = [line for line in place.queues.heard("a") if line[0] == key]
        assert heard == [f"{key} {n}" for n in range(20)]
    assert len(place.waiting()) == 40
    place.queues.down.clear()
    with logged(LogLevel.info) as infos:
        place.round(40)
    assert infos == ["events go to {queue} again"]
    for key in "kl":
        heard = [line for line in place.queues.heard("b") if line[0] == key]
        assert heard == [f"{key} {n}" for n in range(20)]
    assert len(place.queues.heard("a")) == 40
    assert place.waiting() == []


def test_a_queue_that_is_down_is_seldom_tried(place: Place) -> None:
    """Once in five minutes, however much waits for it."""
    place.configure("a")
    place.queues.down.add("a")
    for n in range(150):
        place.put(f"k{n}", "1")
    place.round(3600)
    assert len(place.queues.tries) <= OUTBOX_SHARDS * (9 + 3600 / 300 + 1)
    assert len(place.waiting()) == 150


def test_restart(place: Place) -> None:
    """Another server goes on where one ended: who has heard of an event hears no more of it."""
    place.configure("a", "b")
    place.queues.down.add("b")
    place.put("k", "1", "2")
    place.round(3)
    place.queues.down.clear()
    other = place.server("s2")
    place.round(int(LEASED) + 20, other)
    assert place.queues.heard("a") == place.queues.heard("b") == ["k 1", "k 2"]
    assert place.waiting() == []


def test_many_wait(place: Place) -> None:
    """However much waits for one queue, others hear of what comes behind it in the outbox."""
    place.configure("a", "b")
    place.queues.down.add("b")
    place.put("k", *map(str, range(3 * BATCH)))
    place.round(3)
    other = place.beside("k")
    place.put(other, "1")
    place.round(3)
    assert f"{other} 1" in place.queues.heard("a")
    assert len(place.queues.heard("a")) == 3 * BATCH + 1
    place.queues.down.clear()
    place.round(20)
    assert place.queues.heard("b") == [*(f"k {n}" for n in range(3 * BATCH)), f"{other} 1"]


def test_a_late_row(place: Place) -> None:
    """A transaction that commits after one that began later is told, though others wait."""
    place.configure("a", "b")
    place.queues.down.add("b")
    place.put("k", "1")
    place.round(700)  # by now `b` is seldom tried
    late = place.beside("k")
    place.put(late, "1")
    (event,) = (e for e in place.waiting() if e.document["key"] == late)
    where = outbox_partition(event.shard), event.place
    row = now(place.store.items.get(*where))
    now(place.store.items.transact([Delete(*where)], "1" * 32))
    place.put("k", "2")
    tries = place.queues.tries.count("b")
    place.round(2)
    now(place.store.items.transact([Put(row)], "2" * 32))
    place.round(2)
    assert place.queues.heard("a") == ["k 1", "k 2", f"{late} 1"]
    assert place.queues.tries.count("b") == tries


def test_a_message_that_is_refused(place: Place) -> None:
    """It holds back its own key, and no other; it is tried again after a while."""
    place.configure("a")
    place.queues.refused.add("k")
    place.put("k", "1")
    place.put(place.beside("k"), "1")
    place.round()
    place.queues.refused.clear()
    place.put("k", "2")
    place.round(2)
    assert place.queues.heard("a") == [f"{place.beside('k')} 1"]
    place.round(int(REFUSED))
    assert place.queues.heard("a")[1:] == ["k 1", "k 2"]
    assert place.waiting() == []


def test_given_up(place: Place) -> None:
    """After fourteen days an event is given up, with a line in the log; younger ones are not."""
    place.configure("a", "b")
    place.queues.down.add("b")
    place.put("k", "1")
    place.clock.advance(GIVE_UP / 2)
    place.put("k", "2")
    place.round(2)
    assert len(place.waiting()) == 2
    place.clock.advance(GIVE_UP / 2)
    with logged(LogLevel.error) as errors:
        place.round(3)
    assert len(errors) == place.notifier.given_up == 1
    assert [event.document["etag"] for event in place.waiting()] == ["2"]
    place.queues.down.clear()
    place.clock.advance(400)
    place.round(2)
    assert place.queues.heard("b") == ["k 2"]
    assert place.queues.heard("a") == ["k 1", "k 2"]


def test_a_queue_that_says_nothing(place: Place) -> None:
    """A queue that does not answer is one that is down, after a while."""
    place.configure("a")
    place.queues.silent.add("a")
    place.put("k", "1")
    place.clock.advance(EVERY)
    round_ = place.notifier.round()
    assert not round_.called
    place.clock.advance(PATIENCE)
    now(round_)
    assert len(place.waiting()) == 1
    place.queues.silent.clear()
    place.round(3)
    assert place.queues.heard("a") == ["k 1"]


def test_stopped_while_it_sends(place: Place) -> None:
    """A server that stops waits for no queue; what it was sending is told after the start."""
    place.configure("a")
    place.queues.silent.add("a")
    place.put("k", "1")
    place.notifier.startService()
    place.clock.advance(EVERY)
    assert place.queues.tries == ["a"]
    now(place.notifier.stopService())
    assert place.queues.waiting[0].called  # it was cancelled
    assert len(place.waiting()) == 1


def test_one_server_delivers(place: Place) -> None:
    """Of several servers one delivers, and another one once that is gone."""
    place.configure("a")
    other = place.server("s2")
    place.round()
    place.put("k", "1")
    for _ in range(20):
        place.round(1, other)
        assert place.queues.sent == []
        now(place.catalog.try_lease(LEASE, "s1", LEASED))
    place.round(int(LEASED) + 10, other)
    assert place.queues.heard("a") == ["k 1"]


def test_nobody_is_told_anything(place: Place) -> None:
    """Where no bucket has a configuration the outbox is hardly looked into."""
    asked: list[int] = []
    events = place.catalog.events

    def watched(shard: int, *more: Any) -> Any:
        asked.append(shard)
        return events(shard, *more)

    place.catalog.events = watched  # type: ignore[method-assign]
    place.round(1000)
    assert len(asked) <= OUTBOX_SHARDS * (1000 * EVERY / SWEEP + 1)
    place.configure("a")
    place.put("k", "1")
    place.round(int(LOOK) + 2)
    assert place.queues.heard("a") == ["k 1"]


def test_a_catalog_that_fails(place: Place) -> None:
    """What was told but could not be removed is told again: at least once."""
    place.configure("a")
    place.put("k", "1")
    delivered = place.catalog.delivered
    place.catalog.delivered = lambda events: fail(CatalogUnavailable("down"))  # type: ignore
    place.clock.advance(EVERY)
    with pytest.raises(CatalogUnavailable):
        now(place.notifier.round())
    place.catalog.delivered = delivered  # type: ignore[method-assign]
    place.round()
    assert place.queues.heard("a") == ["k 1", "k 1"]
    assert place.queues.sent[0][3] == place.queues.sent[1][3]  # FIFO queues tell it is the same
    assert place.waiting() == []


class TestTrials:
    def test_all_are_tried(self, place: Place) -> None:
        """Every queue gets one message that says that it was configured."""
        trials = Trials(place.queues, place.clock)
        now(trials.send("photos", [arn("a"), arn("b"), arn("a")], "r1"))
        told = [(to, body["Event"], body["Bucket"]) for to, body, *_ in place.queues.sent]
        assert told == [("a", "s3:TestEvent", "photos"), ("b", "s3:TestEvent", "photos")]

    def test_one_is_down(self, place: Place) -> None:
        """One that cannot be reached is named."""
        place.queues.down.add("b")
        with pytest.raises(QueueUnavailable, match=":b"):
            now(Trials(place.queues, place.clock).send("photos", [arn("a"), arn("b")], "r1"))

    def test_one_is_silent(self, place: Place) -> None:
        """One that does not answer is waited for only so long."""
        place.queues.silent.add("a")
        trying = Trials(place.queues, place.clock).send("photos", [arn("a")], "r1")
        place.clock.advance(PATIENCE)
        with pytest.raises(QueueUnavailable, match="did not answer in time"):
            now(trying)
