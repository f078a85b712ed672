"""Uploads and readers that are broken off, and what else only a disk's own store does."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.errors import BadDigest, FragmentDamaged, NodeFailed, Unavailable
from godos.model.fragments import BLOCK, CHUNK, SMALL
from godos.model.names import FragmentName
from godos.storage.files import WRITE
from tests.contract.fragment_store import content, header_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import Node, now

NAME = FragmentName("ab" * 16, 0)
LARGE = content(3 * CHUNK + 5)


class Threads:
    """Pool threads that work when a test lets them."""

    def __init__(self) -> None:
        self.held = False
        self._waiting: list[tuple[Deferred[Any], Any, Any]] = []

    def __call__(self, function: Any, *args: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        self._waiting.append((waiting, function, args))
        if not self.held:
            self.work()
        return waiting

    def work(self) -> None:
        """Do all that waits, as threads do: also what nobody waits for any more."""
        self.held = False
        while self._waiting:
            waiting, function, args = self._waiting.pop(0)
            maybeDeferred(function, *args).addBoth(waiting.callback)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that does at once what it is asked."""
    node = Node(SimulatedDisk()).start()
    yield node
    node.stop()
    assert node.disk.open_files == []
    node.disk.unplug()


@pytest.fixture
def threads(node: Node) -> Threads:
    """The pool of that node, which a test can hold up."""
    threads = Threads()
    store = node.store
    store._parts = evolve(
        store._parts,
        in_thread=threads,
        holdings=evolve(store._parts.holdings, in_thread=threads),
    )
    store._tools = evolve(store._tools, in_thread=threads)
    return threads


def staged(node: Node) -> list[str]:
    return list(node.disk.names("/node/staging"))


def begun(node: Node) -> Any:
    """An upload of `LARGE` of which half came."""
    upload: Any = now(node.store.upload(NAME, len(LARGE)))
    now(upload.write([LARGE[: len(LARGE) // 2]]))
    return upload


# -- uploads ----------------------------------------------------------------------------
def test_small_upload_needs_no_file(node: Node) -> None:
    """What may be small waits in memory, and goes to the log when it is."""
    upload: Any = now(node.store.upload(NAME, None))
    buffer = bytearray(b"first")
    now(upload.write([buffer]))
    buffer[:] = b"other"  # the caller may use its buffer again
    now(upload.write([b"", b" second"]))
    assert staged(node) == []
    now(upload.seal(header_of(b"first second", NAME)))
    assert node.find(NAME) == b"first second"
    assert node.disk.names("/node/objects") == []


def test_abort_during_a_write(node: Node, threads: Threads) -> None:
    """An upload that is broken off in mid-write leaves no file behind."""
    upload = begun(node)
    assert len(staged(node)) == 1
    threads.held = True
    writing = upload.write([LARGE[:100]])
    writing.addErrback(lambda _: None)
    writing.cancel()
    aborting = upload.abort()
    threads.work()
    now(aborting)
    assert (staged(node), node.disk.open_files) == ([], [])


def test_write_after_abort(node: Node, threads: Threads) -> None:
    """A write that was overtaken by an abort makes no file."""
    upload: Any = now(node.store.upload(NAME, len(LARGE)))
    threads.held = True
    writing = upload.write([LARGE])
    aborting = upload.abort()
    threads._waiting.reverse()
    threads.work()
    now(aborting)
    with pytest.raises(Unavailable):
        now(writing)
    assert staged(node) == []


def test_seal_that_nobody_waits_for(node: Node, threads: Threads) -> None:
    """A seal whose caller went away has happened wholly, or not at all."""
    upload = begun(node)
    now(upload.write([LARGE[len(LARGE) // 2 :]]))
    threads.held = True
    sealing = upload.seal(header_of(LARGE, NAME))
    sealing.addErrback(lambda _: None)
    sealing.cancel()
    aborting = upload.abort()
    threads.work()
    now(aborting)
    assert node.find(NAME) == LARGE
    assert staged(node) == []


def test_seal_under_another_name(node: Node) -> None:
    """An upload is sealed under the name that it was begun with."""
    upload = begun(node)
    other = FragmentName("cd" * 16, 0)
    with pytest.raises(BadDigest):
        now(upload.seal(header_of(LARGE[: len(LARGE) // 2], other)))
    now(upload.abort())


def test_two_uploads_of_one_name(node: Node) -> None:
    """Two senders of one fragment do not disturb each other."""
    first, second = begun(node), begun(node)
    assert len(staged(node)) == 2
    for upload in (first, second):
        now(upload.write([LARGE[len(LARGE) // 2 :]]))
        now(upload.seal(header_of(LARGE, NAME)))
        assert node.find(NAME) == LARGE


def test_upload_cancelled_before_it_began(node: Node, threads: Threads) -> None:
    """Room that was promised to an upload that never began is free again."""
    threads.held = True
    asking = node.store.upload(NAME, len(LARGE))
    asking.addErrback(lambda _: None)
    asking.cancel()
    threads.work()
    assert node.store._uploads == set()


# -- readers ----------------------------------------------------------------------------
def test_open_cancelled(node: Node, threads: Threads) -> None:
    """A reader that nobody waits for any more lets go of its file."""
    node.upload(NAME, LARGE)
    threads.held = True
    opening = node.store.open(NAME, 0, None)
    failed: list[Any] = []
    opening.addErrback(failed.append)
    opening.cancel()
    assert len(failed) == 1
    verifying = node.store.verify(NAME)
    verifying.addErrback(failed.append)
    verifying.cancel()
    threads.work()
    assert len(failed) == 2
    assert not [path for path in node.disk.open_files if "objects" in path]


def test_close_during_a_read(node: Node, threads: Threads) -> None:
    """A reader can be closed while a thread reads for it."""
    node.upload(NAME, LARGE)
    reader: Any = now(node.store.open(NAME, 0, None))
    now(reader.read())
    threads.held = True
    reading = reader.read()
    closing = reader.close()
    threads.work()
    now(closing)
    assert now(reading) == LARGE[CHUNK : 2 * CHUNK]
    with pytest.raises(Unavailable):
        now(reader.read())


def test_range_touches_its_blocks_only(node: Node) -> None:
    """Damage elsewhere in a fragment does not keep a range from being read."""
    small = FragmentName("cd" * 16, 1)
    payload = content(5 * BLOCK)
    node.put((small, payload))
    node.upload(NAME, LARGE)
    place = node.store._parts.holdings.ledger.find(bytes.fromhex("cd" * 16) + b"\0\1")
    assert place is not None
    volume = "/node/volumes/0000000000000001"
    file = f"/node/objects/ab/{NAME}"
    for path, start in ((volume, place.offset + place.head), (file, 0)):
        fd = node.disk.open(path, WRITE)
        node.disk.write(fd, [b"?"], start + 2 * BLOCK + 7)
        node.disk.close(fd)
    for name, whole in ((small, payload), (NAME, LARGE)):
        for start, stop in ((0, 2 * BLOCK), (3 * BLOCK, 5 * BLOCK), (3 * BLOCK + 1, 3 * BLOCK + 2)):
            reader: Any = now(node.store.open(name, start, stop))
            assert now(reader.read()) == whole[start:stop]
            now(reader.close())
        for start, stop in ((2 * BLOCK, 3 * BLOCK), (2 * BLOCK - 1, 2 * BLOCK + 1), (0, 5 * BLOCK)):
            with pytest.raises(FragmentDamaged):
                now(node.store.open(name, start, stop))
        with pytest.raises(FragmentDamaged):
            now(node.store.verify(name))


def test_damage_behind_the_first_chunk(node: Node) -> None:
    """Damage is told when it is reached, and not one byte of it is given."""
    node.upload(NAME, LARGE)
    fd = node.disk.open(f"/node/objects/ab/{NAME}", WRITE)
    node.disk.write(fd, [b"?"], CHUNK + BLOCK)
    node.disk.close(fd)
    reader: Any = now(node.store.open(NAME, 0, None))
    assert now(reader.read()) == LARGE[:CHUNK]
    for _ in range(2):
        with pytest.raises(FragmentDamaged):
            now(reader.read())
    now(reader.close())


def test_file_under_another_name(node: Node) -> None:
    """A file that was renamed by hand is no other fragment."""
    node.upload(NAME, LARGE)
    other = FragmentName("ab" * 16, 7)
    node.disk.rename(f"/node/objects/ab/{NAME}", f"/node/objects/ab/{other}")
    with pytest.raises(FragmentDamaged):
        now(node.store.open(other, 0, None))


# -- the rest ---------------------------------------------------------------------------
def test_inventory(node: Node) -> None:
    """All fragments are listed page by page, small and large ones in one order."""
    random = Random(3)
    for number in range(12):
        name = FragmentName(random.randbytes(16).hex(), number)
        if number % 3:
            node.put((name, b"x"))
        else:
            node.upload(name, bytes(SMALL + 1))
    listed: list[FragmentName] = []
    while page := now(node.store.inventory(listed[-1] if listed else None, 5)):
        assert len(page) <= 5
        listed += [held.name for held in page]
    assert listed == sorted(node.kept)


def test_counters(node: Node) -> None:
    """A node counts what it does."""
    node.put((NAME, b"abc"), (FragmentName("cd" * 16, 0), b"de"))
    node.upload(FragmentName("ef" * 16, 0), LARGE)
    node.find(NAME)
    node.remove(NAME, FragmentName("ef" * 16, 0))
    counted = node.store.counters.as_dict()
    expected = {
        "puts": 2,
        "put_bytes": 5,
        "seals": 1,
        "seal_bytes": len(LARGE),
        "reads": 1,
        "removals": 2,
        "groups": 2,
        "log_syncs": 2,
        "damaged": 0,
    }
    assert {name: counted[name] for name in expected} == expected


def test_room(node: Node) -> None:
    """The room is the disk's."""
    node.disk.capacity = 1000
    assert now(node.store.room()).capacity == 1000


def test_after_close(node: Node) -> None:
    """A store that was closed refuses everything, and may be closed again."""
    node.put((NAME, b"abc"))
    now(node.store.close())
    now(node.store.close())
    store = node.store
    for asked in (
        store.put(header_of(b"x"), [b"x"]),
        store.upload(NAME, 5),
        store.open(NAME, 0, None),
        store.verify(NAME),
        store.holds([NAME.incarnation]),
        store.inventory(),
        store.remove(NAME),
        store.room(),
    ):
        with pytest.raises(Unavailable):
            now(asked)


def test_unreadable_index(node: Node) -> None:
    """A node that cannot read its index leaves service, and does not say that it has nothing."""
    node.put((NAME, b"abc"))
    node.writer.log.flush()
    node.store._parts.holdings.ledger._index._writer.execute("DROP TABLE fragment")
    with pytest.raises(NodeFailed):
        now(node.store.holds([NAME.incarnation]))
    with pytest.raises(NodeFailed):
        now(node.store.open(NAME, 0, None))
    assert len(node.failures) == 1
