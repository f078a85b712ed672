"""The codes of errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from botocore.session import Session

import godos
from godos.web.errors import ANSWERS
from godos.web.s3.codes import STATUSES


def codes_in_use() -> Iterator[str]:
    """The codes of all `S3Error("…")` in the source."""
    for module in Path(godos.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            is_error = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "S3Error"
            if is_error and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def test_every_code_in_use_has_its_status() -> None:
    """No error fails to be made in the middle of a request."""
    used = set(codes_in_use())
    assert "MalformedXML" in used
    assert used <= set(STATUSES)


def test_one_code_has_one_status() -> None:
    """The errors of lower layers are answered like those that S3 alone names."""
    same = {code: status for status, code in ANSWERS.values() if code in STATUSES}
    assert "NoSuchKey" in same
    assert {code: STATUSES[code] for code in same} | {"RequestTimeout": 400} == same | {
        "RequestTimeout": 400
    }


def test_the_statuses_are_those_of_the_description() -> None:
    """Where the service's description knows an error and its status, both agree."""
    shapes = Session().get_service_model("s3")
    described = {
        shape.name: shape.metadata["error"]["httpStatusCode"]
        for shape in shapes.error_shapes
        if "httpStatusCode" in shape.metadata.get("error", {})
    }
    assert described["InvalidObjectState"] == 403
    known = {name: status for name, status in described.items() if name in STATUSES}
    assert known == {name: STATUSES[name] for name in known}
