"""The volumes of a node as one thing: shelf, index, log and the one that writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import apsw
from attrs import frozen
from twisted.logger import Logger

from godos.storage.active import ActiveVolume, Sizes
from godos.storage.background import InBackground
from godos.storage.counters import Counters
from godos.storage.files import IFiles
from godos.storage.health import Health
from godos.storage.index import Index
from godos.storage.layout import Layout
from godos.storage.ledger import Ledger
from godos.storage.log import VolumeLog
from godos.storage.recovery import Recovery
from godos.storage.spare import Spare
from godos.storage.volumes import Shelf

log = Logger()


@frozen
class VolumeStore:
    """What was opened; `close` comes after the log was closed, and blocks."""

    shelf: Shelf
    ledger: Ledger
    active: ActiveVolume
    log: VolumeLog
    close: Callable[[], None]


@frozen
class Opener:
    """Opens the volumes of one directory.  Raises OSError and apsw.Error."""

    files: IFiles
    layout: Layout
    node: bytes
    sizes: Sizes
    in_background: InBackground
    health: Health
    counters: Counters
    new_salt: Callable[[], bytes]

    def open(self) -> VolumeStore:
        """Recover what is on the disk; an index that is damaged is made anew."""
        try:
            return self._open()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            log.warn(
                "the index of {path} is damaged and made anew: {error}",
                path=self.layout.root,
                error=error,
            )
            self.files.delete_database(self.layout.index)
            return self._open()

    def _open(self) -> VolumeStore:
        with ExitStack() as undo:
            index = Index(self.files, self.layout.index)
            undo.callback(index.close)
            shelf = Shelf(self.files)
            undo.callback(shelf.close)
            ledger = Ledger(index, shelf)
            spare = Spare(
                self.files, self.layout, self.sizes.volume, self.in_background, self.health
            )
            undo.callback(spare.close)
            active = ActiveVolume(
                self.files,
                self.layout,
                self.node,
                self.sizes,
                shelf,
                spare,
                self.health,
                self.counters,
                self.new_salt,
            )
            undo.callback(active.close)
            recovery = Recovery(self.files, self.layout, index, shelf, ledger, self.counters)
            sequence = recovery.recover(active)
            writer = VolumeLog(active, ledger, self.health, self.counters, sequence)
            return VolumeStore(shelf, ledger, active, writer, undo.pop_all().close)
