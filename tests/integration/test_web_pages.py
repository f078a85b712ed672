"""What browsers do with a real server: forms, websites, and buckets that are host names."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.clients.store import REGION, Store, content, running
from tests.integration.daemons import PATIENCE

DOMAIN, WEBSITES = "s3.example.test", "web.example.test"
PUBLIC = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::site", "arn:aws:s3:::site/*"],
}
SITE = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "error.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("pages")
    with running(folder, "--domain", DOMAIN, "--website-domain", WEBSITES) as store:
        client = store.client()
        for bucket in ("photos", "site", "my.photos"):
            client.create_bucket(Bucket=bucket)
        client.delete_public_access_block(Bucket="site")
        client.put_bucket_policy(Bucket="site", Policy=json.dumps({"Statement": PUBLIC}))
        client.put_bucket_website(Bucket="site", WebsiteConfiguration=SITE)
        for key in ("index.html", "docs/index.html", "error.html"):
            client.put_object(Bucket="site", Key=key, Body=key, ContentType="text/html")
        yield store


def stored(store: Store, key: str) -> bytes | None:
    """An object's bytes, None when there is none."""
    try:
        answer: bytes = store.client().get_object(Bucket="photos", Key=key)["Body"].read()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchKey"
        return None
    return answer


# -- forms -------------------------------------------------------------------------------
def form(store: Store, key: str, most: int = 20_000_000, **fields: str) -> dict[str, Any]:
    """What a page needs to post a file: a URL, and fields that Alice signed."""
    conditions: list[Any] = [["content-length-range", 1, most]]
    conditions += [{name: value} for name, value in fields.items()]
    signed: dict[str, Any] = store.client().generate_presigned_post(
        "photos", key, fields, conditions
    )
    return signed


def post(signed: Mapping[str, Any], data: bytes, **more: Any) -> requests.Response:
    files = {"file": ("cat.jpg", data, "image/jpeg")}
    return requests.post(signed["url"], signed["fields"], files=files, timeout=PATIENCE, **more)


@pytest.mark.parametrize("size", [1, 300_000, 9_000_000])
def test_forms_that_boto3_signs(store: Store, size: int) -> None:
    """A page's visitor uploads a file with what the page's owner signed."""
    data = content(size)
    answer = post(form(store, "up/${filename}", acl="private"), data)
    assert (answer.status_code, answer.content) == (204, b"")
    assert stored(store, "up/cat.jpg") == data


def test_forms_in_chunks(store: Store) -> None:
    """A form whose length nobody knows is taken, too."""
    signed = form(store, "chunked", success_action_status="201")
    whole = requests.Request(
        "POST", signed["url"], data=signed["fields"], files={"file": b"x" * 100_000}
    ).prepare()
    body: Any = whole.body
    pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
    headers = {"Content-Type": whole.headers["Content-Type"]}
    answer = requests.post(signed["url"], pieces, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 201 and "<Key>chunked</Key>" in answer.text
    assert stored(store, "chunked") == b"x" * 100_000


def test_redirected_browsers(store: Store) -> None:
    """The browser is led to where the page wants it, with a GET."""
    there = f"http://{store.netloc}/-/health"
    answer = post(form(store, "redirected", success_action_redirect=there), b"x")
    assert answer.json() == {"status": "alive"}
    assert [each.status_code for each in answer.history] == [303]
    assert "key=redirected" in answer.url


@pytest.mark.parametrize("size", [101, 9_000_000], ids=["small", "large"])
def test_forms_that_are_refused(store: Store, size: int) -> None:
    """A form that its policy forbids stores nothing, and its client reads why."""
    changed = form(store, "refused", 100)
    changed["fields"]["key"] = "another"
    for signed, code in (
        (form(store, "refused", 100), "EntityTooLarge"),
        (changed, "AccessDenied"),
    ):
        answer = post(signed, b"x" * size)
        assert answer.status_code in (400, 403) and f"<Code>{code}</Code>" in answer.text
        assert stored(store, signed["fields"]["key"]) is None


def test_connections_after_forms(store: Store) -> None:
    """After a form, taken or refused, its connection serves on."""
    with requests.Session() as session:
        for most, status in ((100, 204), (2, 400), (100, 204)):
            signed = form(store, "again", most)
            files = {"file": b"hello"}
            answer = session.post(signed["url"], signed["fields"], files=files, timeout=PATIENCE)
            assert answer.status_code == status
        assert session.get(f"{store.url}/-/health", timeout=PATIENCE).ok


def test_nobodys_forms(store: Store) -> None:
    """Who does not sign stores nothing where nobody may."""
    answer = post({"url": f"{store.url}/photos", "fields": {"key": "nobodys"}}, b"x")
    assert answer.status_code == 403
    assert stored(store, "nobodys") is None


@pytest.mark.parametrize("half_closed", [True, False])
def test_clients_that_leave(store: Store, half_closed: bool) -> None:
    """A form whose client leaves in the middle of the file stores nothing."""
    key = f"left-{half_closed}"
    signed = form(store, key)
    whole = requests.Request(
        "POST", signed["url"], data=signed["fields"], files={"file": b"x" * 3_000_000}
    ).prepare()
    body: Any = whole.body
    kind = whole.headers["Content-Type"]
    head = (
        f"POST /photos HTTP/1.1\r\nHost: {store.netloc}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    host, port = store.netloc.rsplit(":", 1)
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(head.encode() + body[: len(body) // 2])
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(4096) is not None
    for _ in range(3):
        assert stored(store, key) is None
        time.sleep(0.05)
    assert post(form(store, key), b"whole").status_code == 204
    assert stored(store, key) == b"whole"


# -- buckets in host names ---------------------------------------------------------------
def ask(
    store: Store, method: str, host: str, target: str, **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of a request with that Host header; the target goes as it is."""
    connection = http.client.HTTPConnection(store.netloc, timeout=PATIENCE)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": host, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read()
    connection.close()
    return *found, body


ODD = ("-/x", "-/health", "-/located", "//a", "/", "..", "../b", "a//b/", "?", "a b+c%20", "é")


@pytest.mark.parametrize("bucket", ["photos", "my.photos"])
def test_buckets_that_are_host_names(store: Store, bucket: str) -> None:
    """Every name is an object's in a bucket that is a host name, and as it was sent."""
    host = f"{bucket}.{DOMAIN}:{urlsplit(store.url).port}"
    client = store.client()
    for key in ODD:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
        url = client.generate_presigned_url("get_object", {"Bucket": "b", "Key": key})
        assert ask(store, "GET", host, urlsplit(url).path)[0] == 403  # nobody may
    hosted = boto3.client(
        "s3",
        endpoint_url=f"http://{DOMAIN}:{urlsplit(store.url).port}",
        aws_access_key_id=store.key.id,
        aws_secret_access_key=store.key.secret,
        region_name=REGION,
        config=Config(s3={"addressing_style": "virtual"}, signature_version="s3v4"),
    )
    for key in ODD:
        url = hosted.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
        parts = urlsplit(url)
        assert parts.netloc == host
        status, _, body = ask(store, "GET", host, f"{parts.path}?{parts.query}")
        assert (status, body) == (200, key.encode()), key
    url = urlsplit(hosted.generate_presigned_url("list_objects_v2", {"Bucket": bucket}))
    status, _, body = ask(store, "GET", host.upper(), f"/?{url.query}")
    assert status == 403 and b"SignatureDoesNotMatch" in body  # the host was signed as it was
    status, _, body = ask(store, "GET", host, f"/?{url.query}")
    assert status == 200 and b"<ListBucketResult" in body


def test_the_servers_own_resources(store: Store) -> None:
    """They are where no bucket is: on the domain itself, and on addresses."""
    for host in (DOMAIN, f"{DOMAIN.upper()}:80", store.netloc, WEBSITES):
        assert ask(store, "GET", host, "/-/health")[0] == 200
    assert ask(store, "GET", f"photos.{DOMAIN}", "/-/health")[0] == 403


# -- websites ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "status", "told"),
    [
        ("/", 200, b"index.html"),
        ("/?utm=%zz", 200, b"index.html"),
        ("/docs/", 200, b"docs/index.html"),
        ("/docs", 302, b"/docs/"),
        ("/nothing", 404, b"error.html"),
        ("/old/a", 301, f"http://site.{WEBSITES}/new/a".encode()),
    ],
)
def test_websites(store: Store, target: str, status: int, told: bytes) -> None:
    """A bucket's website has pages, folders, errors and redirections."""
    for method in ("GET", "HEAD"):
        found, headers, body = ask(store, method, f"site.{WEBSITES}", target)
        assert found == status
        if status in (301, 302):
            assert (headers["location"].encode(), body) == (told, b"")
        else:
            assert body == (told if method == "GET" else b"")
            assert headers["content-length"] == str(len(told))


def test_websites_are_only_read(store: Store) -> None:
    """Not even their owner writes through them; other buckets are none."""
    assert ask(store, "DELETE", f"site.{WEBSITES}", "/index.html")[0] == 405
    assert ask(store, "GET", f"photos.{WEBSITES}", "/")[0] == 404
    assert ask(store, "GET", f"site.{WEBSITES}", "/")[0] == 200


# -- clients that do not sign ------------------------------------------------------------
def test_unsigned_clients_ask_for_buckets(store: Store) -> None:
    """boto3 without keys reads why it is told nothing, and not the page for people."""
    client = boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 1}),
    )
    with pytest.raises(ClientError) as error:
        client.list_buckets()
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert requests.get(store.url, timeout=PATIENCE).json()["name"] == "godos"
