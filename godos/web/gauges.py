"""How the store is, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator

from godos.objects.upkeep.status import Gauges
from godos.protocol.upkeep import Health

_Line = tuple[str, str, float]  # name, kind, value


def render(gauges: Gauges) -> str:
    """
    The gauges in Prometheus' text format, as `Counters.render`.

    What only a census knows is left out before the first one: a number would be a lie.
    """
    lines = []
    for name, kind, value in (*_of_census(gauges), *_of_repairs(gauges), *_of_strays(gauges)):
        lines += [f"# TYPE godos_{name} {kind}", f"godos_{name} {value:.15g}"]
    lines.append("# TYPE godos_nodes gauge")
    for state, number in sorted(gauges.nodes.items()):
        lines.append(f'godos_nodes{{state="{state}"}} {number}')
    lines.append("# TYPE godos_health gauge")
    for health in Health:
        lines.append(f'godos_health{{state="{health}"}} {int(gauges.health.health is health)}')
    return "\n".join(lines) + "\n"


def _of_census(gauges: Gauges) -> Iterator[_Line]:
    census = gauges.census
    if census is None:
        return
    yield "objects_below_target", "gauge", census.below_target
    yield "objects_lost", "gauge", census.lost
    yield "objects_unreachable", "gauge", census.unreachable
    yield "objects_unverified", "gauge", census.unverified
    yield "blobs", "gauge", census.blobs
    yield "blob_bytes", "gauge", census.bytes
    yield "fragments", "gauge", census.fragments
    yield "stray_fragments", "gauge", census.strays
    yield "census_started_seconds", "gauge", census.started
    yield "census_finished_seconds", "gauge", census.finished
    yield "census_duration_seconds", "gauge", census.finished - census.started
    yield "census_silent_nodes", "gauge", len(census.silent)


def _of_repairs(gauges: Gauges) -> Iterator[_Line]:
    progress = gauges.progress
    yield "repair_waiting", "gauge", gauges.waiting
    yield "repair_rate_bytes", "gauge", gauges.rate
    yield "repair_mended_total", "counter", progress.mended
    yield "repair_failed_total", "counter", progress.failed
    yield "repair_fragments_total", "counter", progress.fragments
    yield "repair_bytes_total", "counter", progress.bytes


def _of_strays(gauges: Gauges) -> Iterator[_Line]:
    yield "censuses_total", "counter", gauges.taken
    yield "stray_fragments_removed", "gauge", gauges.removed
    if gauges.oldest_verified:
        yield "scrub_verified_since_seconds", "gauge", gauges.oldest_verified
