"""Opening a storage directory: refuse it, or bring it into service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import apsw
from attrs import field, frozen
from twisted.internet.defer import Deferred

from godos.deferreds import InThread
from godos.model.errors import CannotStart
from godos.storage.active import VOLUME_SIZE, Sizes
from godos.storage.background import InBackground, InThreads
from godos.storage.compaction import Compactor, CompactorTools
from godos.storage.counters import Counters
from godos.storage.files import IFiles, LocalFiles
from godos.storage.group import IWriter, WriterThread
from godos.storage.health import Health
from godos.storage.holdings import Holdings
from godos.storage.identity import (
    Identity,
    adopted,
    belongs_to,
    check_usable,
    found_directory,
    lock_directory,
    make_root,
    read_identity,
    write_identity,
)
from godos.storage.inventory import Inventory
from godos.storage.layout import Layout
from godos.storage.log import VolumeLog
from godos.storage.object_files import ObjectFiles
from godos.storage.reader import or_release
from godos.storage.records import new_salt
from godos.storage.recovery import volume_files
from godos.storage.small import SmallFragments
from godos.storage.store import DiskFragmentStore, Parts
from godos.storage.verified import VerifiedSince
from godos.storage.volume_store import Opener

MOST_RESERVE = 1 << 30  # bytes of a disk that are kept free at most


@frozen
class Machinery:
    """
    What a store runs on.  Tests put their own in the place of each.

    `in_thread` does reads and large writes, `in_reactor` is `reactor.callFromThread`.
    """

    in_thread: InThread
    in_reactor: Callable[..., Any]
    files: IFiles = field(factory=LocalFiles)
    volume_size: int = VOLUME_SIZE  # bytes
    reserve: int | None = None  # bytes; None: a fiftieth of the disk, at most MOST_RESERVE
    background: Callable[[], InBackground] = InThreads
    writer: Callable[[VolumeLog], IWriter] | None = None  # None: a thread
    new_salt: Callable[[], bytes] = new_salt


@frozen
class Wanted:
    """
    Which directory, and how.

    `cluster` is the id it must belong to (None: any); a node of none is adopted.  `create`
    makes a missing or empty directory a node's; files whose names begin with one of
    `beside` may be in it already.  `on_failed` is called once, in the reactor, with the
    reason when the node leaves service.
    """

    directory: str
    cluster: str | None = None
    create: bool = False
    beside: Sequence[str] = ()
    on_failed: Callable[[str], object] = lambda _: None


def open_store(wanted: Wanted, machinery: Machinery) -> Deferred[DiskFragmentStore]:
    """
    Bring a storage directory into service; the caller closes the store.

    Fails:
        CannotStart: in one line why not; nothing was changed then.
        ClusterMismatch: it is another cluster's.
    """
    opening = machinery.in_thread(_open, wanted, machinery)
    return or_release(opening, lambda store: store.close())


def _open(wanted: Wanted, machinery: Machinery) -> DiskFragmentStore:
    with ExitStack() as undo:
        try:
            store = DiskFragmentStore(_parts(wanted, machinery, undo))
        except (OSError, apsw.Error) as error:
            raise CannotStart(f"cannot open the storage in {wanted.directory}: {error}") from error
        undo.pop_all()
        return store


def _parts(wanted: Wanted, machinery: Machinery, undo: ExitStack) -> Parts:
    files, layout = machinery.files, Layout(wanted.directory)
    if wanted.create:
        make_root(files, wanted.directory)
    lock = lock_directory(files, wanted.directory)
    undo.callback(files.close, lock)
    identity = _identify(files, layout, wanted)
    _empty_staging(files, layout)
    counters = Counters()
    health = Health(files, layout, partial(machinery.in_reactor, wanted.on_failed))
    objects = ObjectFiles(files, layout, counters)
    objects.recover()
    reserve = machinery.reserve
    if reserve is None:
        reserve = min(MOST_RESERVE, files.room(layout.root).capacity // 50)
    sizes = Sizes(machinery.volume_size, reserve)
    volumes = Opener(
        files=files,
        layout=layout,
        node=bytes.fromhex(identity.node),
        sizes=sizes,
        in_background=machinery.background(),
        health=health,
        counters=counters,
        new_salt=machinery.new_salt,
    ).open()
    undo.callback(volumes.close)
    writer = _writer(volumes.log, machinery, identity)
    undo.callback(writer.close)
    compactor = Compactor(
        CompactorTools(
            files=files,
            layout=layout,
            node=bytes.fromhex(identity.node),
            sizes=sizes,
            shelf=volumes.shelf,
            ledger=volumes.ledger,
            active=volumes.active,
            log=volumes.log,
            writer=writer,
            health=health,
            counters=counters,
            in_thread=machinery.in_thread,
            new_salt=machinery.new_salt,
        )
    )
    volumes.log.on_rot = partial(machinery.in_reactor, compactor.begin)
    verified = VerifiedSince()
    return Parts(
        files=files,
        layout=layout,
        identity=identity,
        health=health,
        counters=counters,
        holdings=Holdings(
            files=files,
            layout=layout,
            lock=lock,
            ledger=volumes.ledger,
            small=SmallFragments(files, volumes.shelf, volumes.ledger, counters),
            objects=objects,
            health=health,
            counters=counters,
            inventory=Inventory(volumes.ledger, objects),
            verified=verified,
            in_thread=machinery.in_thread,
        ),
        objects=objects,
        verified=verified,
        writer=writer,
        compactor=compactor,
        reserve=reserve,
        in_thread=machinery.in_thread,
        release=undo.pop_all().close,
    )


def _writer(log: VolumeLog, machinery: Machinery, identity: Identity) -> IWriter:
    if machinery.writer is not None:
        return machinery.writer(log)
    return WriterThread(log, machinery.in_reactor, f"godos-log-{identity.node[:8]}")


def _identify(files: IFiles, layout: Layout, wanted: Wanted) -> Identity:
    """Who the directory is.  Raises CannotStart before anything was changed."""
    identity = read_identity(wanted.directory, files)
    if identity is None:
        if not wanted.create:
            raise CannotStart(f"{wanted.directory} is no storage directory: it has no node.json")
        return found_directory(files, layout, wanted.cluster, wanted.beside)
    member = belongs_to(identity, wanted.directory, wanted.cluster)
    check_usable(files, layout)
    volume_files(files, layout)  # one of a newer format: refuse
    if member or wanted.cluster is None:
        return identity
    identity = adopted(identity, wanted.cluster)
    write_identity(files, layout, identity)
    return identity


def _empty_staging(files: IFiles, layout: Layout) -> None:
    for name in files.names(layout.staging):
        files.unlink(f"{layout.staging}/{name}")
