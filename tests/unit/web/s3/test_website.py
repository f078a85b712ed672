"""Buckets as websites: pages, folders, errors and redirections, as visitors see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from twisted.internet.defer import fail

from godos.model.errors import BytesNotFound, CatalogUnavailable
from godos.model.users import ANONYMOUS
from godos.model.versions import Attributes
from godos.web.hosts import Hosts
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.client import ADA, Client

HOST = "site.web.example.com"
INDEX = {"IndexDocument": {"Suffix": "index.html"}}
WITH_ERROR = {**INDEX, "ErrorDocument": {"Key": "error.html"}}
POLICY = (
    '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": %s,'
    ' "Resource": ["arn:aws:s3:::site", "arn:aws:s3:::site/*"]}}'
)
READ, READ_AND_LIST = '"s3:GetObject"', '["s3:GetObject", "s3:ListBucket"]'


class Site:
    """The website of the bucket `site`, which is public; visitors may list it, too."""

    def __init__(self, website: Mapping[str, Any] | None = INDEX, may: str = READ_AND_LIST) -> None:
        self.client = Client(hosts=Hosts(("example.com",), ("web.example.com",)))
        self.client.bucket("site")
        self.client.delete_public_access_block(Bucket="site")
        self.client.put_bucket_policy(Bucket="site", Policy=POLICY % may)
        if website is not None:
            self.client.put_bucket_website(Bucket="site", WebsiteConfiguration=dict(website))

    def put(self, key: str, text: str = "", **headers: str) -> None:
        attributes = Attributes(
            owner=ADA.id,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        self.client.store("site", key, (text or key).encode(), attributes)

    def visit(self, target: str, method: str = "GET", host: str = HOST, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.as_user(ANONYMOUS).send(method, target, {"host": host, **named})

    def seen(self, target: str, **headers: str) -> tuple[int | None, bytes]:
        answer = self.visit(target, **headers)
        return answer.status, answer.sent


@pytest.fixture
def site() -> Site:
    site = Site()
    for key in ("index.html", "a.html", "docs/index.html", "error.html"):
        site.put(key)
    return site


def with_errors() -> Site:
    site = Site(WITH_ERROR)
    site.put("error.html", "<h1>sorry</h1>", content_type="text/html")
    return site


def page(answer: FakeExchange) -> tuple[int | None, str]:
    """Status and text of an error that a person sees."""
    assert answer.answer["content-type"] == "text/html; charset=utf-8"
    return answer.status, answer.sent.decode()


# -- pages -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/", b"index.html"),
        ("/a.html", b"a.html"),
        ("/docs/", b"docs/index.html"),
        ("/?utm_source=%zz&versionId=x&uploads", b"index.html"),
        ("/a.html?partNumber=9&response-content-type=x", b"a.html"),
    ],
)
def test_pages(site: Site, target: str, key: bytes) -> None:
    """A page is an object; of a folder it is the index; a query means nothing here."""
    assert site.seen(target) == (200, key)


def test_head(site: Site) -> None:
    """HEAD tells what GET would, without the page."""
    head = site.visit("/docs/", "HEAD")
    assert (head.status, head.sent) == (200, b"")
    assert head.answer["content-length"] == "15"
    missing = site.visit("/nothing", "HEAD")
    assert (missing.status, missing.sent) == (404, b"")


def test_folders(site: Site) -> None:
    """The name of a folder without its slash leads to the folder."""
    for method in ("GET", "HEAD"):
        answer = site.visit("/docs", method)
        assert (answer.status, answer.answer["location"]) == (302, "/docs/")
    assert site.visit("/docs", if_none_match="*").status == 302


def test_folders_that_look_like_hosts(site: Site) -> None:
    """No folder's name leads to another host."""
    site.put("/evil.com/index.html")
    site.put("//\\evil.com/index.html")
    assert site.visit("//evil.com").answer["location"] == "/%2Fevil.com/"
    assert site.visit("///%5Cevil.com").answer["location"] == "/%2F%2F%5Cevil.com/"


def test_conditions_and_ranges(site: Site) -> None:
    """Browsers' caches and players work as with any web server."""
    etag = site.visit("/a.html").answer["etag"]
    assert site.visit("/a.html", if_none_match=etag).status == 304
    assert site.seen("/a.html", range="bytes=2-") == (206, b"html")
    refused = site.visit("/a.html", range="bytes=99-")
    assert page(refused)[0] == 416
    assert refused.answer["content-range"] == "bytes */6"
    assert page(site.visit("/a.html", if_match='"x"'))[0] == 412


# -- errors ------------------------------------------------------------------------------
def test_what_is_not_there(site: Site) -> None:
    """A page that is not there is told so, in a page."""
    status, text = page(site.visit("/nothing"))
    assert status == 404 and "NoSuchKey" in text


def test_what_is_no_secret_to_nobody() -> None:
    """Whoever may not list the bucket does not learn what there is not."""
    assert page(Site(may=READ).visit("/nothing"))[0] == 403


def test_private_buckets() -> None:
    """A website does not make its bucket public."""
    site = Site(may='"s3:ListBucket"')
    site.put("index.html", "secret")
    status, text = page(site.visit("/"))
    assert status == 403 and "secret" not in text


def test_error_documents() -> None:
    """The bucket's own error page comes with the error's status."""
    site = with_errors()
    for method, sent in (("GET", b"<h1>sorry</h1>"), ("HEAD", b"")):
        answer = site.visit("/nothing", method)
        assert (answer.status, answer.sent) == (404, sent)
        assert answer.answer["content-length"] == "14"
        assert answer.answer["content-type"] == "text/html"


@pytest.mark.parametrize(
    "headers",
    [
        {"range": "bytes=0-2"},
        {"if_none_match": "*"},
        {"if_modified_since": "Fri, 31 Dec 2100 23:59:59 GMT"},
        {"if_match": '"x"'},
    ],
)
def test_error_documents_come_whole(headers: Mapping[str, str]) -> None:
    """What a client knows of the missing page says nothing of the error's page."""
    answer = with_errors().visit("/nothing", **headers)
    assert (answer.status, answer.sent) == (404, b"<h1>sorry</h1>")
    assert "content-range" not in answer.answer


def test_error_documents_that_are_not_there() -> None:
    """Then the error is our page."""
    status, text = page(Site(WITH_ERROR).visit("/nothing"))
    assert status == 404 and "NoSuchKey" in text


@pytest.mark.parametrize(
    "target", ["/%3Cscript%3Ealert(1)%3C/script%3E", "/%3Cscript%3E/", "/%ff%3Cscript%3E"]
)
def test_no_names_become_markup(target: str) -> None:
    """What a link says cannot run in the visitor's browser."""
    for site in (Site(), Site(may=READ)):
        assert "<script" not in page(site.visit(target))[1].lower()
    assert "<script" not in page(Site(None).visit("/", host="<script>.web.example.com"))[1].lower()


def test_only_reading(site: Site) -> None:
    """Nothing can be changed through a website, not even by who may."""
    for method in ("PUT", "POST", "DELETE"):
        answer = site.visit("/a.html", method)
        assert page(answer)[0] == 405
        assert answer.answer["allow"] == "GET, HEAD, OPTIONS"
    assert site.seen("/a.html") == (200, b"a.html")


def test_buckets_that_are_no_website() -> None:
    """A bucket without website, and no bucket at all, are pages that say so."""
    status, text = page(Site(None).visit("/"))
    assert status == 404 and "NoSuchWebsiteConfiguration" in text
    status, text = page(Site().visit("/", host="nowhere.web.example.com"))
    assert status == 404 and "NoSuchBucket" in text
    assert page(Site().visit("/", host="b_d.web.example.com"))[0] == 400


def test_when_the_store_cannot_be_asked(site: Site) -> None:
    """A fault of the store is no page that is missing: the visitor is to come again."""
    site.client.objects.trouble = BytesNotFound("the node died")
    assert site.visit("/a.html").status == 503
    site.client.objects.trouble = None
    objects: Any = site.client.objects
    objects.settings = lambda _: fail(CatalogUnavailable("the table is throttled"))
    answer = site.visit("/a.html")
    assert answer.status == 503 and answer.answer["retry-after"] == "1"


# -- redirections ------------------------------------------------------------------------
def test_redirecting_everything() -> None:
    """A website that has moved leads each page to its new place."""
    elsewhere = {"HostName": "example.org", "Protocol": "https"}
    site = Site({"RedirectAllRequestsTo": elsewhere})
    answer = site.visit("/a/b%20c?d")
    assert (answer.status, answer.answer["location"]) == (301, "https://example.org/a/b%20c")


def test_objects_that_redirect(site: Site) -> None:
    """An object may lead elsewhere; what it holds is not sent, and not left open."""
    site.put("old", "secret", x_amz_website_redirect_location="https://example.org/new")
    for method in ("GET", "HEAD"):
        answer = site.visit("/old", method)
        assert (answer.status, answer.sent) == (301, b"")
        assert answer.answer["location"] == "https://example.org/new"
    assert all(read.closed for read in site.client.objects.reads)


def rules(*rules: Mapping[str, Any]) -> Site:
    site = Site({**INDEX, "RoutingRules": list(rules)})
    site.put("here/a")
    return site


def test_rules_before_the_read() -> None:
    """A rule for a prefix applies whether the page is there or not; the first one wins."""
    site = rules(
        {"Condition": {"KeyPrefixEquals": "here/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {"Condition": {"KeyPrefixEquals": "here/"}, "Redirect": {"ReplaceKeyWith": "never"}},
    )
    answer = site.visit("/here/a")
    assert (answer.status, answer.answer["location"]) == (301, f"http://{HOST}/new/a")


def test_rules_after_the_read() -> None:
    """A rule for a status applies to pages that fail with it."""
    site = rules(
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "here/"},
            "Redirect": {
                "ReplaceKeyWith": "sorry.html",
                "HttpRedirectCode": "307",
                "HostName": "example.org",
                "Protocol": "https",
            },
        },
    )
    answer = site.visit("/here/b")
    assert (answer.status, answer.answer["location"]) == (307, "https://example.org/sorry.html")
    assert site.seen("/here/a") == (200, b"here/a")
    assert site.visit("/there").status == 404


# -- pages of other origins --------------------------------------------------------------
def test_cors(site: Site) -> None:
    """Fonts and scripts of a website can be used by the origins that the bucket allows."""
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.org"]}
    site.client.as_user(ADA).put_bucket_cors(Bucket="site", CORSConfiguration={"CORSRules": [rule]})
    origin = "https://example.org"
    assert site.visit("/a.html", origin=origin).answer["access-control-allow-origin"] == origin
    asked = {"origin": origin, "access_control_request_method": "GET"}
    assert site.visit("/a.html", "OPTIONS", **asked).status == 200
    other = site.visit("/a.html", origin="https://evil.com")
    assert other.status == 200 and "access-control-allow-origin" not in other.answer
