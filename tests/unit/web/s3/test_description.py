"""What is used of the service's description."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, cast

from godos.web.s3.description import operations, service
from godos.web.s3.operation import Level
from godos.web.s3.routes import routes
from godos.web.s3.served import SERVED
from tests.unit.web.s3.pins import PINS, pins


def test_the_description_is_the_one_that_was_looked_at() -> None:
    """
    A botocore that changes an operation that is served is noticed here.

    Look at what changed; then write the digests anew (see `pins.py`).
    """
    known, found = PINS.read_text("utf-8").splitlines(), pins().splitlines()
    changed = sorted({line.split()[1] for line in set(known) ^ set(found)})
    assert changed == [], "python -m tests.unit.web.s3.pins, after a look at these"


def test_everything_that_is_served_is_described() -> None:
    """No name is misspelt, and no operation is the outdated form of another."""
    assert set(operations()) == SERVED
    assert not [name for name in SERVED if service().operation_model(name).deprecated]


def test_everything_that_is_served_is_done() -> None:
    """Each operation that a request may mean has a function, and each function is reached."""
    nothing = cast(Any, None)  # what the functions work with, and nobody calls one here
    assert set(routes(nothing, nothing, nothing, nothing, "us-east-1")) == SERVED


def test_an_operation() -> None:
    """What others ask of it beside reading and writing."""
    put, policy = operations()["PutObject"], operations()["PutBucketPolicy"]
    assert (put.method, put.level, put.status, put.payload_member) == (
        b"PUT",
        Level.KEY,
        200,
        "Body",
    )
    assert not put.has_xml_body
    assert not put.requires_checksum
    assert policy.has_xml_body
    assert policy.requires_checksum
    assert policy.payload_member == "Policy"
    assert operations()["DeleteObjects"].payload_member == "Delete"
    assert not operations()["GetObject"].has_xml_body


def test_the_description_is_read_when_it_is_needed() -> None:
    """Processes that serve no S3 do not pay for it."""
    program = "import sys, godos.web.s3.dispatch\nraise SystemExit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
