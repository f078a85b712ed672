"""What a person sees of long work."""

from __future__ import annotations

import io

from godos.catalog.export_format import Header
from godos.catalog.findings import EXAMPLES, Findings
from godos.catalog.importing import Imported
from godos.cli.counting import Counting
from godos.cli.state_files import told
from godos.model.members import Cluster
from godos.service import values


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal() -> None:
    """One line tells how far it is, and is ended."""
    terminal, times = Terminal(), iter([1.0, 1.0, 1.1, 1.5])
    with Counting(terminal, lambda: next(times)) as counting:
        counting.at("reading", 10, 0)
        counting.at("writing", 5, 10)
        counting.at("writing", 6, 10)  # so soon after that nobody could read it
        counting.at("writing", 7, 10)
    shown = "\rreading: 10\rwriting: 5 of 10\rwriting: 7 of 10\n"
    assert terminal.getvalue() == shown


def test_elsewhere() -> None:
    """A file or a pipe is told nothing."""
    file = io.StringIO()
    with Counting(file) as counting:
        counting.at("reading", 10, 0)
    assert file.getvalue() == ""


def test_what_an_import_tells() -> None:
    """Each kind of finding is one line with examples, harmless on a terminal, and the next step."""
    findings = Findings()
    for number in range(EXAMPLES + 2):
        findings.drop("versions whose bytes the catalog does not know", f"photos/\x1b{number}")
    findings.add("bytes to be collected", "ab")
    cluster = Cluster("c" * 32, "secret", "auto", 4, 0.0)
    done = Imported(cluster, Header(cluster.id, 3, "sqlite", True, 0.0), 77, findings)
    first, dropped, added, last = told(done, values.state("sqlite:/s"))
    assert first.startswith("imported 77 rows into sqlite:")
    assert dropped.startswith(f"dropped: {EXAMPLES + 2} versions whose bytes the catalog")
    assert dropped.endswith(", …)")
    assert "\x1b" not in dropped
    assert added == "added: 1 bytes to be collected (ab)"
    assert "epoch 4" in last
    assert "--confirm-epoch 4" in last
    assert "secret" not in last
