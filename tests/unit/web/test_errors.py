"""Errors and their answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import godos
from godos.model import errors as model
from godos.model.errors import GodosError
from godos.web.answers import NOSNIFF, refusal
from godos.web.errors import (
    ANSWERS,
    NoSuchResource,
    S3Error,
    UnsupportedFeature,
    VerbNotAllowed,
    answer_of,
    sentences,
)
from tests.unit.web.fakes import FakeExchange

# Above the web: what goes wrong there ends a process, not a request.
ABOVE = ("godos.service", "godos.cli")


def every_error() -> Iterator[type[GodosError]]:
    """All errors that a request may meet: those of every layer up to the web."""
    for module in walk_packages(godos.__path__, "godos."):
        if not module.name.startswith(ABOVE):
            import_module(module.name)
    waiting = [GodosError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__.startswith("godos.") and not kind.__module__.startswith(ABOVE):
            yield kind
        waiting += kind.__subclasses__()


def answer_of_kind(kind: type[GodosError]) -> tuple[int, str]:
    """The answer to an error of a kind whose answer does not depend on its data."""
    return answer_of(kind.__new__(kind))


def test_every_error_has_its_answer() -> None:
    """Each error, or an ancestor of it that is not the root, stands in the one table."""
    without = [
        kind.__name__
        for kind in every_error()
        if kind is not GodosError and not any(a in ANSWERS for a in kind.__mro__[:-4])
    ]
    assert without == []


def test_a_subclass_is_answered_like_its_parent() -> None:
    """The nearest listed ancestor decides."""

    class VeryBusy(model.NotEnoughNodes):
        pass

    assert answer_of_kind(VeryBusy) == (503, "SlowDown")
    assert answer_of_kind(model.CommitUnknown) == (503, "ServiceUnavailable")
    assert answer_of_kind(GodosError) == (500, "InternalError")


def test_codes_of_s3_carry_their_status() -> None:
    """An error that only S3 knows is answered with its own code; others cannot be made."""
    assert answer_of(S3Error("NoSuchTagSet", "there are no tags")) == (404, "NoSuchTagSet")
    with pytest.raises(ValueError, match="Nonsense"):
        S3Error("Nonsense")


def test_an_error_may_say_more() -> None:
    """What belongs to a code stands in the body under S3's name, and in its JSON."""
    error = S3Error("InvalidArgument", "no", ArgumentName="max-keys", ArgumentValue="<1>")
    root = ElementTree.fromstring(refusal(FakeExchange("GET", "/a"), error).body)
    assert root.findtext("ArgumentName") == "max-keys"
    assert root.findtext("ArgumentValue") == "<1>"
    told = json.loads(refusal(FakeExchange("GET", "/a?format=json"), error).body)
    assert told["ArgumentName"] == "max-keys"
    failed = model.PreconditionFailed("no", "If-Match")
    assert b"<Condition>If-Match</Condition>" in refusal(FakeExchange("GET", "/a"), failed).body


def test_an_object_is_only_missing_when_the_catalog_says_so() -> None:
    """That bytes are not to be had is never told as the object's absence."""
    kinds = (kind for kind in every_error() if kind is not S3Error)
    absent = {kind for kind in kinds if answer_of_kind(kind)[0] == 404}
    assert absent == {
        model.NoSuchKey,
        model.NoSuchBucket,
        model.NoSuchVersion,
        model.NoSuchUpload,
        NoSuchResource,  # of the admin side
    }


def test_xml_by_default() -> None:
    """S3's form: code, message, resource, request id."""
    exchange = FakeExchange("GET", "/objects/a%00b?versionId=1")
    answer = refusal(exchange, model.NoSuchKey("there is no object named that"))
    assert answer.status == 404
    assert dict(answer.headers) == dict([(b"Content-Type", b"application/xml"), NOSNIFF])
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "Error"
    assert {each.tag: each.text for each in root} == {
        "Code": "NoSuchKey",
        "Message": "There is no object named that. Check the name; GET /<bucket>?prefix= lists "
        "those that are there.",
        "Resource": "/objects/a%00b",
        "RequestId": exchange.request_id,
    }


@pytest.mark.parametrize(
    "exchange",
    [
        FakeExchange("GET", "/objects/a", {"Accept": "application/json"}),
        FakeExchange("GET", "/objects/a", {"Accept": "text/html, Application/JSON;q=0.9"}),
        FakeExchange("GET", "/objects/a?versionId=1&format=json"),
    ],
)
def test_json_for_who_asks(exchange: FakeExchange) -> None:
    """The same names as JSON, by `Accept` or by `format=json`."""
    answer = refusal(exchange, model.NoSuchBucket("there is no bucket objects"))
    assert dict(answer.headers) == dict([(b"Content-Type", b"application/json"), NOSNIFF])
    told = json.loads(answer.body)
    assert told["Code"] == "NoSuchBucket"
    assert told["Message"].startswith("There is no bucket objects. Check")
    assert told["RequestId"] == exchange.request_id


@given(st.text())
def test_any_message_makes_good_xml(message: str) -> None:
    """Whatever a message holds, the body is well-formed and says it."""
    body = refusal(FakeExchange("GET", "/a"), model.InvalidRequest("x" + message + ".")).body
    text = ElementTree.fromstring(body).findtext("Message")
    assert text is not None
    for sent, got in zip("X" + message, text, strict=False):
        assert got in (sent, "\ufffd")


def test_a_bug_tells_no_details() -> None:
    """What goes wrong inside is for the log; the client gets the id to ask about."""
    answer = refusal(FakeExchange("GET", "/a"), GodosError("secret at 10.0.0.1"))
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b"request id" in answer.body


def test_a_reason_is_told() -> None:
    """A 503 says why, and when to come back."""
    answer = refusal(FakeExchange("GET", "/a"), model.BytesNotFound("node-3 does not answer"))
    assert answer.status == 503
    assert b"Node-3 does not answer. Try again in a moment." in answer.body
    assert (b"Retry-After", b"1") in answer.headers


def test_a_full_store_is_not_worth_another_try() -> None:
    """It is a 507 without Retry-After, so that clients do not send the body again and again."""
    answer = refusal(FakeExchange("PUT", "/a"), model.NodeFull("the disk has no room"))
    assert answer.status == 507
    assert b"InsufficientStorage" in answer.body
    assert "Retry-After" not in str(answer.headers)


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (model.InvalidRange(10), (b"Content-Range", b"bytes */10")),
        (model.NoSuchKey("gone", "v9"), (b"x-amz-delete-marker", b"true")),
        (model.NoSuchKey("gone", "v9"), (b"x-amz-version-id", b"v9")),
        (model.MethodNotAllowed("a marker"), (b"Allow", b"DELETE")),
        (model.MethodNotAllowed("a marker"), (b"x-amz-delete-marker", b"true")),
        (VerbNotAllowed("no", "GET, PUT"), (b"Allow", b"GET, PUT")),
    ],
)
def test_what_errors_tell_in_headers(error: GodosError, header: tuple[bytes, bytes]) -> None:
    """Some answers need more than a body."""
    assert header in refusal(FakeExchange("GET", "/a"), error).headers


def test_a_missing_object_is_no_delete_marker() -> None:
    """Only a marker is told as one."""
    names = {name for name, _ in refusal(FakeExchange("GET", "/a"), model.NoSuchKey("no")).headers}
    assert names == {b"Content-Type", NOSNIFF[0]}


def test_sentences() -> None:
    """First what is wrong, then what to do, each as a sentence."""
    assert sentences("SlowDown", "") == "Nothing was changed. Try again in a moment."
    assert sentences("NotImplemented", "not there yet!") == "Not there yet!"
    assert answer_of_kind(UnsupportedFeature) == (501, "NotImplemented")


def test_every_code_is_documented() -> None:
    """The table of the documentation has each status and code that an error can get."""
    text = (Path(__file__).parents[3] / "docs" / "http-api.rst").read_text("utf-8")
    rows = {tuple(line.split()[:2]) for line in text.splitlines() if line[:3].isdigit()}
    answers = {(str(status), code) for status, code in ANSWERS.values() if status != 304}
    assert answers <= rows
