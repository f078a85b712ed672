"""What happens in between: other requests at the very moment that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from godos.objects.collection import GRACE, Collector
from tests.memory_fragments import MemoryFragments, MemoryReader
from tests.unit.objects.stores import Body, Store, now


def just_before(catalog: Any, name: str, meddle: Callable[[], Any]) -> None:
    """Let `meddle` happen once, right before the next call of a method."""
    original = getattr(catalog, name)

    def meddled(*args: Any, **named: Any) -> Any:
        setattr(catalog, name, original)
        meddle()
        return original(*args, **named)

    setattr(catalog, name, meddled)


def collect(store: Store) -> None:
    """Remove all that nothing refers to, however long it takes by the clock."""
    for _ in range(3):
        store.clock.advance(GRACE + 60)
        now(Collector(store.catalog, store.cluster, store.locator, store.clock, "me").round())


class HeldBody(Body):
    """A body whose last bytes come when the test says `release`."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._waiting: Deferred[Any] | None = None
        self.cancelled = False

    def _hold(self, give: Callable[[], Any]) -> Deferred[Any]:
        self._waiting = waiting = Deferred(lambda _: setattr(self, "cancelled", True))
        waiting.addCallback(lambda _: give())
        return waiting

    def deliver_to(self, consumer: Any) -> Deferred[None]:
        self.asked_for = True
        consumer.registerProducer(self, True)
        consumer.write(self._data[:-1])

        def rest() -> None:
            consumer.write(self._data[-1:])
            consumer.unregisterProducer()

        return self._hold(rest)

    def collect(self, limit: int) -> Deferred[list[bytes]]:
        self.asked_for = True
        return self._hold(lambda: [self._data])

    def release(self) -> None:
        """The client sends the rest."""
        assert self._waiting is not None
        self._waiting.callback(None)


class SlowFragments(MemoryFragments):
    """A node whose reads wait for `go_on`, once `slow` is set; `reading` says that one does."""

    def __init__(self, node_id: str) -> None:
        super().__init__(node_id)
        self.slow = False
        self.reads = 0
        self._waiting: list[Deferred[None]] = []

    def open(self, name: Any, start: int, stop: int | None) -> Deferred[Any]:
        """See `IFragmentStore.open`."""
        return super().open(name, start, stop).addCallback(lambda reader: _SlowReader(self, reader))

    def pause(self) -> Deferred[None]:
        """Fires when the next bytes may be given."""
        waiting: Deferred[None] = Deferred()
        self.reads += 1
        if self.slow:
            self._waiting.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    @property
    def reading(self) -> bool:
        """Whether a read waits."""
        return any(not waiting.called for waiting in self._waiting)

    def go_on(self) -> None:
        """Give what is waited for, and all that follows."""
        self.slow = False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:
                one.callback(None)


class _SlowReader:
    def __init__(self, node: SlowFragments, reader: MemoryReader) -> None:
        self.header = reader.header
        self._node = node
        self._reader = reader

    def read(self) -> Deferred[bytes]:
        return self._node.pause().addCallback(lambda _: self._reader.read())

    def close(self) -> Deferred[None]:
        return self._reader.close()
