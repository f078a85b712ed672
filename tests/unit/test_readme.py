"""What README.rst refers to is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.rst"
REFERENCES = sorted(set(re.findall(r"``(tests/[\w/]+\.py)(?:::(\w+))?``", README.read_text())))

pytestmark = pytest.mark.skipif(not README.exists(), reason="not a checkout")


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_the_test_of_a_promise_exists(path: str, name: str) -> None:
    """A promise names a test that can be run."""
    tree = ast.parse((ROOT / path).read_text())
    names = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert any(one.startswith("test_") for one in names)
    assert not name or name in names


def test_every_promise_names_one() -> None:
    """Eight promises, and none without a test."""
    promises = re.split(r"\n\d\. \*\*", README.read_text().split("The S3 API")[0])[1:]
    assert len(promises) == 8
    assert all("``tests/" in promise for promise in promises)
