"""The page of S3 compatibility says what its reviewed reasons say, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.s3_report import (
    FAILED,
    PASSED,
    PLANNED,
    WILL_NOT,
    Reason,
    Results,
    UnreadableReasons,
    failures,
    faults,
    read_reasons,
    read_results,
)

DOCS = Path(__file__).parents[2] / "docs"
PAGE, REASONS = DOCS / "s3-compatibility.rst", DOCS / "s3-compatibility.toml"

checkout = pytest.mark.skipif(not PAGE.exists(), reason="not a checkout")


def section(title: str) -> str:
    """What the page has under a title."""
    text = re.split(rf"^{title}\n-+\n", PAGE.read_text(), flags=re.MULTILINE)[1]
    return re.split(r"^.+\n-+\n", text, maxsplit=1, flags=re.MULTILINE)[0]


def named_in(text: str) -> list[str]:
    """The tests that a text names."""
    return re.findall(r"``(test_\w+::[^`]+)``", text)


@checkout
def test_the_page_tells_the_reasons() -> None:
    """Both lists of failures are those of the reasons, word for word."""
    assert "\n".join(failures(read_reasons(REASONS))) in PAGE.read_text()


@checkout
def test_the_numbers_are_those_of_the_lists() -> None:
    """What is said in the summary can be counted below it."""
    text = " ".join(PAGE.read_text().split())
    found = re.search(
        r"Of (\d+) tests (\d+) pass, (\d+) fail \((\d+) planned, (\d+) that will not\)"
        r" and (\d+) skip",
        text,
    )
    assert found is not None
    total, passed, failed, planned, will_not, skipped = map(int, found.groups())
    listed = [
        len(set(named_in(section(title)))) for title in ("Works", "Planned", "Will not", "Skipped")
    ]
    assert listed == [passed, planned, will_not, skipped]
    assert planned + will_not == failed
    assert passed + failed + skipped == total


@checkout
def test_nothing_works_and_fails() -> None:
    """A test that has a reason to fail is not among those that pass."""
    explained = {test for reason in read_reasons(REASONS) for test in reason.tests}
    assert not explained & set(named_in(section("Works")))


def results(**states: str) -> Results:
    """Of tests that are named by one word."""
    return Results("2026-01-01", states, {})


def test_a_failure_needs_a_reason() -> None:
    """A test that fails and that nobody has looked at is told."""
    assert faults(results(a=FAILED, b=PASSED), []) == ["a fails without a reason"]


def test_a_reason_needs_a_failure() -> None:
    """What passes now, or is gone, may not go on having an excuse."""
    excuses = [Reason(WILL_NOT, "So be it.", ("a", "b", "c"))]
    assert faults(results(a=FAILED, b=PASSED), excuses) == [
        "b has a reason to fail, but it passed",
        "c has a reason to fail, but is no test of the suite",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('list = "some day"\ntests = ["a"]\nreason = "So."', "the list is one of"),
        (f'list = "{PLANNED}"\ntests = ["a"]\nreason = ""', "the reason is a sentence"),
        (
            f'list = "{PLANNED}"\ntests = ["a"]\nreason = "So."\n'
            f'[[failure]]\nlist = "{WILL_NOT}"\ntests = ["a"]\nreason = "So."',
            "more than one reason",
        ),
    ],
)
def test_reasons_that_make_no_sense(text: str, told: str, tmp_path: Path) -> None:
    """A reason has a list and a sentence, and a test one reason."""
    file = tmp_path / "reasons.toml"
    file.write_text(f"[[failure]]\n{text}\n")
    with pytest.raises(UnreadableReasons, match=told):
        read_reasons(file)


def test_results_are_read(tmp_path: Path) -> None:
    """A failed teardown makes a failure of a test that passed, and skips keep their reason."""
    file = tmp_path / "results.xml"
    file.write_text(
        '<testsuites><testsuite timestamp="2026-11-22T17:00:00">'
        '<testcase classname="s3tests.functional.test_s3" name="test_a"/>'
        '<testcase classname="s3tests.functional.test_s3" name="test_a"><error/></testcase>'
        '<testcase classname="s3tests.functional.test_s3" name="test_b"/>'
        '<testcase classname="s3tests.functional.test_headers" name="test_c[x]">'
        '<skipped message="not here"/></testcase>'
        "</testsuite></testsuites>"
    )
    found = read_results(file)
    assert found.day == "2026-11-22"
    assert found.all(FAILED) == ["test_s3::test_a"]
    assert found.all(PASSED) == ["test_s3::test_b"]
    assert found.skips == {"test_headers::test_c[x]": "not here"}
