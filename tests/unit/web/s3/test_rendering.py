"""Results as answers."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.web.answers import NOSNIFF, Answer
from godos.web.s3.description import operations, service
from godos.web.s3.roots import ROOTS
from godos.web.s3.xml_text import escape, escape_all, escape_attribute

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


def render(name: str, result: dict[str, Any] | None = None, **how: Any) -> Answer:
    return operations()[name].render(result, **how)


def body(name: str, result: dict[str, Any] | None = None) -> str:
    return render(name, result).body.decode("utf-8")


def test_a_listing() -> None:
    """S3's root and namespace, dates with milliseconds, lists without a tag of their own."""
    answer = render(
        "ListObjectsV2",
        {
            "Name": "photos",
            "IsTruncated": False,
            "MaxKeys": 2,
            "Prefix": "",
            "StartAfter": None,
            "Contents": [
                {"Key": "a & b", "LastModified": 784111777.25, "ETag": '"x"', "Size": 5},
                {"Key": "c", "LastModified": 784111777.0, "Owner": {"ID": "me"}},
            ],
            "CommonPrefixes": [{"Prefix": "d/"}],
        },
    )
    assert (answer.status, answer.headers) == (
        200,
        [(b"Content-Type", b"application/xml"), NOSNIFF],
    )
    assert answer.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ListBucketResult xmlns="{XMLNS}"><Name>photos</Name><IsTruncated>false</IsTruncated>'
        "<MaxKeys>2</MaxKeys><Prefix></Prefix>"
        "<Contents><Key>a &amp; b</Key><LastModified>1994-11-06T08:49:37.250Z</LastModified>"
        "<ETag>&quot;x&quot;</ETag><Size>5</Size></Contents>"
        "<Contents><Key>c</Key><LastModified>1994-11-06T08:49:37.000Z</LastModified>"
        "<Owner><ID>me</ID></Owner></Contents>"
        "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>"
    )


def test_the_same_as_json() -> None:
    """S3's member names, lists as arrays, and dates as in XML."""
    answer = render(
        "ListObjectVersions",
        {
            "Name": "photos",
            "IsTruncated": False,
            "Versions": [],
            "DeleteMarkers": [{"Key": "é", "LastModified": 0.5, "VersionId": None}],
        },
        as_json=True,
    )
    assert answer.headers == [(b"Content-Type", b"application/json"), NOSNIFF]
    assert json.loads(answer.body) == {
        "Name": "photos",
        "IsTruncated": False,
        "Versions": [],
        "DeleteMarkers": [{"Key": "é", "LastModified": "1970-01-01T00:00:00.500Z"}],
    }
    with pytest.raises(KeyError, match="Nmae"):
        render("ListObjectVersions", {"Versions": [{"Nmae": "x"}]}, as_json=True)


def test_json_of_a_payload() -> None:
    """What XML has below the root is the top of the document."""
    answer = render("GetObjectRetention", {"Retention": {"Mode": "GOVERNANCE"}}, as_json=True)
    assert json.loads(answer.body) == {"Mode": "GOVERNANCE"}


def test_a_grant() -> None:
    """The type of a grantee is an attribute of XML Schema's namespace."""
    grants = [{"Grantee": {"ID": "me", "Type": 'a"<\n'}, "Permission": "READ"}]
    root = ElementTree.fromstring(body("GetBucketAcl", {"Owner": {"ID": "me"}, "Grants": grants}))
    (grantee,) = root.iter(f"{{{XMLNS}}}Grantee")
    assert grantee.attrib == {"{http://www.w3.org/2001/XMLSchema-instance}type": 'a"<\n'}


def test_an_answer_without_members() -> None:
    """There is a document where the operation has one, and else nothing."""
    assert body("GetBucketVersioning").endswith(
        f'<VersioningConfiguration xmlns="{XMLNS}"></VersioningConfiguration>'
    )
    for name, status in (
        ("PutBucketVersioning", 200),
        ("DeleteBucketTagging", 204),
        ("GetObjectLegalHold", 200),
    ):
        answer = render(name, {})
        assert (answer.status, answer.headers, answer.body) == (status, [], b"")


def test_headers() -> None:
    """Each in its form; what is None is left out."""
    answer = render(
        "HeadObject",
        {
            "ETag": '"x"',
            "ContentLength": 5,
            "LastModified": 784111777.9,
            "DeleteMarker": False,
            "VersionId": None,
            "Expires": "soon",
            "ObjectLockRetainUntilDate": 784111777.0,
            "Metadata": {"author": "Zoë"},
        },
    )
    assert answer.headers == [
        (b"ETag", b'"x"'),
        (b"Content-Length", b"5"),
        (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (b"x-amz-delete-marker", b"false"),
        (b"Expires", b"soon"),
        (b"x-amz-object-lock-retain-until-date", b"1994-11-06T08:49:37.000Z"),
        (b"x-amz-meta-author", "Zoë".encode()),
    ]


class Read:
    """An object on its way out."""

    start, stop = 3, 10


def test_an_object() -> None:
    """Its bytes follow; how many they are is told by the read."""
    read = Read()
    answer = render("GetObject", {"Body": read, "ContentLength": 7, "AcceptRanges": "bytes"})
    assert answer.headers == [(b"accept-ranges", b"bytes")]
    assert answer.read is read  # type: ignore[comparison-overlap]
    assert answer.length == 7


def test_a_part_of_an_object() -> None:
    """It is a 206, by its Content-Range."""
    assert render("GetObject", {"Body": Read(), "ContentRange": "bytes 3-9/12"}).status == 206
    assert render("HeadObject", {"ContentRange": "bytes 3-9/12"}).status == 206
    assert render("HeadObject", {"ContentRange": None}).status == 200
    assert render("HeadObject", {"ContentRange": "bytes 3-9/12"}, status=200).status == 200


def test_a_policy_is_sent_as_it_is() -> None:
    """It is JSON already."""
    answer = render("GetBucketPolicy", {"Policy": '{"a": "<é>"}'})
    assert answer.headers == [(b"Content-Type", b"application/json"), NOSNIFF]
    assert answer.body == '{"a": "<é>"}'.encode()


def test_headers_beside_a_payload() -> None:
    """A copy tells of the new object in both."""
    answer = render("CopyObject", {"CopyObjectResult": {"ETag": '"x"'}, "VersionId": "1"})
    assert answer.headers == [
        (b"x-amz-version-id", b"1"),
        (b"Content-Type", b"application/xml"),
        NOSNIFF,
    ]
    assert f'<CopyObjectResult xmlns="{XMLNS}"><ETag>' in answer.body.decode()


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("HeadObject", {"Etag": '"x"'}),
        ("ListObjects", {"Content": []}),
        ("ListObjects", {"Contents": [{"Kye": "a"}]}),
        ("ListObjects", {"Contents": [{"Kye": "a"}] * 10}),
        ("GetBucketAcl", {"Grants": [{"Grantee": {"Typ": "Group"}}]}),
        ("DeleteBucket", {"Bucket": "photos"}),
        ("GetObject", {"ResponseMetadata": {}}),
    ],
)
def test_members_that_nobody_knows(name: str, result: dict[str, Any]) -> None:
    """A misspelt member is a bug, and not an answer that lacks something."""
    with pytest.raises(KeyError):
        render(name, result)


def test_many_entries_are_written_as_few_are() -> None:
    """A page is written column by column, and each entry is as if it stood alone."""
    entries = [
        {"Key": key, "LastModified": 1.0 * number, "Size": number, "Owner": {"ID": key}}
        for number, key in enumerate(["a", "b|c", "<&>", '"', "\r\n\t", "\x08", "é|", ""])
    ]
    mixed = [*entries, {"Key": "other"}, {**entries[0], "Owner": None}]
    for page in (entries, entries[:3], entries[:6:2], mixed, []):
        one_by_one = "".join(
            body("ListObjects", {"Contents": [entry]})
            .partition(f'<ListBucketResult xmlns="{XMLNS}">')[2]
            .removesuffix("</ListBucketResult>")
            for entry in page
        )
        assert one_by_one in body("ListObjects", {"Contents": page})


@given(st.text())
def test_any_text_is_well_formed(text: str) -> None:
    """What XML cannot hold is replaced; all else comes back."""
    xml = f'<a b="{escape_attribute(text)}">{escape(text)}</a>'
    element = ElementTree.fromstring(xml.encode("utf-8"))
    for found in (element.text or "", element.attrib["b"]):
        assert len(found) == len(text)
        for got, sent in zip(found, text, strict=True):
            assert got == sent or (got == "\ufffd" and not sent.isprintable())


@given(st.lists(st.text(st.sampled_from("a|&<>\r\x00é\ue000")), min_size=1))
def test_many_texts_are_escaped_as_one_is(texts: list[str]) -> None:
    """Only faster."""
    assert list(escape_all(texts)) == [escape(text) for text in texts]


def test_every_document_has_its_root() -> None:
    """The roots that the description lacks stand in the table, and no others."""
    without = set()
    for name in operations():
        shape = service().operation_model(name).output_shape
        if shape is not None and "payload" not in shape.serialization:
            inner = shape.members.values()
            if any(not member.serialization.get("location") for member in inner):
                without.add(name)
    assert without == set(ROOTS)
