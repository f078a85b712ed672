"""
What botocore and we write for each other, both ways, for every operation that is served.

The values are random ones of the shapes of S3's description.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from godos.web.s3 import dispatch
from godos.web.s3.description import operations, service
from godos.web.s3.scalars import write_http_date
from godos.web.target import parse_target
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.shapes import (
    HEADER_TEXT,
    LIST_ITEM,
    XML_TEXT,
    structures,
    told,
    values,
)

CLIENT = create_serializer("rest-xml", include_validation=False)
NAMES = sorted(operations())
quick = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
BUCKET = st.text(string.ascii_lowercase + string.digits, min_size=3, max_size=20)
KEY = st.text(min_size=1, max_size=20).filter(lambda key: key.isprintable())


def for_any(check: Callable[[st.DataObject], None]) -> None:
    """Run a check on random values.  (pytest-twisted takes no parameters beside `given`.)"""
    quick(given(st.data())(check))()


def model(name: str) -> Any:
    return service().operation_model(name)


# -- answers -------------------------------------------------------------------------------
def results(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Results of an operation, without objects on their way out."""

    def member(name: str, inner: Any) -> st.SearchStrategy[Any]:
        if inner.type_name == "blob":
            return st.none()
        return values(inner, HEADER_TEXT if inner.serialization.get("location") else XML_TEXT)

    return structures(shape, member)


def ours(shape: Any, result: dict[str, Any]) -> dict[str, Any]:
    """The result as an operation of ours gives it: times are seconds since the epoch."""
    if "Expires" in result:
        result = {**result, "Expires": write_http_date(result["Expires"].timestamp())}
    return {
        name: value if value is None or name == "Expires" else _seconds(shape.members[name], value)
        for name, value in result.items()
    }


def _seconds(shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {name: _seconds(shape.members[name], inner) for name, inner in value.items()}
        case "list":
            return [_seconds(shape.member, item) for item in value]
        case "timestamp":
            return value.timestamp()
    return value


@pytest.mark.parametrize("name", [name for name in NAMES if name != "GetBucketLocation"])
def test_botocore_reads_our_answers(name: str) -> None:
    """Whatever an operation answers, boto3 gives the same values to its user."""
    for_any(lambda data: check_answer(name, data))


def check_answer(name: str, data: st.DataObject) -> None:
    shape = model(name).output_shape
    result = data.draw(results(shape)) if shape is not None else {}
    answer = operations()[name].render(ours(shape, result))
    headers = HeadersDict()
    for key, value in answer.headers:
        headers[key.decode()] = value.decode()
    response = {"status_code": answer.status, "headers": headers, "body": answer.body}
    read = create_parser("rest-xml").parse(response, shape)
    del read["ResponseMetadata"]
    known = {member: value for member, value in result.items() if value is not None}
    assert _beside_nothing(shape, read) == _beside_nothing(shape, known)


def _beside_nothing(shape: Any, result: dict[str, Any]) -> dict[str, Any]:
    """botocore makes empty values of a body or metadata that did not come."""
    if shape is None:
        return result
    empty = ("Metadata", shape.serialization.get("payload"))
    return {
        member: value
        for member, value in told(shape, result).items()
        if value not in ({}, "") or member not in empty
    }


@given(XML_TEXT)
def test_the_location_of_a_bucket_is_the_root_itself(region: str) -> None:
    """botocore takes it from there by a rule of its own."""
    answer = operations()["GetBucketLocation"].render({"LocationConstraint": region})
    root = ElementTree.fromstring(answer.body)
    assert root.tag.endswith("}LocationConstraint")
    assert (root.text or "") == region


# -- requests ------------------------------------------------------------------------------
def parameters(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    """What a caller of boto3 gives to an operation, without objects."""

    def member(name: str, inner: Any) -> st.SearchStrategy[Any]:
        match inner.serialization.get("location"):
            case "uri":
                return BUCKET if name == "Bucket" else KEY
            case "header" if inner.type_name == "list":
                return st.lists(LIST_ITEM, max_size=3)
            case "header":
                return values(inner, HEADER_TEXT)
            case "querystring" if name == "UploadId":
                return LIST_ITEM
            case None if inner.type_name == "string":  # a policy
                return XML_TEXT.filter(bool)
        return st.just(b"") if inner.type_name == "blob" else values(inner)

    return structures(shape, member)


@pytest.mark.parametrize("name", NAMES)
def test_we_read_the_requests_of_botocore(name: str) -> None:
    """Whatever a user of boto3 asks for arrives as it was meant, at the right operation."""
    for_any(lambda data: check_request(name, data))


def check_request(name: str, data: st.DataObject) -> None:
    operation, shape = operations()[name], model(name).input_shape
    given_ = data.draw(parameters(shape))
    sent = create_serializer("rest-xml", include_validation=False).serialize_to_request(
        given_, model(name)
    )
    query = urlencode(sent["query_string"])
    path = sent["url_path"]
    target = path + ("&" if "?" in path else "?") + query if query else path
    exchange = FakeExchange(sent["method"], target, {k: str(v) for k, v in sent["headers"].items()})
    parsed = parse_target(exchange.target)
    assert dispatch.find(exchange.method, parsed, exchange) is operation
    request = operation.parse(parsed, exchange.headers())
    request |= operation.read_body(sent["body"]) if operation.has_xml_body else {}
    assert request == _expected(shape, given_, operation.has_xml_body)


def _expected(shape: Any, parameters: dict[str, Any], has_document: bool) -> dict[str, Any]:
    expected = told(shape, parameters)
    for name, value in parameters.items():
        member = shape.members[name]
        lost = value in ([], {}) and member.serialization.get("location")
        if lost or member.type_name == "blob":
            del expected[name]
    if "Expires" in parameters:
        expected["Expires"] = write_http_date(parameters["Expires"].timestamp())
    return expected
