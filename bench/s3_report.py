"""What a run of ceph/s3-tests means: results, the reasons of failures, and the page of both."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from attrs import frozen

PLANNED, WILL_NOT = "planned", "will not"
LISTS = (PLANNED, WILL_NOT)
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

# What tests are about, by their names; the first that matches counts.
SUBJECTS: Sequence[tuple[str, str]] = (
    ("Request headers", r"^test_headers::"),
    ("Browser forms", r"post_object"),
    ("Signatures in the query", r"raw_|presigned"),
    ("CORS", r"cors"),
    ("Lifecycle", r"lifecycle|delete_marker_expiration"),
    ("Object lock", r"object_lock"),
    ("Encryption", r"encryption|sse_|sse-|_enc\b|_enc\["),
    ("Bucket logging", r"logging"),
    ("Bucket policies", r"polic"),
    ("Public access and ownership", r"public|ownership|block_"),
    ("Access control lists", r"acl|access_bucket|grant|canned|anon"),
    ("Tags", r"tag"),
    ("Checksums", r"checksum|cksum"),
    ("Object attributes", r"attributes"),
    ("Versions", r"version|delete_marker"),
    ("Conditional requests", r"ifmatch|if_match|if_none_match|ifnonematch|ifmodified|ifunmodified"),
    ("Copies", r"copy"),
    ("Uploads in parts", r"multipart|get_part"),
    ("Ranges", r"range"),
    ("Listings", r"list"),
    ("Buckets", r"bucket|account"),
    ("Objects", r""),
)

NOTE = ".. Written by ``python -m bench.s3_suite``: change it there, or in s3-compatibility.toml."

INTRODUCTION = """\
`ceph/s3-tests <https://github.com/ceph/s3-tests>`_ is the public suite that stores of this kind are
measured with.  Of its core (``test_s3.py``, ``test_headers.py``) these are the tests that it does
not mark ``fails_on_aws``, run against a fresh server that enforces signatures.  The suite is for
finding faults: nothing in godos knows its names.  Where it and the documentation of AWS differ,
godos follows AWS.
"""

COMMAND = """\
git clone https://github.com/ceph/s3-tests
git -C s3-tests checkout {commit}
python -m venv s3-tests/venv
s3-tests/venv/bin/pip install -r s3-tests/requirements.txt pytest-timeout
python -m bench.s3_suite --suite s3-tests --python s3-tests/venv/bin/python
"""

AFTER_COMMAND = """\
It starts the server and removes it afterwards, and fails when a test fails without a reason in
``docs/s3-compatibility.toml``, or passes although it has one there.
"""


class UnreadableReasons(Exception):
    """The file of reasons does not hold what it should."""


@frozen
class Reason:
    """Why some tests fail, and on which of `LISTS` that puts them."""

    on: str
    reason: str
    tests: tuple[str, ...]


@frozen
class Suite:
    """What was run: the suite's commit, and the botocore that it ran with."""

    commit: str
    botocore: str


@frozen
class Results:
    """
    What a run found.

    `states` are PASSED, FAILED or SKIPPED by the tests' names; `skips` says why.
    """

    day: str  # 2026-11-22
    states: Mapping[str, str]
    skips: Mapping[str, str]

    def all(self, state: str) -> list[str]:
        """The tests of which this became, in order."""
        return sorted(test for test, one in self.states.items() if one == state)


def name_of(case: ElementTree.Element) -> str:
    """`test_s3::test_bucket_list_empty`, as the pages and the reasons name a test."""
    module = case.get("classname", "").rpartition(".")[2]
    return f"{module}::{case.get('name')}"


def read_results(path: Path) -> Results:
    """
    The tests of a JUnit file.

    A test whose fixture failed has failed, whatever else is said of it.
    """
    tree = ElementTree.parse(path)
    states: dict[str, str] = {}
    skips: dict[str, str] = {}
    for case in tree.iter("testcase"):
        name, state, skipped = name_of(case), PASSED, case.find("skipped")
        if skipped is not None:
            state, skips[name] = SKIPPED, skipped.get("message", "")
        if case.find("failure") is not None or case.find("error") is not None:
            state = FAILED
        states[name] = FAILED if states.get(name) == FAILED else state
    began = next(suite.get("timestamp", "") for suite in tree.iter("testsuite"))
    return Results(began[:10], states, skips)


def read_reasons(path: Path) -> list[Reason]:
    """
    The reviewed reasons.

    Raises:
        UnreadableReasons: a test is there twice, or a list or a reason is missing.
    """
    document: dict[str, Any] = tomllib.loads(path.read_text())
    seen: set[str] = set()
    reasons = []
    for entry in document.get("failure", ()):
        reason = Reason(entry.get("list", ""), entry.get("reason", ""), tuple(entry["tests"]))
        if reason.on not in LISTS:
            raise UnreadableReasons(f"{reason.tests}: the list is one of {', '.join(LISTS)}")
        if not reason.reason.endswith("."):
            raise UnreadableReasons(f"{reason.tests}: the reason is a sentence")
        if twice := seen.intersection(reason.tests):
            raise UnreadableReasons(f"more than one reason: {', '.join(sorted(twice))}")
        seen.update(reason.tests)
        reasons.append(reason)
    return reasons


def faults(results: Results, reasons: Iterable[Reason]) -> list[str]:
    """What keeps results and reasons from being one story, in sentences."""
    explained = {test for reason in reasons for test in reason.tests}
    failed = set(results.all(FAILED))
    return [
        *(f"{test} fails without a reason" for test in sorted(failed - explained)),
        *(
            f"{test} has a reason to fail, but {_story(results.states.get(test))}"
            for test in sorted(explained - failed)
        ),
    ]


def _story(state: str | None) -> str:
    return "is no test of the suite" if state is None else f"it {state}"


def subject_of(test: str) -> str:
    """What a test is about."""
    return next(title for title, pattern in SUBJECTS if re.search(pattern, test))


def page(suite: Suite, results: Results, reasons: Sequence[Reason]) -> str:
    """The page of documentation, as reStructuredText."""
    passed, failed, skipped = map(results.all, (PASSED, FAILED, SKIPPED))
    planned, will_not = (
        sum(len(reason.tests) for reason in reasons if reason.on == on) for on in LISTS
    )
    summary = (
        f"Of {len(results.states)} tests {len(passed)} pass, {len(failed)} fail ({planned} "
        f"planned, {will_not} that will not) and {len(skipped)} skip themselves.  Commit "
        f"``{suite.commit}`` of the suite, botocore {suite.botocore}, {results.day}."
    )
    parts = [
        NOTE + "\n",
        _title("Compatibility with S3", "="),
        INTRODUCTION,
        _wrapped(summary) + "\n",
        "The command::\n",
        textwrap.indent(COMMAND.format(commit=suite.commit), "    "),
        AFTER_COMMAND,
        _title("Works", "-"),
        *works(passed),
        *failures(reasons),
        _title("Skipped", "-"),
        *(_wrapped(f"* ``{test}``: {results.skips[test]}", "  ") + "\n" for test in skipped),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def works(passed: Sequence[str]) -> Iterable[str]:
    """The tests that pass, by what they are about."""
    for title, _ in SUBJECTS:
        chosen = [test for test in passed if subject_of(test) == title]
        if chosen:
            yield _wrapped(f"**{title}** ({len(chosen)}): {_names(chosen)}") + "\n"


def failures(reasons: Sequence[Reason]) -> list[str]:
    """The two lists of failures, which depend on their reasons alone."""
    parts = []
    for on, title in ((PLANNED, "Planned"), (WILL_NOT, "Will not")):
        parts.append(_title(title, "-"))
        chosen = [reason for reason in reasons if reason.on == on]
        if not chosen:
            parts.append("Nothing.\n")
        for reason in chosen:
            parts.append(_wrapped(f"* {_names(reason.tests)}: {reason.reason}", "  ") + "\n")
    return parts


def _names(tests: Iterable[str]) -> str:
    return ", ".join(f"``{test}``" for test in tests)


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        100,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
