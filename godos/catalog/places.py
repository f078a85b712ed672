"""
Where each row of the catalog stands: its partition `p` and its sort key `s`.

The table with every row's fields is `docs/catalog-rows.rst`.
"""

from __future__ import annotations

from hashlib import sha256

from attrs import frozen

from godos.model.blobs import Blob
from godos.model.versions import Bucket

Place = tuple[str, bytes]

ONLY = b"."  # the sort key of a partition that holds one row
META: Place = ("META", b"schema")
CENSUS: Place = ("CENSUS", ONLY)
JOBS = "JOB"
BUCKETS = "BKT"
NODES = "NODE"
APIS = "API"
USERS = "USER"
USER_KEYS, USER_NAMES, USER_EMAILS = "USER#key", "USER#name", "USER#email"  # who has which
SPREAD = 16  # partitions over which collect and repair rows are spread
DUE_SPREAD = 4  # and the rows that have uploads looked at, which are fewer
MAX_SEQ = 2**64 - 1


def bucket_place(name: str) -> Place:
    return BUCKETS, name.encode()


@frozen
class ObjectKey:
    """A key of a bucket, and where the rows of its versions stand."""

    bucket: Bucket
    key: str

    @property
    def head(self) -> Place:
        """The latest version's row."""
        raw = self.key.encode()
        return head_partition(self.bucket, sha256(raw).digest()[0] % self.bucket.shards), raw

    @property
    def history(self) -> str:
        """The partition of the older versions: hashed, because a `p` is no place for bytes."""
        return f"H#{self.bucket.id}#{sha256(self.key.encode()).hexdigest()[:32]}"

    def older(self, seq: int) -> Place:
        """The row of an older version."""
        return self.history, history_key(seq)


def head_partition(bucket: Bucket, shard: int) -> str:
    return f"O#{bucket.id}#{shard}"


def head_partitions(bucket: Bucket) -> list[str]:
    return [head_partition(bucket, shard) for shard in range(bucket.shards)]


def history_key(seq: int) -> bytes:
    """Inverted, so that the newest comes first."""
    return (MAX_SEQ - seq).to_bytes(8, "big")


def blob_place(incarnation: str) -> Place:
    return f"B#{incarnation}", ONLY


def shared_place(incarnation: str) -> Place:
    """Where it stands that a blob was given a reference after its first one."""
    return f"B#{incarnation}", b"shared"


def content_place(blob: Blob) -> Place:
    """Where the content index names a blob that holds these stored bytes, under this policy."""
    text = f"{blob.size}/{blob.sha256}/{blob.codec}/{blob.policy}"
    return f"D#{sha256(text.encode()).hexdigest()}", ONLY


def references(incarnation: str) -> str:
    """The partition of a blob's references."""
    return f"R#{incarnation}"


def reference_place(incarnation: str, reference: str) -> Place:
    return references(incarnation), reference.encode()


def collect_partition(number: int) -> str:
    return f"G#{number:x}"


def collect_place(incarnation: str, when: float) -> Place:
    """`when` (seconds since the epoch) orders the rows, so that the oldest are found first."""
    key = _milliseconds(when) + bytes.fromhex(incarnation)
    return collect_partition(int(incarnation[0], SPREAD)), key


def collect_stop(when: float) -> bytes:
    """After every collect row that was written at `when` or before."""
    return _milliseconds(when) + b"\xff" * 17


def manifest_partition(manifest: str) -> str:
    """Of the rows of a list of parts: its pages, and its heading."""
    return f"M#{manifest}"


def manifest_place(manifest: str) -> Place:
    """The heading."""
    return manifest_partition(manifest), ONLY


def page_place(manifest: str, page: int) -> Place:
    """Before the heading in the order of the partition."""
    return manifest_partition(manifest), page.to_bytes(4, "big")


def open_uploads(bucket: Bucket) -> str:
    """The partition that tells, key by key, which uploads in parts are open."""
    return f"U#{bucket.id}"


def open_place(bucket_id: str, key: str) -> Place:
    return f"U#{bucket_id}", key.encode()


def upload_partition(upload: str) -> str:
    """Of an upload's row, and of its parts."""
    return f"P#{upload}"


def upload_place(upload: str) -> Place:
    return upload_partition(upload), ONLY


def part_key(number: int) -> bytes:
    """Before the upload's own row in the order of the partition."""
    return number.to_bytes(2, "big")


def part_place(upload: str, number: int) -> Place:
    return upload_partition(upload), part_key(number)


def due_partition(number: int) -> str:
    return f"X#{number:x}"


def due_place(upload: str, when: float) -> Place:
    """Where it stands that an upload is to be looked at from `when` on."""
    number = sha256(upload.encode()).digest()[0] % DUE_SPREAD
    return due_partition(number), _milliseconds(when) + upload.encode()


def due_stop(when: float) -> bytes:
    """After every upload that is to be looked at by `when`."""
    return _milliseconds(when) + b"\xff"


def outbox_partition(shard: int) -> str:
    return f"E#{shard:x}"


def repair_partition(number: int) -> str:
    return f"F#{number:x}"


def repair_place(incarnation: str) -> Place:
    return repair_partition(int(incarnation[0], SPREAD)), bytes.fromhex(incarnation)


def strays_partition(node: str) -> str:
    """What is in quarantine on a node."""
    return f"Q#{node}"


def stray_place(node: str, name: str) -> Place:
    return strays_partition(node), name.encode()


def job_place(kind: str, node: str) -> Place:
    """One of each kind and node."""
    return JOBS, f"{kind}/{node}".encode()


def settings_partition(bucket: Bucket) -> str:
    """What configures a bucket, one row for each setting."""
    return f"C#{bucket.id}"


def setting_place(bucket: Bucket, setting: str) -> Place:
    return settings_partition(bucket), setting.encode()


def lease_place(what: str) -> Place:
    return f"L#{what}", ONLY


def _milliseconds(when: float) -> bytes:
    return max(0, int(when * 1000)).to_bytes(8, "big")
