"""The steps of a request in their order, and what becomes known of it on its way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from godos.model.errors import AccessDenied, GodosError
from godos.web.access import Action
from godos.web.answers import Answer
from godos.web.errors import UnsupportedFeature, VerbNotAllowed
from godos.web.hosts import Hosts
from godos.web.s3.pipeline import Pipeline
from godos.web.serving import Course
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.client import ADA, BOB, Client, result
from tests.unit.web.s3.test_forms import FORM, form

HOSTS = Hosts(("s3.example.com",), ("web.example.com",))


class Way:
    """The way of requests to a store with the bucket `photos`."""

    def __init__(self) -> None:
        self.client = Client(hosts=HOSTS)
        self.client.bucket("photos")
        serving: Any = self.client._serving
        self.pipeline: Pipeline = serving._decide.__self__
        self.course = Course()

    def answer(self, *args: Any, **kwargs: Any) -> Answer:
        self.exchange = FakeExchange(*args, **kwargs)
        self.course = Course()
        deciding = self.pipeline.decide(self.exchange, self.course)
        answer: Answer = result(Deferred.fromCoroutine(deciding))
        return answer


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "operation"),
    [
        ("GET", "/photos", {}, None, "ListObjects"),
        ("PUT", "/photos/a", {}, b"x", "PutObject"),
        ("GET", "/", {"host": "photos.s3.example.com"}, None, "ListObjects"),
        ("PUT", "/photos", {"host": "photos.s3.example.com"}, b"x", "PutObject"),
        ("POST", "/photos", {"content-type": FORM}, form({"key": "k"}), "PostObject"),
        ("GET", "/", {"host": "photos.web.example.com"}, None, "Website"),
        ("PUT", "/", {"host": "photos.web.example.com"}, b"x", "Website"),
    ],
)
def test_what_was_done(
    way: Way, method: str, target: str, headers: dict[str, str], body: bytes, operation: str
) -> None:
    """The log and the counters learn what a request was, and who asked."""
    way.answer(method, target, headers, body)
    assert way.course.operation == operation
    assert way.course.user == ("" if operation == "Website" else "Ada")


def test_refusals_tell_what_they_refuse(way: Way) -> None:
    """Also of a request that is refused it is known what it was."""
    way.client.as_user(BOB)
    with pytest.raises(AccessDenied):
        way.answer("PUT", "/photos/a", {}, b"x")
    assert (way.course.operation, way.course.user) == ("PutObject", "Bob")
    assert not way.exchange.body.asked


@pytest.mark.parametrize(
    ("method", "target", "error"),
    [
        ("PATCH", "/photos/a", VerbNotAllowed),
        ("GET", "/photos?inventory", UnsupportedFeature),
        ("GET", "/photos/%ff", GodosError),
    ],
)
def test_what_is_no_request(way: Way, method: str, target: str, error: type[GodosError]) -> None:
    """What means nothing is refused, whoever asks."""
    with pytest.raises(error):
        way.answer(method, target)


def test_json(way: Way) -> None:
    """Answers are JSON for who asks for it, by parameter or header."""
    for target, headers in (
        ("/photos?format=json", {}),
        ("/photos", {"accept": "application/json"}),
    ):
        assert json.loads(way.answer("GET", target, headers).body)["Name"] == "photos"
    assert way.answer("GET", "/photos").body.startswith(b"<?xml")


def test_origins(way: Way) -> None:
    """What pages of other origins need is found before the request can fail."""
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    way.client.put_bucket_cors(Bucket="photos", CORSConfiguration={"CORSRules": [rule]})
    with pytest.raises(GodosError):
        way.answer("GET", "/photos/nothing", {"origin": "https://example.org"})
    assert (b"Access-Control-Allow-Origin", b"*") in way.course.headers
    asked = {"origin": "https://example.org", "access-control-request-method": "GET"}
    assert way.answer("OPTIONS", "/photos/a", asked).status == 200
    assert (way.course.operation, way.course.user) == ("Preflight", "")


def test_admin_resources(way: Way) -> None:
    """They ask whether the caller may, and learn who it is."""
    exchange = FakeExchange("GET", "/-/locate/photos/a")
    admitted = way.pipeline.admit(exchange, Action.LOCATE, "photos", "a")
    assert result(admitted) == ADA
    way.client.as_user(BOB)
    with pytest.raises(AccessDenied):
        result(way.pipeline.admit(exchange, Action.LOCATE, "photos", "a"))
