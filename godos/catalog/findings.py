"""What an import found that did not close, and what became of it."""

from __future__ import annotations

from attrs import define, field

EXAMPLES = 5  # of each kind that are kept


@define
class Finding:
    """How often something was found, and some examples."""

    count: int = 0
    examples: list[str] = field(factory=list)


@define
class Findings:
    """By a sentence that says what it was; what was dropped, and what was added."""

    dropped: dict[str, Finding] = field(factory=dict)
    added: dict[str, Finding] = field(factory=dict)

    def drop(self, why: str, what: str) -> None:
        _note(self.dropped, why, what)

    def add(self, why: str, what: str) -> None:
        _note(self.added, why, what)


def _note(among: dict[str, Finding], why: str, what: str) -> None:
    finding = among.setdefault(why, Finding())
    finding.count += 1
    if len(finding.examples) < EXAMPLES:
        finding.examples.append(what)
