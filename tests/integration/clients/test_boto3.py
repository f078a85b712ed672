"""boto3, over plain HTTP and over TLS."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.integration.clients.store import Key, Store, content, running
from tests.integration.streaming_server import certificate

MIB = 1 << 20
IN_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


@pytest.fixture(scope="module")
def tls_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A server with a certificate of its own."""
    folder = tmp_path_factory.mktemp("tls-store")
    pem = folder / "localhost.pem"
    pem.touch(0o600)
    pem.write_bytes(certificate())
    with running(folder, "--tls-cert", str(pem), "--tls-key", str(pem), certificate=pem) as it:
        yield it


class OneWay(io.RawIOBase):
    """A body that cannot be read twice, such as a pipe's."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    """S3's name of an error."""
    return str(refused.value.response["Error"]["Code"])


def transfer(store: Store, bucket: str, folder: Path) -> None:
    """A file up and down with the transfer manager, in parts and on several threads."""
    client, data = store.client(), content(23 * MIB + 7)
    here, back = folder / "here", folder / "back"
    here.write_bytes(data)
    about = {"Metadata": {"colour": "blue"}, "ContentType": "image/x-none"}
    client.upload_file(str(here), bucket, "file", ExtraArgs=about, Config=IN_PARTS)
    client.download_file(bucket, "file", str(back), Config=IN_PARTS)
    assert back.read_bytes() == data

    client.upload_fileobj(OneWay(data), bucket, "pipe", Config=IN_PARTS)
    received = io.BytesIO()
    client.download_fileobj(bucket, "pipe", received, Config=IN_PARTS)
    assert received.getvalue() == data

    client.copy({"Bucket": bucket, "Key": "file"}, bucket, "copy", Config=IN_PARTS)
    head = client.head_object(Bucket=bucket, Key="copy")
    assert (head["ContentType"], head["Metadata"]) == ("image/x-none", {"colour": "blue"})
    assert head["ContentLength"] == len(data)
    assert hashlib.sha256(client.get_object(Bucket=bucket, Key="copy")["Body"].read()).digest() == (
        hashlib.sha256(data).digest()
    )


def test_transfer_manager(store: Store, bucket: str, tmp_path: Path) -> None:
    """Large files and pipes go up, are copied and come down, in parts."""
    transfer(store, bucket, tmp_path)


def test_transfer_manager_over_tls(tls_store: Store, tmp_path: Path) -> None:
    """The same where nobody can listen, and where payloads are not signed therefore."""
    tls_store.client().create_bucket(Bucket="transfer")
    transfer(tls_store, "transfer", tmp_path)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksum_behind_the_body(tls_store: Store, algorithm: str) -> None:
    """Over TLS the checksum follows the body; it is verified, kept and told."""
    client, data = tls_store.client(), content(300_000)
    name = f"trailer-{algorithm.lower()}"
    client.create_bucket(Bucket=name)
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(str(request.headers["X-Amz-Content-SHA256"], "ascii"))

    client.meta.events.register("before-send.s3.PutObject", note)
    put = client.put_object(Bucket=name, Key="a", Body=data, ChecksumAlgorithm=algorithm)
    assert sent == ["STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
    got = client.get_object(Bucket=name, Key="a", ChecksumMode="ENABLED")
    assert got["Body"].read() == data
    assert "ContentEncoding" not in got
    member = f"Checksum{algorithm}"
    assert got[member] == put[member]


def test_one_connection(store: Store, bucket: str) -> None:
    """Empty files, others and refusals follow each other at once, and each gets its answer."""
    client = store.client(max_pool_connections=1, read_timeout=5)
    for body in (b"", b"x", b"", b"", b"y" * 70_000) * 4:
        put = client.put_object(Bucket=bucket, Key="a", Body=io.BytesIO(body))
        assert put["ResponseMetadata"]["RetryAttempts"] == 0
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0"'}) * 4:
        with pytest.raises(ClientError) as refused:
            client.put_object(Bucket=bucket, Key="a", Body=io.BytesIO(b"again"), **condition)
        assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0
        assert code(refused) == "PreconditionFailed"
        client.put_object(Bucket=bucket, Key="b", Body=io.BytesIO(b""))


@pytest.mark.parametrize("key", [Key(), None], ids=["unknown key", "wrong secret"])
def test_wrong_keys(store: Store, bucket: str, key: Key | None) -> None:
    """A key that nobody has, and one with another secret, are told apart and refused."""
    client = store.client(key or Key(id=store.key.id))
    with pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket=bucket)
    assert code(refused) == ("InvalidAccessKeyId" if key else "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("version", "life"), [("s3v4", "X-Amz-Expires=60"), ("s3", "Expires=")], ids=["v4", "v2"]
)
def test_presigned_links(store: Store, bucket: str, version: str, life: str) -> None:
    """Links let anybody put and get one object, as long as they are not changed."""
    client = store.client(signature_version=version)

    def link(operation: str, **more: str) -> str:
        wanted = {"Bucket": bucket, "Key": "a b/ü", **more}
        return str(client.generate_presigned_url(operation, wanted, ExpiresIn=60))

    put = link("put_object")
    assert life in put
    assert requests.put(put, data=b"by link", timeout=20).status_code == 200
    got = requests.get(link("get_object", ResponseContentType="text/x-mine"), timeout=20)
    assert (got.content, got.headers["Content-Type"]) == (b"by link", "text/x-mine")
    for changed in (put.replace(life, f"{life}1"), put.replace("a%20b", "a%20c")):
        assert changed != put
        assert requests.put(changed, data=b"no", timeout=20).status_code == 403
    assert store.content(bucket) == {"a b/ü": b"by link"}


@pytest.mark.parametrize(
    ("version", "field"), [("s3v4", "x-amz-signature"), ("s3", "signature")], ids=["v4", "v2"]
)
def test_presigned_post(store: Store, bucket: str, version: str, field: str) -> None:
    """A form lets a browser upload what its policy allows, and no more."""
    form = store.client(signature_version=version).generate_presigned_post(
        bucket,
        "photos/${filename}",
        Fields={"success_action_status": "201", "Content-Type": "text/plain"},
        Conditions=[
            {"success_action_status": "201"},
            {"Content-Type": "text/plain"},
            ["content-length-range", 1, 1000],
        ],
        ExpiresIn=60,
    )

    def post(data: bytes, **fields: str) -> requests.Response:
        files = {"file": ("cat.txt", data)}
        return requests.post(form["url"], {**form["fields"], **fields}, files=files, timeout=20)

    made = post(b"meow")
    assert (made.status_code, "<Key>photos/cat.txt</Key>" in made.text) == (201, True)
    assert "EntityTooLarge" in post(b"x" * 1001).text
    assert "EntityTooSmall" in post(b"").text
    assert "AccessDenied" in post(b"meow", key="elsewhere/cat.txt").text
    forged = form["fields"][field][:-4] + "0000"
    assert "SignatureDoesNotMatch" in post(b"meow", **{field: forged}).text
    assert store.content(bucket) == {"photos/cat.txt": b"meow"}


def test_versions(store: Store, bucket: str) -> None:
    """What was overwritten and what was deleted comes back by its version."""
    client = store.client()
    enabled = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
    ids = [
        client.put_object(Bucket=bucket, Key="a", Body=body)["VersionId"] for body in (b"1", b"2")
    ]
    marker = client.delete_object(Bucket=bucket, Key="a")
    assert store.content(bucket) == {}
    for version, body in zip(ids, (b"1", b"2"), strict=True):
        got = client.get_object(Bucket=bucket, Key="a", VersionId=version)
        assert got["Body"].read() == body
    client.delete_object(Bucket=bucket, Key="a", VersionId=marker["VersionId"])
    assert store.content(bucket) == {"a": b"2"}
    listed = client.list_object_versions(Bucket=bucket)["Versions"]
    assert [entry["VersionId"] for entry in listed] == ids[::-1]


def test_many_objects(store: Store, bucket: str) -> None:
    """Lists come page by page, folders together, and many objects are deleted at once."""
    client = store.client()
    keys = [f"{folder}/{number:02}" for folder in ("a", "b") for number in range(30)]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    pages = client.get_paginator("list_objects_v2")
    size = {"PageSize": 7}
    listed = pages.paginate(Bucket=bucket, PaginationConfig=size)
    assert [entry["Key"] for page in listed for entry in page["Contents"]] == keys
    listed = pages.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert [entry["Prefix"] for entry in listed.search("CommonPrefixes")] == ["a/", "b/"]
    doomed = {"Objects": [{"Key": key} for key in [*keys[1:], "never there"]], "Quiet": True}
    assert "Errors" not in client.delete_objects(Bucket=bucket, Delete=doomed)
    assert store.content(bucket) == {keys[0]: keys[0].encode()}


def test_one_winner(store: Store, bucket: str) -> None:
    """With If-None-Match and If-Match only a writer who knows what is there may write."""
    client = store.client()
    first = client.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0123456789abcdef0123456789abcdef"'}):
        with pytest.raises(ClientError) as refused:
            client.put_object(Bucket=bucket, Key="a", Body=b"2", **condition)
        assert code(refused) == "PreconditionFailed"
    client.put_object(Bucket=bucket, Key="a", Body=b"3", IfMatch=first)
    assert store.content(bucket) == {"a": b"3"}
