"""How far repair is, and how fast it goes."""

from __future__ import annotations

from godos.objects.upkeep.progress import WINDOW, Progress


def test_rate_and_time_to_finish_are_of_the_last_minutes() -> None:
    """As much as was done since the work began, while that is not long ago."""
    progress = Progress()
    progress.began(1000.0)
    progress.waiting = 10
    progress.tried(1010.0, 2, 500, True)
    progress.tried(1020.0, 2, 500, True)
    assert progress.rate(1020.0) == 1000 / 20
    assert progress.eta(1020.0) == 10 * 20 / 2
    progress.tried(1020.0 + WINDOW, 1, 600, True)
    assert progress.rate(1020.0 + WINDOW) == 1100 / WINDOW
    assert progress.rate(1020.0 + 3 * WINDOW) == 0


def test_what_does_not_go_has_no_end() -> None:
    """Tries that mended nothing promise nothing; with nothing to do all is done."""
    progress = Progress()
    progress.began(0.0)
    progress.waiting = 1
    progress.tried(5.0, 0, 0, False)
    assert progress.eta(5.0) is None
    progress.waiting = 0
    assert progress.eta(5.0) == 0.0
    assert (progress.mended, progress.bytes) == (0, 0)
