"""A node on a simulated disk, driven step by step, and what it has promised so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.python.failure import Failure

from godos.model.errors import NoSuchFragment, Unavailable
from godos.model.names import FragmentName
from godos.storage.background import AtOnce
from godos.storage.log import VolumeLog
from godos.storage.opening import Machinery, Wanted, open_store
from godos.storage.requests import Request
from godos.storage.store import DiskFragmentStore
from tests.contract.fragment_store import header_of
from tests.simulation.disk import SimulatedDisk

T = TypeVar("T")
VOLUME = 40 << 10  # bytes
CLUSTER = "c" * 32


def now(deferred: Deferred[T]) -> T:
    """The result of what needs no waiting; raises what it failed with."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "it did not finish at once"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: T = results[0]
    return result


class CrankedWriter:
    """Commits a request at once, or, within `group`, several together."""

    def __init__(self, log: VolumeLog, before_group: Callable[[str, str], None]) -> None:
        self.log = log
        self.before_group = before_group
        self._waiting: list[Request] = []
        self._gathering = False
        self._closed = False

    def submit(self, request: Request) -> Deferred[Any]:
        """Have it done."""
        if self._closed:
            return fail(Unavailable("the node is stopping"))
        self._waiting.append(request)
        if not self._gathering:
            self._commit()
        return request.done

    @contextmanager
    def group(self) -> Iterator[None]:
        """What is submitted within is one group."""
        self._gathering = True
        yield
        self._gathering = False
        self._commit()

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.before_group("group", "")
        self.log.commit(waiting)
        self.log.settle()
        for request in waiting:
            request.answer()

    def end(self) -> None:
        """Take no more requests."""
        self._closed = True

    def close(self) -> None:
        """Close the log."""
        self.log.close()


@frozen
class Promises:
    """
    What a node has told so far: it `kept` these (name -> payload), `dropped` those; what is
    `unsure` it was asked to do and has not answered.
    """

    kept: dict[FragmentName, bytes]
    dropped: frozenset[FragmentName]
    unsure: dict[FragmentName, bytes]


@define
class Node:
    """A store on `disk` that leaves `reserve` bytes of it free; what it does it does at once."""

    disk: SimulatedDisk
    reserve: int = 0
    store: DiskFragmentStore = field(init=False)
    writer: CrankedWriter = field(init=False)
    failures: list[str] = field(factory=list)
    kept: dict[FragmentName, bytes] = field(factory=dict)
    dropped: set[FragmentName] = field(factory=set)
    unsure: dict[FragmentName, bytes] = field(factory=dict)

    def start(self) -> Node:
        """Open the storage directory, and make it when that is necessary."""

        def writer(log: VolumeLog) -> CrankedWriter:
            self.writer = CrankedWriter(log, self.disk.before)
            return self.writer

        def in_reactor(call: Callable[..., Any], *args: Any) -> None:
            if args:  # a failure is told; compaction waits until it is asked for
                call(*args)

        machinery = Machinery(
            in_thread=maybeDeferred,
            in_reactor=in_reactor,
            files=self.disk,
            volume_size=VOLUME,
            reserve=self.reserve,
            background=AtOnce,
            writer=writer,
        )
        wanted = Wanted("/node", CLUSTER, create=True, on_failed=self.failures.append)
        self.store = now(open_store(wanted, machinery))
        return self

    def promises(self) -> Promises:
        """As of now."""
        return Promises(dict(self.kept), frozenset(self.dropped), dict(self.unsure))

    # -- what a test asks of it ---------------------------------------------------------
    def put(self, *payloads: tuple[FragmentName, bytes]) -> None:
        """Put small fragments, all in one group."""
        self.change([(name, payload, True) for name, payload in payloads])

    def remove(self, *names: FragmentName) -> None:
        """Remove fragments; small ones all in one group."""
        self.change([(name, self.kept[name], False) for name in names])

    def change(self, changes: Sequence[tuple[FragmentName, bytes, bool]]) -> None:
        """Put (True) and remove (False), all in one group."""
        for name, payload, wanted in changes:
            if not wanted or name not in self.kept:
                self.unsure[name] = payload
        with self.writer.group():
            asked = [
                self.store.put(header_of(payload, name), [payload])
                if wanted
                else self.store.remove(name)
                for name, payload, wanted in changes
            ]
        for (name, payload, wanted), answer in zip(changes, asked, strict=True):
            result = now(answer)
            assert wanted or result is True
            self._settle(name, payload if wanted else None)

    def upload(self, name: FragmentName, payload: bytes, seal: bool = True) -> None:
        """Upload a fragment, and seal or abort it."""
        half = len(payload) // 2
        upload: Any = now(self.store.upload(name, len(payload)))
        now(upload.write([payload[:half]]))
        now(upload.write([payload[half:]]))
        if seal:
            if name not in self.kept:
                self.unsure[name] = payload
            now(upload.seal(header_of(payload, name)))
            self._settle(name, payload)
        now(upload.abort())

    def _settle(self, name: FragmentName, payload: bytes | None) -> None:
        self.unsure.pop(name, None)
        if payload is None:
            self.kept.pop(name, None)
            self.dropped.add(name)
        else:
            self.kept[name] = payload
            self.dropped.discard(name)

    def compact(self) -> None:
        """Win back what is dead."""
        now(self.store.compact())

    def stop(self) -> None:
        """Close the storage directory."""
        now(self.store.close())

    # -- what a test finds --------------------------------------------------------------
    def find(self, name: FragmentName) -> bytes | None:
        """The whole payload; None when it is not there."""
        try:
            reader: Any = now(self.store.open(name, 0, None))
        except NoSuchFragment:
            return None
        pieces = []
        while piece := now(reader.read()):
            pieces.append(piece)
        now(reader.close())
        return b"".join(pieces)

    def audit(self, promised: Promises) -> None:
        """Check that all promises hold, and that nothing else is visible."""
        listed = {held.name for held in now(self.store.inventory(limit=10_000))}
        for name, payload in promised.kept.items():
            if name not in promised.unsure:
                assert self.find(name) == payload, f"{name} was kept"
                assert name in listed, f"{name} is listed"
        for name, payload in promised.unsure.items():
            if name in promised.kept or name in listed:
                found = self.find(name)
                assert found in (None, payload), f"{name} is whole, or not there"
                assert (found is None) == (name not in listed)
        for name in promised.dropped:
            if name not in promised.unsure:
                assert self.find(name) is None, f"{name} was removed"
        strange = listed - promised.kept.keys() - promised.unsure.keys()
        assert not strange, f"nobody stored {strange}"
        counters = self.store.counters
        assert counters.damaged == 0, "no damage is reported after a power cut"
