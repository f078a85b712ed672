"""A catalog that was lost is made again from the disks, and everything is read back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.cluster import Cluster, Server, cluster, embedded, godos
from tests.integration.contents import KIB, MIB, content

SIZES = {"small": 700, "middle": 300 * KIB, "large": 3 * MIB}
PART = 5 * MIB


def client(server: Server) -> Any:
    """What people use."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id="anybody",
        aws_secret_access_key="anything",
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def in_parts(s3: Any, bucket: str, key: str, numbers: list[int], complete: bool = True) -> bytes:
    """Upload an object in parts, and complete it; its bytes."""
    begun = s3.create_multipart_upload(
        Bucket=bucket, Key=key, Metadata={"of": key}, ContentType="text/x-parts"
    )
    sent = []
    body = b""
    for number in numbers:
        part = content(f"{key} {number}", size=PART if number != numbers[-1] else 70_001)
        named = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
        etag = s3.upload_part(Body=part, PartNumber=number, **named)["ETag"]
        sent.append({"ETag": etag, "PartNumber": number})
        body += part
    if complete:
        s3.complete_multipart_upload(MultipartUpload={"Parts": sent}, **named)
    return body


def rebuilt(state: str, *storage: Path, more: tuple[str, ...] = ()) -> str:
    """`godos state rebuild`; what it printed."""
    folders = [word for folder in storage for word in ("--storage", str(folder))]
    done = godos("state", "rebuild", "--state", state, *folders, *more)
    assert done.returncode == 0, done
    return done.stdout


def forget(path: Path) -> None:
    """Lose a catalog."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def test_one_machine(tmp_path: Path) -> None:
    """Objects, versions, parts and encrypted objects of an embedded store are back."""
    key = tmp_path / "master.key"
    key.write_bytes(base64.b64encode(bytes(range(32))) + b"\n")
    catalog = tmp_path / "godos-data" / "catalog.sqlite"
    state = f"sqlite:{catalog}"
    with embedded(tmp_path, "--master-key", str(key)) as server:
        server.start().await_ready()
        s3 = client(server)
        bodies: dict[tuple[str, str], bytes] = {}
        s3.create_bucket(Bucket="photos")
        for bucket in ("objects", "photos"):
            for name, size in SIZES.items():
                bodies[bucket, name] = content(f"{bucket} {name}", size=size)
                s3.put_object(
                    Bucket=bucket,
                    Key=name,
                    Body=bodies[bucket, name],
                    Metadata={"colour": "gr\u00fcn".encode().hex()},
                    ContentType="image/x-test",
                    Tagging="a=1",
                )
        s3.put_object(Bucket="photos", Key="small", Body=b"second")
        bodies["photos", "small"] = b"second"
        bodies["photos", "parts"] = in_parts(s3, "photos", "parts", [1, 2])
        in_parts(s3, "photos", "gap", [1, 3], complete=False)
        s3.put_object(
            Bucket="photos", Key="sealed", Body=b"s" * 70_000, ServerSideEncryption="AES256"
        )
        bodies["photos", "sealed"] = b"s" * 70_000
        customer: Mapping[str, Any] = {
            "SSECustomerAlgorithm": "AES256",
            "SSECustomerKey": bytes(range(1, 33)),
        }
        s3.put_object(Bucket="photos", Key="theirs", Body=b"t" * 500, **customer)
        s3.create_bucket(Bucket="history")
        enabled = {"Status": "Enabled"}
        s3.put_object(Bucket="history", Key="k", Body=b"null")
        s3.put_bucket_versioning(Bucket="history", VersioningConfiguration=enabled)
        for number in range(3):
            s3.put_object(Bucket="history", Key="k", Body=b"version %d" % number)
        s3.create_bucket(Bucket="again")
        s3.put_object(Bucket="again", Key="old", Body=b"old")
        s3.delete_object(Bucket="again", Key="old")
        s3.delete_bucket(Bucket="again")
        s3.create_bucket(Bucket="again")
        s3.put_object(Bucket="again", Key="new", Body=b"new")
        s3.put_object(Bucket="objects", Key="empty", Body=b"")
        assert server.end() == 0

        forget(catalog)
        refused = server.start()
        assert refused.wait() == 1
        with_key = ("--master-key", str(key))
        said = rebuilt(state, tmp_path / "godos-data", more=with_key)
        assert "epoch 2" in said and "gc --confirm-epoch 2" in said
        assert "1 blobs are encrypted with keys of customers" in said
        assert "1 older objects were left out" in said
        assert "1 uploads lack a part" in said
        assert "1 blobs are of a bucket again that was deleted before" in said
        assert "Deletions" in said and "Objects without bytes" in said
        said = rebuilt(state, tmp_path / "godos-data", more=with_key)
        assert "\n0 objects and versions were added" in said, "run again, it adds nothing"

        server.start().await_ready()
        s3 = client(server)
        names = {each["Name"] for each in s3.list_buckets()["Buckets"]}
        assert names == {"again", "history", "objects", "photos"}
        for (bucket, name), body in bodies.items():
            got = s3.get_object(Bucket=bucket, Key=name)
            assert got["Body"].read() == body, (bucket, name)
        listed = {each["Key"] for each in s3.list_objects_v2(Bucket="photos")["Contents"]}
        assert listed == {name for bucket, name in bodies if bucket == "photos"}
        assert [each["Key"] for each in s3.list_objects_v2(Bucket="again")["Contents"]] == ["new"]
        got = s3.head_object(Bucket="objects", Key="large")
        assert (got["ContentType"], got["Metadata"]) == (
            "image/x-test",
            {"colour": "gr\u00fcn".encode().hex()},
        )
        assert s3.get_object_tagging(Bucket="objects", Key="large")["TagSet"] == [
            {"Key": "a", "Value": "1"}
        ]
        got = s3.head_object(Bucket="photos", Key="parts")
        assert (got["ContentType"], got["Metadata"]) == ("text/x-parts", {"of": "parts"})
        assert got["ETag"].endswith('-2"')
        assert s3.head_object(Bucket="photos", Key="sealed")["ServerSideEncryption"] == "AES256"
        versions = s3.list_object_versions(Bucket="history")["Versions"]
        assert [
            s3.get_object(Bucket="history", Key="k", VersionId=each["VersionId"])["Body"].read()
            for each in versions
        ] == [b"version 2", b"version 1", b"version 0", b"null"]
        assert versions[-1]["VersionId"] == "null"

        # and it is a store like any other
        s3.put_object(Bucket="history", Key="k", Body=b"version 3")
        assert s3.get_object(Bucket="history", Key="k")["Body"].read() == b"version 3"
        assert len(s3.list_object_versions(Bucket="history")["Versions"]) == 5
        s3.delete_object(Bucket="photos", Key="large")
        with pytest.raises(ClientError, match="NoSuchKey"):
            s3.get_object(Bucket="photos", Key="large")


def stored(store: Cluster) -> dict[str, bytes]:
    """Put some of each size."""
    api, bodies = store["api"], {}
    for number in range(2):
        for name, size in SIZES.items():
            bodies[f"{name}-{number}"] = body = content(f"{name} {number}", size=size)
            assert api.put(f"{name}-{number}", body).status_code == 200
    bodies["parts"] = in_parts(client(api), "objects", "parts", [1, 2])
    return bodies


def all_there(api: Server, bodies: Mapping[str, bytes]) -> None:
    assert set(api.names()) == set(bodies)
    for key, body in bodies.items():
        got = requests.get(api.at(key), timeout=60)
        assert got.status_code == 200, (key, got.text)
        assert got.content == body, key


@pytest.mark.parametrize(
    ("nodes", "policy"), [(3, "copies=2"), (6, "ec=4+2")], ids=["copies", "coded"]
)
def test_one_machine_after_the_other(tmp_path: Path, nodes: int, policy: str) -> None:
    """Each machine adds what its disks have, in any order; in the end everything is back."""
    state = f"sqlite:{tmp_path / 'state.sqlite'}"
    with cluster(tmp_path, state) as store:
        for number in range(1, nodes + 1):
            store.data(f"data-{number}").start()
        for server in store.servers.values():
            server.await_announced()
        store.api("api", "--policy", policy).start().await_ready()
        bodies = stored(store)
        for server in store.servers.values():
            assert server.end() == 0
        forget(tmp_path / "state.sqlite")
        data = [name for name in store.servers if name != "api"]
        for machine in (data[nodes // 3 :], data[: nodes // 3]):
            rebuilt(state, *(tmp_path / name for name in machine))
        for name in data:
            store[name].start()
        for name in data:
            store[name].await_announced()
        api = store["api"].start().await_ready()
        all_there(api, bodies)

        # as many may die as before
        for name in ("data-1",) if nodes == 3 else ("data-1", "data-4"):
            store[name].kill()
        all_there(api, bodies)


def test_what_is_refused(tmp_path: Path) -> None:
    """A store in use, a catalog that works, and folders that do not belong together."""
    with embedded(tmp_path) as server:
        server.start().await_ready()
        assert server.put("k", b"v").status_code == 200
        state, folder = f"sqlite:{tmp_path / 'new.sqlite'}", tmp_path / "godos-data"
        done = godos("state", "rebuild", "--state", state, "--storage", str(folder))
        assert done.returncode == 1 and "another process serves" in done.stderr
        assert server.end() == 0
        own = f"sqlite:{folder / 'catalog.sqlite'}"
        done = godos("state", "rebuild", "--state", own, "--storage", str(folder))
        assert done.returncode == 1 and "was not rebuilt from fragments" in done.stderr
    (tmp_path / "b").mkdir()
    with embedded(tmp_path / "b") as other:
        other.start().await_ready()
        assert other.put("k", b"v").status_code == 200
        assert other.end() == 0
    both = ("--storage", str(folder), "--storage", str(tmp_path / "b" / "godos-data"))
    done = godos("state", "rebuild", "--state", state, *both)
    assert done.returncode == 1 and "different clusters" in done.stderr
