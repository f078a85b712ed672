"""
Making the rows of an import close: each refers only to what is there, and whoever has work
with a row (a collector, a repairer) is told of it by another.

Rows of one moment close already, and stay as they are but for what is left out.  Of rows
that were read one after the other, versions whose bytes nobody knows are dropped, and so are
references that nothing has; bytes without references are left to the collector.

The order of the steps matters: each relies on what those before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from godos.catalog.closing_bytes import close_blobs, close_manifests_work, close_references
from godos.catalog.closing_context import Closing
from godos.catalog.closing_holders import (
    close_manifests,
    close_settings,
    close_uploads,
    close_versions,
)
from godos.catalog.findings import Findings
from godos.catalog.histories import close_histories
from godos.catalog.leaving_out import claims, leave_out
from godos.catalog.places import BUCKETS
from godos.catalog.records import bucket_of
from godos.catalog.spool import Spool

_STEPS: tuple[Callable[[Closing], Iterator[int]], ...] = (
    leave_out,
    close_settings,
    close_manifests,
    close_uploads,
    close_versions,
    close_histories,
    close_references,
    close_manifests_work,
    close_blobs,
    claims,
)


def close(
    spool: Spool, findings: Findings, now: float, draw_id: Callable[[], str]
) -> Iterator[int]:
    """
    Bring the items in `spool` in order; tells now and then how many were looked at in all.

    Raises:
        RowNotUnderstood: a row was written by a newer godos.
    """
    buckets = {bucket.id: bucket for bucket in map(bucket_of, spool.partition(BUCKETS))}
    closing = Closing(spool, findings, buckets, now, draw_id)
    looked = 0
    for step in _STEPS:
        for more in step(closing):
            looked += more
            yield looked
