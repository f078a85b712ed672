"""A server tells queues what happens to the objects of its buckets."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.daemons import Daemon
from tests.standins import StandIn

PATIENCE = 30.0  # seconds
ALL = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
PART = 5 << 20  # the least size of a part that is not the last


class Queue:
    """A queue that may not exist yet."""

    def __init__(self, stand_in: StandIn, ending: str = "") -> None:
        self.name = f"events-{uuid4().hex[:12]}{ending}"
        self._client = boto3.client("sqs", endpoint_url=stand_in.url)
        self._url = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:us-east-1:000000000000:{self.name}"

    def create(self) -> Queue:
        fifo = {"FifoQueue": "true"} if self.name.endswith(".fifo") else {}
        self._url = self._client.create_queue(QueueName=self.name, Attributes=fifo)["QueueUrl"]
        asked = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        assert asked["Attributes"]["QueueArn"] == self.arn
        return self

    def documents(self, number: int) -> list[dict[str, Any]]:
        """The next messages, so many, or as many as come in time."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE
        while len(found) < number and time.monotonic() < deadline:
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for one in answer.get("Messages", ()):
                found.append(json.loads(one["Body"]))
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])
        return found

    def told(self, number: int) -> list[tuple[str, str]]:
        """Names and keys of the next events."""
        events = [document["Records"][0] for document in self.documents(number)]
        return [(e["eventName"], unquote_plus(e["s3"]["object"]["key"])) for e in events]


@pytest.fixture
def queue(fauxqs: StandIn) -> Queue:
    return Queue(fauxqs)


@pytest.fixture
def words(fauxqs: StandIn) -> Sequence[str]:
    """What a server is started with."""
    return ["godos", "--port", "0", "--notifications-endpoint", fauxqs.url]


@pytest.fixture
def server(tmp_path: Path, words: Sequence[str]) -> Iterator[Daemon]:
    with Daemon(tmp_path, *words) as daemon:
        yield daemon


def client(server: Daemon) -> Any:
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=server.url, config=config)


def notify(s3: Any, queue: Queue, skip: bool = False, **more: Any) -> None:
    """Let the bucket `photos` tell the queue."""
    s3.put_bucket_notification_configuration(
        Bucket="photos",
        NotificationConfiguration={
            "QueueConfigurations": [{"Id": "c", "QueueArn": queue.arn, "Events": ALL, **more}]
        },
        SkipDestinationValidation=skip,
    )


def test_all_that_happens(server: Daemon, queue: Queue) -> None:
    """Puts, copies, uploads in parts, tags and deletions come, in AWS's format."""
    s3 = client(server)
    queue.create()
    s3.create_bucket(Bucket="photos")
    notify(s3, queue)
    (trial,) = queue.documents(1)
    assert (trial["Event"], trial["Bucket"]) == ("s3:TestEvent", "photos")

    put = s3.put_object(Bucket="photos", Key="a b/ö+", Body=b"12345")
    (first,) = queue.documents(1)
    (record,) = first["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert (record["eventSource"], record["awsRegion"]) == ("aws:s3", "us-east-1")
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    request_id = put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert record["responseElements"]["x-amz-request-id"] == request_id
    assert record["s3"]["configurationId"] == "c"
    assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::photos"
    described = record["s3"]["object"]
    assert (described["key"], described["size"]) == ("a+b/%C3%B6%2B", 5)
    assert described["eTag"] == put["ETag"].strip('"')

    source = {"Bucket": "photos", "Key": "a b/ö+"}
    s3.copy_object(Bucket="photos", Key="k", CopySource=source)
    upload = s3.create_multipart_upload(Bucket="photos", Key="k")["UploadId"]
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(
                Bucket="photos", Key="k", UploadId=upload, PartNumber=n, Body=body
            )["ETag"],
        }
        for n, body in enumerate((bytes(PART), b"end"), 1)
    ]
    s3.complete_multipart_upload(
        Bucket="photos", Key="k", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    s3.put_object_tagging(Bucket="photos", Key="k", Tagging=tags)
    s3.delete_object(Bucket="photos", Key="k")
    assert sorted(queue.told(4)) == [
        ("ObjectCreated:CompleteMultipartUpload", "k"),
        ("ObjectCreated:Copy", "k"),
        ("ObjectRemoved:Delete", "k"),
        ("ObjectTagging:Put", "k"),
    ]


def test_order_of_a_key(server: Daemon, fauxqs: StandIn) -> None:
    """What happens to one key comes in the order in which it happened."""
    s3, queue = client(server), Queue(fauxqs, ".fifo").create()
    s3.create_bucket(Bucket="photos")
    notify(s3, queue, skip=True)
    etags = [s3.put_object(Bucket="photos", Key="k", Body=b"%d" % n)["ETag"] for n in range(30)]
    told = [document["Records"][0]["s3"]["object"] for document in queue.documents(30)]
    assert [f'"{described["eTag"]}"' for described in told] == etags
    sequencers = [described["sequencer"] for described in told]
    assert sequencers == sorted(set(sequencers))


def test_versions_and_filters(server: Daemon, queue: Queue) -> None:
    """Only keys that pass the filter are told of, with their versions, markers, too."""
    s3 = client(server)
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
    notify(s3, queue.create(), Filter={"Key": {"FilterRules": rules}}, skip=True)
    for key in ("in/a.png", "a.jpg", "in/a.jpg"):
        s3.put_object(Bucket="photos", Key=key, Body=b"x")
    marker = s3.delete_object(Bucket="photos", Key="in/a.jpg")
    removed = s3.delete_object(Bucket="photos", Key="in/a.jpg", VersionId=marker["VersionId"])
    records = [document["Records"][0] for document in queue.documents(3)]
    records.sort(key=lambda record: record["s3"]["object"]["sequencer"])
    assert [record["eventName"] for record in records] == [
        "ObjectCreated:Put",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRemoved:Delete",
    ]
    assert {record["s3"]["object"]["key"] for record in records} == {"in/a.jpg"}
    versions = [record["s3"]["object"]["versionId"] for record in records[1:]]
    assert versions == [marker["VersionId"], removed["VersionId"]]


def test_killed_before_delivery(tmp_path: Path, words: Sequence[str], fauxqs: StandIn) -> None:
    """What was not told when the server was killed is told after its next start, in order."""
    queue = Queue(fauxqs, ".fifo")
    with Daemon(tmp_path, *words) as server:
        s3 = client(server)
        s3.create_bucket(Bucket="photos")
        notify(s3, queue, skip=True)  # there is no such queue yet
        for body in (b"1", b"22", b"333"):
            s3.put_object(Bucket="photos", Key="k", Body=body)
        server.end(signal.SIGKILL)
    queue.create()
    with Daemon(tmp_path, *words):
        told = [document["Records"][0]["s3"]["object"]["size"] for document in queue.documents(3)]
    assert told == [1, 2, 3]


def test_a_queue_that_comes_back(server: Daemon, fauxqs: StandIn) -> None:
    """One queue that is gone holds back no other; once it is there it hears of everything."""
    s3, gone, there = client(server), Queue(fauxqs), Queue(fauxqs).create()
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_notification_configuration(
        Bucket="photos",
        NotificationConfiguration={
            "QueueConfigurations": [
                {"Id": queue.name, "QueueArn": queue.arn, "Events": ALL} for queue in (gone, there)
            ]
        },
        SkipDestinationValidation=True,
    )
    for key in "abc":
        s3.put_object(Bucket="photos", Key=key, Body=b"x")
    expected = [("ObjectCreated:Put", key) for key in "abc"]
    assert sorted(there.told(3)) == expected
    gone.create()
    assert sorted(gone.told(3)) == expected
    assert f"events for {gone.arn} wait" in server.out
    s3.put_object(Bucket="photos", Key="d", Body=b"x")
    assert there.told(1) == gone.told(1) == [("ObjectCreated:Put", "d")]


def test_forms(server: Daemon, queue: Queue) -> None:
    """A file that came by a browser's form is told as that."""
    s3 = client(server)
    s3.create_bucket(Bucket="photos")
    notify(s3, queue.create(), skip=True)
    files = {"file": ("cat.jpg", b"meow")}
    sent = requests.post(f"{server.url}/photos", data={"key": "k"}, files=files, timeout=10)
    assert sent.status_code == 204
    assert queue.told(1) == [("ObjectCreated:Post", "k")]


def test_queues_are_tried(server: Daemon, queue: Queue) -> None:
    """A configuration with a queue that cannot be reached is refused, and changes nothing."""
    s3 = client(server)
    s3.create_bucket(Bucket="photos")
    with pytest.raises(ClientError, match="Unable to validate") as refused:
        notify(s3, queue)
    assert refused.value.response["Error"]["Code"] == "InvalidArgument"
    assert "NonExistentQueue" in str(refused.value)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket="photos")


def test_queues_that_the_operator_allows(
    tmp_path: Path, words: Sequence[str], queue: Queue
) -> None:
    """Only queues that the operator allows can be configured."""
    queue.create()
    with Daemon(tmp_path, *words, "--notifications-queues", "arn:aws:sqs:*:*:other-*") as server:
        s3 = client(server)
        s3.create_bucket(Bucket="photos")
        with pytest.raises(ClientError, match="is not allowed"):
            notify(s3, queue)


@pytest.mark.parametrize(
    ("member", "configuration"),
    [
        ("TopicConfigurations", [{"TopicArn": "arn:aws:sns:us-east-1:1:t", "Events": ALL}]),
        (
            "LambdaFunctionConfigurations",
            [{"LambdaFunctionArn": "arn:aws:lambda:us-east-1:1:function:f", "Events": ALL}],
        ),
        ("EventBridgeConfiguration", {}),
    ],
)
def test_other_targets(server: Daemon, member: str, configuration: Any) -> None:
    """Topics, functions and EventBridge are refused with words that tell what there is."""
    s3 = client(server)
    s3.create_bucket(Bucket="photos")
    with pytest.raises(ClientError, match="events go to SQS queues"):
        s3.put_bucket_notification_configuration(
            Bucket="photos", NotificationConfiguration={member: configuration}
        )
