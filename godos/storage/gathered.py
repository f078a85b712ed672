"""All that fragments say of themselves, gathered in a file: more than memory may be needed for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import apsw
from attrs import asdict, evolve, frozen

from godos.model.blobs import GENERATION, Blob, FragmentHeader, Placed
from godos.model.policy import Policy
from godos.storage.origins import Origin

_SCHEMA = """
CREATE TABLE fragment(
    incarnation TEXT, ix INTEGER, node TEXT, size INTEGER, sha256 TEXT, policy TEXT,
    codec TEXT, PRIMARY KEY(incarnation, ix, node)) WITHOUT ROWID;
CREATE TABLE origin(
    incarnation TEXT PRIMARY KEY, bucket TEXT, bucket_id TEXT, key TEXT, upload TEXT,
    modified REAL, origin TEXT) WITHOUT ROWID;
CREATE TABLE silent(incarnation TEXT PRIMARY KEY, why TEXT) WITHOUT ROWID;
CREATE INDEX by_key ON origin(bucket, key);
"""


@frozen
class Stored:
    """A blob that was found, with its row as it would be, and what it says of itself."""

    blob: Blob
    origin: Origin


class Gathered:
    """
    Args:
        path: of a file that does not exist, or ":memory:".
    """

    def __init__(self, path: str) -> None:
        self._rows = apsw.Connection(path)
        for pragma in ("journal_mode", "synchronous"):  # it is made anew when it breaks
            self._rows.pragma(pragma, "OFF")
        self._rows.execute(_SCHEMA)
        self._rows.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    # -- gathering ------------------------------------------------------------------------
    def add(self, node: str, header: FragmentHeader) -> bool:
        """Note a fragment on a node; tells whether the blob's origin is known already."""
        name = header.name
        self._rows.execute(
            "INSERT OR REPLACE INTO fragment VALUES(?, ?, ?, ?, ?, ?, ?)",
            (
                name.incarnation,
                name.index,
                node,
                header.blob_size,
                header.blob_sha256,
                header.policy,
                header.codec,
            ),
        )
        known = self._rows.execute(
            "SELECT 1 FROM origin WHERE incarnation = ?", (name.incarnation,)
        )
        return known.fetchone() is not None

    def tell(self, incarnation: str, origin: Origin) -> None:
        """Note where a blob belongs."""
        row = (
            incarnation,
            origin.bucket,
            origin.bucket_id,
            origin.key,
            origin.upload,
            origin.modified,
            json.dumps(asdict(origin)),
        )
        self._rows.execute("INSERT OR REPLACE INTO origin VALUES(?, ?, ?, ?, ?, ?, ?)", row)

    def is_silent(self, incarnation: str, why: str) -> None:
        """Note that a fragment of a blob does not tell where it belongs."""
        self._rows.execute("INSERT OR REPLACE INTO silent VALUES(?, ?)", (incarnation, why))

    # -- what was gathered ------------------------------------------------------------------
    @property
    def fragments(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM fragment").get)

    @property
    def blobs(self) -> int:
        """That say where they belong."""
        return int(self._rows.execute("SELECT count(*) FROM origin").get)

    def silent(self) -> dict[str, int]:
        """Blobs of which no fragment tells where it belongs, by the reason."""
        rows = self._rows.execute(
            "SELECT why, count(*) FROM silent WHERE incarnation NOT IN "
            "(SELECT incarnation FROM origin) GROUP BY why ORDER BY why"
        )
        return {str(why): int(number or 0) for why, number in rows}

    def buckets(self) -> Iterator[tuple[str, str, float, float]]:
        """Name, id, and the first and last time something was stored, of each bucket."""
        yield from self._rows.execute(
            "SELECT bucket, bucket_id, min(modified), max(modified) FROM origin "
            "GROUP BY bucket, bucket_id ORDER BY bucket, max(modified) DESC, bucket_id"
        )

    def newest_origins(self, bucket_id: str) -> Iterator[Origin]:
        """Of all that was stored in a bucket, the newest first."""
        for row in self._rows.execute(
            "SELECT origin FROM origin WHERE bucket_id = ? ORDER BY modified DESC", (bucket_id,)
        ):
            yield _origin(row)

    def count(self, bucket_id: str) -> int:
        """Blobs that were stored in a bucket."""
        return int(
            self._rows.execute("SELECT count(*) FROM origin WHERE bucket_id = ?", (bucket_id,)).get
        )

    def keys(self, bucket: str, bucket_id: str) -> Iterator[str]:
        """The keys of a bucket, each once, in order."""
        for (key,) in self._rows.execute(
            "SELECT DISTINCT key FROM origin WHERE bucket = ? AND bucket_id = ? ORDER BY key",
            (bucket, bucket_id),
        ):
            yield key

    def of_key(self, bucket: str, bucket_id: str, key: str) -> list[Stored]:
        """What was stored under a key, oldest first."""
        rows = self._rows.execute(
            "SELECT incarnation, origin FROM origin WHERE bucket = ? AND bucket_id = ? "
            "AND key = ? ORDER BY modified, incarnation",
            (bucket, bucket_id, key),
        ).fetchall()
        return [Stored(self._blob(str(row[0])), _origin(row[1:])) for row in rows]

    def _blob(self, incarnation: str) -> Blob:
        """
        The blob of the fragments that were found.

        A blob that was being converted has two generations: one that can be read is taken, the
        one that is nearer to its target, and of two that are whole the newer one.  Fragments
        that were left by an older conversion may have numbers of the same generation.
        """
        generations: dict[tuple[int, str, str], Blob] = {}
        for index, node, size, sha256, policy, codec in self._rows.execute(
            "SELECT ix, node, size, sha256, policy, codec FROM fragment WHERE incarnation = ? "
            "ORDER BY ix, node",
            (incarnation,),
        ):
            generation = index // GENERATION, policy, sha256
            known = generations.get(generation)
            if known is None:
                known = Blob(incarnation, size, sha256, Policy.parse(policy), (), codec)
            generations[generation] = with_fragment(known, Placed(index, node))
        ranked = generations.items()
        return max(ranked, key=lambda item: (readable(item[1]), margin(item[1]), item[0]))[1]


def _origin(row: Sequence[Any]) -> Origin:
    return Origin(**json.loads(row[0]))


def with_fragment(blob: Blob, placed: Placed) -> Blob:
    """The blob with one more fragment in its layout, unless it has that one."""
    if any(placed.index == other.index for other in blob.layout):
        return blob
    return evolve(blob, layout=(*blob.layout, placed))


def readable(blob: Blob) -> bool:
    """Whether enough fragments were found to read it."""
    return len(blob.layout) >= blob.policy.data


def margin(blob: Blob) -> int:
    """How many fragments are missing (negative), at most 0."""
    return min(0, len(blob.layout) - blob.policy.width)
