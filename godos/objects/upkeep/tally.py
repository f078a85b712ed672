"""
The blob rows of a census, in the order of their incarnations, however many there are.

They come from the catalog in no order, and are to be merged with sorted lists of the nodes.
So they go into a temporary SQLite file and come out of it sorted; nothing but pages is in
memory.  All of it blocks; calls may come from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from tempfile import TemporaryDirectory
from threading import Lock

import apsw

from godos.model.blobs import Blob, BlobState, Placed
from godos.model.policy import Policy

_CACHE = 16 << 10  # KiB
# A file that nobody reads after a crash: nothing is synced, nothing can be rolled back.
_SETTINGS = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -{_CACHE};
    CREATE TABLE blobs (
        incarnation BLOB PRIMARY KEY,
        size INTEGER, policy TEXT, condemned INTEGER, layout TEXT, rev TEXT
    ) WITHOUT ROWID;
"""


class Tally:
    """
    Blob rows on disk.  What is not needed to compare them with disks is left out: SHA-256
    and codec are empty in what comes back.

    Args:
        folder: where the file is made; None for the system's temporary one.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._lock = Lock()  # a call that nobody waits for any more may still run
        self._folder = TemporaryDirectory(prefix="godos-census-", dir=folder)
        self._connection: apsw.Connection | None = apsw.Connection(
            f"{self._folder.name}/blobs.sqlite"
        )
        list(self._connection.execute(_SETTINGS))  # each statement runs when it is asked for
        self._nodes: list[str] = []  # a node's number is its place here
        self._numbers: dict[str, int] = {}

    def add(self, blobs: Iterable[Blob]) -> None:
        """Keep these rows; one that comes again takes the place of the first."""
        with self._lock:
            if self._connection is None:
                return
            rows = [self._row(blob) for blob in blobs]
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?)", rows
                )

    def page(self, after: str, limit: int) -> Sequence[Blob]:
        """The next rows after the incarnation `after` ("": the first), in order."""
        with self._lock:
            if self._connection is None:
                return ()
            rows = self._connection.execute(
                "SELECT * FROM blobs WHERE incarnation > ? ORDER BY incarnation LIMIT ?",
                (bytes.fromhex(after), limit),
            )
            return [self._blob(*row) for row in rows]

    def close(self) -> None:
        """Remove the file.  Idempotent."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
                self._folder.cleanup()

    def _row(self, blob: Blob) -> tuple[bytes, int, str, bool, str, str]:
        layout = ",".join(f"{each.index}:{self._number(each.node)}" for each in blob.layout)
        condemned = blob.state is BlobState.CONDEMNED
        key = bytes.fromhex(blob.incarnation)
        return key, blob.size, str(blob.policy), condemned, layout, blob.rev

    def _number(self, node: str) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._nodes)
            self._nodes.append(node)
        return number

    def _blob(
        self, key: bytes, size: int, policy: str, condemned: int, layout: str, rev: str
    ) -> Blob:
        placed = (text.partition(":") for text in layout.split(",") if text)
        return Blob(
            key.hex(),
            size,
            "",
            Policy.parse(policy),
            tuple(Placed(int(index), self._nodes[int(node)]) for index, _, node in placed),
            state=BlobState.CONDEMNED if condemned else BlobState.LIVE,
            rev=rev,
        )
