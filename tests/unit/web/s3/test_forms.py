"""Uploads by the forms of web pages, over objects in memory."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest

from godos.model.users import ANONYMOUS
from godos.web.hosts import Hosts
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.client import BOB, Client, Refused, result

BOUNDARY = "xYzZY"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(
    fields: Mapping[str, str], file: bytes | None = b"hello", filename: str = "a.jpg"
) -> bytes:
    """A form as browsers send it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = f'name="file"; filename="{filename}"\r\nContent-Type: image/jpeg'
        parts.append(
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode()
            + file
            + b"\r\n"
        )
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


class Page:
    """A page that posts forms to the bucket `photos`."""

    def __init__(self, **more: Any) -> None:
        self.client = Client(**more)
        self.client.bucket("photos")

    def post(
        self,
        fields: Mapping[str, str] | None = None,
        target: str = "/photos",
        host: str = "localhost:8030",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> FakeExchange:
        if body is None:
            body = form({"key": "cat.jpg"} if fields is None else fields, **more)
        return self.client.send(
            "POST", target, {"content-type": FORM, "host": host, **(headers or {})}, body
        )

    def refused(self, fields: Mapping[str, str] | None = None, **more: Any) -> str | None:
        """The code of a form that is refused, of which nothing is left."""
        exchange = self.post(fields, **more)
        assert (exchange.status or 0) >= 400
        assert "Contents" not in self.client.list_objects_v2(Bucket="photos")
        return ElementTree.fromstring(exchange.sent).findtext("Code")

    def stored(self, key: str = "cat.jpg") -> Any:
        return self.client.head_object(Bucket="photos", Key=key)

    def content(self, key: str = "cat.jpg") -> bytes:
        exchange = self.client.send("GET", f"/photos/{key}")
        assert exchange.status == 200
        return exchange.sent


@pytest.fixture
def page() -> Page:
    return Page()


# -- what is stored ---------------------------------------------------------------------------
def test_a_file(page: Page) -> None:
    """A form stores its file under the name that it says."""
    answer = page.post()
    assert (answer.status, answer.sent) == (204, b"")
    assert page.content() == b"hello"
    assert answer.answer["etag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert answer.answer["location"] == "http://localhost:8030/photos/cat.jpg"


def test_fields_are_headers(page: Page) -> None:
    """What a PUT says in headers a form says in fields, in any case."""
    page.post(
        {
            "Key": "cat.jpg",
            "Content-Type": "image/jpeg",
            "Cache-Control": "no-store",
            "Content-Disposition": "attachment",
            "x-amz-meta-Who": "Félix",
            "x-ignore-this": "x",
            "submit": "Upload",
        }
    )
    stored = page.stored()
    assert stored["ContentType"] == "image/jpeg"
    assert stored["CacheControl"] == "no-store"
    assert stored["ContentDisposition"] == "attachment"
    assert page.client.send("HEAD", "/photos/cat.jpg").answer["x-amz-meta-who"] == "Félix"


def test_the_requests_headers_are_not_the_objects(page: Page) -> None:
    """Length, type, digest and conditions of the form itself are not those of its file."""
    headers = {
        "content-md5": base64.b64encode(b"0" * 16).decode(),
        "x-amz-meta-a": "b",
        "cache-control": "max-age=0",
        "x-amz-copy-source": "photos/other",
        "if-none-match": "*",
        "content-range": "bytes 0-1/2",
    }
    page.post()
    assert page.post(headers=headers).status == 204
    stored = page.stored()
    assert stored["ContentLength"] == 5 and stored["Metadata"] == {}
    assert "CacheControl" not in stored
    assert stored["ContentType"] != FORM


def test_tags(page: Page) -> None:
    """The field `tagging` is the document that PutObjectTagging takes."""
    tags = "<Tag><Key>a b</Key><Value>c&amp;d</Value></Tag><Tag><Key>e</Key><Value/></Tag>"
    with pytest.raises(Refused):
        page.stored()
    assert page.refused({"key": "cat.jpg", "tagging": f"<Tagging><TagSet>{tags}"}) == "MalformedXML"
    for none in ("<Tagging/>", "<Tagging><TagSet><Tag/></TagSet></Tagging>", "x"):
        assert page.refused({"key": "cat.jpg", "tagging": none}) == "MalformedXML"
    refused = tags.replace("c&amp;d", "c=d")
    page.post({"key": "cat.jpg", "tagging": f"<Tagging><TagSet>{refused}</TagSet></Tagging>"})
    found = page.client.get_object_tagging(Bucket="photos", Key="cat.jpg")["TagSet"]
    assert found == [{"Key": "a b", "Value": "c=d"}, {"Key": "e", "Value": ""}]
    assert page.post({"key": "x", "tagging": f"<Tagging><TagSet>{tags}</TagSet></Tagging>"}).status


@pytest.mark.parametrize(
    ("filename", "key"),
    [
        ("cat.jpg", "up/cat.jpg"),
        ("C:\\\\My Pictures\\\\cat.jpg", "up/cat.jpg"),
        ("/home/ann/cat.jpg", "up/cat.jpg"),
        ("../../etc/passwd", "up/passwd"),
        ("..", "up/.."),
        ("", "up/"),
        ("kött.jpg", "up/kött.jpg"),
    ],
)
def test_names_of_files(page: Page, filename: str, key: str) -> None:
    """`${filename}` is the file's own name, without the folders of the person's machine."""
    page.post({"key": "up/${filename}"}, filename=filename)
    listed = page.client.list_objects_v2(Bucket="photos")["Contents"]
    assert [each["Key"] for each in listed] == [key]


def test_large_files_in_many_pieces(page: Page) -> None:
    """The file is the same however the form arrives, also in chunks of HTTP."""
    body = form({"key": "cat.jpg"}, b"0123456789" * 10_000)
    pieces = [body[at : at + 777] for at in range(0, len(body), 777)]
    exchange = FakeExchange("POST", "/photos", {"content-type": FORM}, pieces, chunked=True)
    result(page.client._serving.serve(exchange))
    assert exchange.status == 204
    assert page.content() == b"0123456789" * 10_000


# -- what is answered -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "status"),
    [("200", 200), ("201", 201), ("204", 204), ("", 204), ("404", 204), ("two hundred", 204)],
)
def test_status(page: Page, said: str, status: int) -> None:
    """A form chooses the status of its success among three; else it is 204."""
    assert page.post({"key": "cat.jpg", "success_action_status": said}).status == status


def test_a_document(page: Page) -> None:
    """With 201 comes a document that tells where the object is."""
    answer = page.post({"key": "a b/<&>é", "success_action_status": "201"})
    root = ElementTree.fromstring(answer.sent)
    assert root.tag == "PostResponse"
    assert {element.tag: element.text for element in root} == {
        "Location": "http://localhost:8030/photos/a%20b/%3C%26%3E%C3%A9",
        "Bucket": "photos",
        "Key": "a b/<&>é",
        "ETag": answer.answer["etag"],
    }
    assert answer.answer["content-type"] == "application/xml"


def test_buckets_in_host_names() -> None:
    """Where the bucket is a host's name, it is not in the object's path."""
    page = Page(hosts=Hosts(("s3.example.com",)))
    answer = page.post(target="/", host="photos.s3.example.com")
    assert answer.status == 204
    assert answer.answer["location"] == "http://photos.s3.example.com/cat.jpg"
    assert page.content() == b"hello"


def test_no_host(page: Page) -> None:
    """A client of HTTP/1.0 that says no host is told the path."""
    assert page.post(host="").answer["location"] == "/photos/cat.jpg"


@pytest.mark.parametrize("field", ["success_action_redirect", "redirect"])
def test_redirects(page: Page, field: str) -> None:
    """After the upload the browser goes where the form says, and is told what was stored."""
    answer = page.post({"key": "ä&b", field: "https://example.com/done?a=1&b=%26#top"})
    assert answer.status == 303
    where = urlsplit(answer.answer["location"])
    assert (where.scheme, where.netloc, where.path) == ("https", "example.com", "/done")
    assert parse_qsl(where.query) == [
        ("a", "1"),
        ("b", "&"),
        ("bucket", "photos"),
        ("key", "ä&b"),
        ("etag", answer.answer["etag"]),
    ]
    assert page.content("%C3%A4%26b") == b"hello"


@pytest.mark.parametrize(
    "where",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//example.com/",
        "/relative",
        "http:///nowhere",
        "http://[::1",
        "http://[x]/",
        "",
    ],
)
def test_redirects_that_are_none(page: Page, where: str) -> None:
    """What is no URL of the web leads nowhere; the file is stored all the same."""
    answer = page.post({"key": "cat.jpg", "success_action_redirect": where})
    assert answer.status == 204
    assert page.content() == b"hello"


def test_redirects_stay_on_one_line(page: Page) -> None:
    """No field of a form becomes a header of the answer."""
    answer = page.post({"key": "cat.jpg", "redirect": "http://e.com/\r\nSet-Cookie: a=b"})
    assert "\r" not in answer.answer["location"] and "set-cookie" not in answer.answer


# -- what is refused --------------------------------------------------------------------------
def test_the_size_that_the_policy_allows(page: Page) -> None:
    """A file that is smaller or larger than its form may have is not stored."""
    page.client.allowed = (2, 4)
    assert page.refused(file=b"x") == "EntityTooSmall"
    assert page.refused(file=b"hello") == "EntityTooLarge"
    assert page.refused(file=b"x" * 1_000_000) == "EntityTooLarge"
    for size in (2, 4):
        assert page.post(file=b"x" * size).status == 204


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "InvalidArgument"),
        ({"key": ""}, "InvalidURI"),
        ({"key": "k" * 1025}, "KeyTooLongError"),
        ({"key": "k", "acl": "nonsense"}, "InvalidArgument"),
        ({"key": "k", "x-amz-meta-a b": "c"}, "InvalidArgument"),
        ({"key": "k", "x-amz-meta-a:b": "c"}, "InvalidArgument"),
        ({"key": "k", "x-amz-meta-é": "c"}, "InvalidArgument"),
        ({"key": "k", "x-amz-meta-": "c"}, "InvalidArgument"),
        ({"key": "k", "x-amz-meta-a": "b\r\nc: d"}, "InvalidArgument"),
        ({"key": "k", "Content-Type": "a\nb"}, "InvalidArgument"),
        ({"key": "k", "x-amz-storage-class": "CARDBOARD"}, "InvalidStorageClass"),
        ({"key": "k", "x-amz-meta-a": "m" * 3000}, "MetadataTooLarge"),
        ({"key": "k", "x-amz-checksum-sha256": "AAAA"}, "BadDigest"),
        ({"key": "k", "content-md5": base64.b64encode(b"0" * 16).decode()}, "BadDigest"),
        ({"key": "k", "policy": "p" * 21_000}, "MaxPostPreDataLengthExceeded"),
    ],
)
def test_fields_that_are_wrong(page: Page, fields: Mapping[str, str], code: str) -> None:
    """A form that asks for what cannot be is refused, and stores nothing."""
    assert page.refused(fields) == code


def test_digests_of_the_file(page: Page) -> None:
    """Fields may carry digests of the file, which are compared."""
    md5 = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
    sha256 = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    fields = {"key": "cat.jpg", "content-md5": md5, "x-amz-checksum-sha256": sha256}
    assert page.post(fields).status == 204
    told = page.client.head_object(Bucket="photos", Key="cat.jpg", ChecksumMode="ENABLED")
    assert told["ChecksumSHA256"] == sha256


def test_long_names_of_files(page: Page) -> None:
    """A file's name is not multiplied without bound."""
    fields = {"key": "${filename}" * 1500}
    assert page.refused(fields, filename="f" * 3000) == "KeyTooLongError"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidArgument"),
        (b"nonsense", "MalformedPOSTRequest"),
        (form({"key": "k"}, None), "InvalidArgument"),
        (form({"key": "k"})[:-18], "IncompleteBody"),
        (form({"key": "k"})[:-4] + form({"key": "k"})[7:], "IncorrectNumberOfFilesInPostRequest"),
    ],
)
def test_bodies_that_are_wrong(page: Page, body: bytes, code: str) -> None:
    """A body that is no whole form, or has two files, stores nothing."""
    assert page.refused(body=body) == code


def test_buckets_that_are_not_there(page: Page) -> None:
    """A form to no bucket is refused."""
    assert page.refused(target="/nowhere") == "NoSuchBucket"


@pytest.mark.parametrize("boundary", ["", "x" * 300])
def test_boundaries_that_are_wrong(page: Page, boundary: str) -> None:
    """A boundary that cannot be one is a fault of the client's."""
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    assert page.refused(headers=headers) == "MalformedPOSTRequest"


def test_who_may_not(page: Page) -> None:
    """Who may not write the bucket may not by a form either; the file is not even read."""
    for who in (BOB, ANONYMOUS):
        page.client.as_user(who)
        body = form({"key": "cat.jpg"}, b"x" * 100_000)
        exchange = page.client.send("POST", "/photos", {"content-type": FORM}, body)
        assert exchange.status == 403


def test_what_is_no_form(page: Page) -> None:
    """POST with another type, of an object, or with parameters, is not taken for a form."""
    for target, kind in (
        ("/photos", "text/plain"),
        ("/photos", "multipart/form-data"),
        ("/photos/cat.jpg", FORM),
        ("/", FORM),
    ):
        exchange = page.post(target=target, headers={"content-type": kind})
        assert exchange.status == 405, (target, kind)
