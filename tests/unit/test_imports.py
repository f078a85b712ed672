"""The folders are the architecture: imports go one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import godos

ROOT = Path(godos.__file__).parent

# From the bottom to the top; packages of one layer do not import each other.
LAYERS = [
    {"model", "deferreds"},
    {"transfer", "protocol"},
    {"catalog", "messaging", "storage"},
    {"cluster"},
    {"objects"},
    {"web"},
    {"service"},
    {"cli"},  # picks the same implementations as the daemons do
]
HEIGHT = {package: height for height, layer in enumerate(LAYERS) for package in layer}


def imports(module: Path) -> Iterator[str]:
    """The packages of godos that a module imports, at any depth."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = (
                [node.module]
                if node.module != "godos"
                else [f"godos.{alias.name}" for alias in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "godos" and len(parts) > 1:
                yield parts[1]


def package_of(module: Path) -> str:
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(module: Path) -> None:
    """A module imports only its own package and lower layers."""
    own = package_of(module)
    for other in imports(module):
        if other == "__version__" or other == own:
            continue
        assert HEIGHT[other] < HEIGHT[own], f"{own} must not import {other}"


def test_every_package_has_a_layer() -> None:
    """A new package must be given its place in the house."""
    packages = {package_of(module) for module in MODULES}
    assert packages <= set(HEIGHT)


def test_nothing_imports_the_reactor_of_the_process() -> None:
    """The reactor is an argument; only entry points pick the global one, inside a function."""
    for module in MODULES:
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module == "twisted.internet":
                assert "reactor" not in {alias.name for alias in node.names}, module


def test_boto3_is_confined() -> None:
    """
    Only the DynamoDB engine, the SQS client and the reader of S3's description know boto3,
    and the commands that are clients of a server: they sign, and find keys, as others do.
    """
    users = {
        str(module.relative_to(ROOT))
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
        if name.split(".")[0] in ("boto3", "botocore")
    }
    clients = ("cli/store.py", "cli/receiving.py", "cli/server.py")
    known = ("catalog/dynamodb", "messaging/sqs", "web/s3/", *clients)
    assert all(user.startswith(known) for user in users), users
