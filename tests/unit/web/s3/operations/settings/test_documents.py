"""What configures a bucket: kept, given back, removed, and refused when it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from godos.model.users import OPEN
from tests.unit.web.s3.operations.client import ADA, BOB, Client, Refused, result

RED = {"Key": "team", "Value": "red"}
QUEUE = "arn:aws:sqs:us-east-1:123456789012:events"

# Name, the member of the request, of the answer ("" for all of it), and a document of each.
KEPT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("bucket_tagging", "Tagging", "", {"TagSet": [RED, {"Key": "a b", "Value": ""}]}),
    (
        "bucket_cors",
        "CORSConfiguration",
        "",
        {
            "CORSRules": [
                {
                    "ID": "one",
                    "AllowedMethods": ["GET", "PUT"],
                    "AllowedOrigins": ["*.example", "http://x"],
                    "AllowedHeaders": ["x-*"],
                    "ExposeHeaders": ["ETag"],
                    "MaxAgeSeconds": 60,
                },
                {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]},
            ]
        },
    ),
    (
        "bucket_encryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
        {
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": "aws:kms",
                        "KMSMasterKeyID": "my-key",
                    },
                    "BucketKeyEnabled": True,
                }
            ]
        },
    ),
    (
        "bucket_website",
        "WebsiteConfiguration",
        "",
        {
            "IndexDocument": {"Suffix": "index.html"},
            "ErrorDocument": {"Key": "errors/404.html"},
            "RoutingRules": [
                {
                    "Condition": {"KeyPrefixEquals": "docs/"},
                    "Redirect": {"ReplaceKeyPrefixWith": "documents/"},
                },
                {
                    "Condition": {"HttpErrorCodeReturnedEquals": "404"},
                    "Redirect": {
                        "HostName": "example.com:8080",
                        "Protocol": "https",
                        "HttpRedirectCode": "302",
                    },
                },
            ],
        },
    ),
    (
        "bucket_website",
        "WebsiteConfiguration",
        "",
        {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}},
    ),
    (
        "bucket_notification_configuration",
        "NotificationConfiguration",
        "",
        {
            "QueueConfigurations": [
                {
                    "Id": "one",
                    "QueueArn": QUEUE,
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"],
                    "Filter": {
                        "Key": {
                            "FilterRules": [
                                {"Name": "Prefix", "Value": "in/"},
                                {"Name": "suffix", "Value": ".jpg"},
                            ]
                        }
                    },
                }
            ]
        },
    ),
    (
        "bucket_logging",
        "BucketLoggingStatus",
        "",
        {
            "LoggingEnabled": {
                "TargetBucket": "photos",
                "TargetPrefix": "log/",
                "TargetObjectKeyFormat": {
                    "PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}
                },
            }
        },
    ),
    ("bucket_request_payment", "RequestPaymentConfiguration", "", {"Payer": "Requester"}),
    (
        "object_lock_configuration",
        "ObjectLockConfiguration",
        "ObjectLockConfiguration",
        {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    ),
]
NAMES = [f"{name}-{number}" for number, (name, *_) in enumerate(KEPT)]

ABSENT = {
    "bucket_tagging": "NoSuchTagSet",
    "bucket_cors": "NoSuchCORSConfiguration",
    "bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "bucket_website": "NoSuchWebsiteConfiguration",
    "object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "bucket_replication": "ReplicationConfigurationNotFoundError",
}
REMOVABLE = [
    (name, member, document)
    for name, member, _, document in KEPT
    if name in ("bucket_tagging", "bucket_cors", "bucket_encryption", "bucket_website")
]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.bucket("photos", ObjectLockEnabledForBucket=True)
    client.bucket("plain")
    return client


def told(answer: dict[str, Any], member: str = "") -> dict[str, Any]:
    """What an answer says, without what boto3 adds."""
    answer.pop("ResponseMetadata")
    found: dict[str, Any] = answer[member] if member else answer
    return found


def refusal(client: Client, name: str, member: str, document: Any) -> tuple[int, str | None]:
    """Status and code of a document that is refused."""
    with pytest.raises(Refused) as caught:
        getattr(client, f"put_{name}")(Bucket="photos", **{member: document})
    return caught.value.status, caught.value.code


# -- all of them --------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "member", "shown", "document"), KEPT, ids=NAMES)
def test_what_was_put_comes_back(
    client: Client, name: str, member: str, shown: str, document: dict[str, Any]
) -> None:
    """A document is given back as it came, and a later one takes its place."""
    answer = getattr(client, f"put_{name}")(Bucket="photos", **{member: document})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert told(getattr(client, f"get_{name}")(Bucket="photos"), shown) == document
    getattr(client, f"put_{name}")(Bucket="photos", **{member: document})
    assert told(getattr(client, f"get_{name}")(Bucket="photos"), shown) == document


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_there_has_a_code_of_its_own(client: Client, name: str) -> None:
    """Clients tell by the code that nothing was configured."""
    with pytest.raises(Refused) as caught:
        getattr(client, f"get_{name}")(Bucket="plain")
    assert (caught.value.status, caught.value.code) == (404, ABSENT[name])
    assert caught.value.error["BucketName"] == "plain"


@pytest.mark.parametrize(
    "name",
    ["bucket_logging", "bucket_notification_configuration", "bucket_accelerate_configuration"],
)
def test_what_may_be_empty(client: Client, name: str) -> None:
    """Some documents are empty rather than absent."""
    assert told(getattr(client, f"get_{name}")(Bucket="plain")) == {}


@pytest.mark.parametrize(("name", "member", "document"), REMOVABLE)
def test_what_is_removed_is_gone(
    client: Client, name: str, member: str, document: dict[str, Any]
) -> None:
    """Removing is 204, also of what was never there; afterwards it is absent again."""
    remove = getattr(client, f"delete_{name}")
    assert remove(Bucket="photos")["ResponseMetadata"]["HTTPStatusCode"] == 204
    getattr(client, f"put_{name}")(Bucket="photos", **{member: document})
    assert remove(Bucket="photos")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(Refused) as caught:
        getattr(client, f"get_{name}")(Bucket="photos")
    assert caught.value.code == ABSENT[name]


@pytest.mark.parametrize(("name", "member", "shown", "document"), KEPT, ids=NAMES)
def test_only_the_owner_may(
    client: Client, name: str, member: str, shown: str, document: dict[str, Any]
) -> None:
    """Who does not own a bucket neither sees nor changes what configures it."""
    client.as_user(BOB)
    for verb, members in (("get", {}), ("put", {member: document})):
        with pytest.raises(Refused) as caught:
            getattr(client, f"{verb}_{name}")(Bucket="photos", **members)
        assert caught.value.code == "AccessDenied"
    client.as_user(ADA)


@pytest.mark.parametrize(("name", "member", "shown", "document"), KEPT, ids=NAMES)
def test_of_a_bucket_that_is_not_there(
    client: Client, name: str, member: str, shown: str, document: dict[str, Any]
) -> None:
    """404, whether it is read or written."""
    client.as_user(OPEN)
    for verb, members in (("get", {}), ("put", {member: document})):
        with pytest.raises(Refused) as caught:
            getattr(client, f"{verb}_{name}")(Bucket="nowhere", **members)
        assert caught.value.code == "NoSuchBucket"


# -- each of them -------------------------------------------------------------------------
METHODS = {"AllowedMethods": ["GET"]}
ANY = {"AllowedOrigins": ["*"], **METHODS}
INDEX = {"IndexDocument": {"Suffix": "i"}}
AES = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def rule(**redirect: str) -> dict[str, Any]:
    return {"RoutingRules": [{"Redirect": redirect}], **INDEX}


def locked(**retention: Any) -> dict[str, Any]:
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}


def queue(**members: Any) -> dict[str, Any]:
    base = {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
    return {"QueueConfigurations": [{**base, **members}]}


def filtered(*rules: tuple[str, str]) -> dict[str, Any]:
    found = [{"Name": name, "Value": value} for name, value in rules]
    return queue(Filter={"Key": {"FilterRules": found}})


@pytest.mark.parametrize(
    ("name", "member", "document", "code"),
    [
        ("bucket_tagging", "Tagging", {"TagSet": [RED, RED]}, "InvalidTag"),
        ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "", "Value": "x"}]}, "InvalidTag"),
        ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "x" * 129, "Value": ""}]}, "InvalidTag"),
        ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "x", "Value": "y" * 257}]}, "InvalidTag"),
        ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "AWS:x", "Value": ""}]}, "InvalidTag"),
        (
            "bucket_tagging",
            "Tagging",
            {"TagSet": [{"Key": str(n), "Value": ""} for n in range(51)]},
            "InvalidTag",
        ),
        ("bucket_cors", "CORSConfiguration", {"CORSRules": []}, "MalformedXML"),
        ("bucket_cors", "CORSConfiguration", {"CORSRules": [ANY] * 101}, "MalformedXML"),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "AllowedMethods": ["get"]}]},
            "InvalidRequest",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "AllowedMethods": ["PATCH"]}]},
            "InvalidRequest",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "AllowedOrigins": ["*.x.*"]}]},
            "InvalidRequest",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "AllowedHeaders": ["**"]}]},
            "InvalidRequest",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "ExposeHeaders": ["x\nset-cookie: y"]}]},
            "InvalidRequest",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "ID": "x" * 256}]},
            "InvalidArgument",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{**ANY, "MaxAgeSeconds": -1}]},
            "InvalidArgument",
        ),
        ("bucket_encryption", "ServerSideEncryptionConfiguration", {"Rules": []}, "MalformedXML"),
        (
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {"Rules": [AES, AES]},
            "MalformedXML",
        ),
        (
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "rot13"}}]},
            "MalformedXML",
        ),
        (
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {
                "Rules": [
                    {
                        "ApplyServerSideEncryptionByDefault": {
                            "SSEAlgorithm": "AES256",
                            "KMSMasterKeyID": "x",
                        }
                    }
                ]
            },
            "InvalidArgument",
        ),
        (
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse"}}]},
            "NotImplemented",
        ),
        (
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {"Rules": [{**AES, "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]},
            "NotImplemented",
        ),
        ("bucket_website", "WebsiteConfiguration", {}, "MalformedXML"),
        (
            "bucket_website",
            "WebsiteConfiguration",
            {"IndexDocument": {"Suffix": ""}},
            "InvalidArgument",
        ),
        (
            "bucket_website",
            "WebsiteConfiguration",
            {"IndexDocument": {"Suffix": "a/b"}},
            "InvalidArgument",
        ),
        (
            "bucket_website",
            "WebsiteConfiguration",
            {"RedirectAllRequestsTo": {"HostName": "x"}, **INDEX},
            "MalformedXML",
        ),
        (
            "bucket_website",
            "WebsiteConfiguration",
            {"RedirectAllRequestsTo": {"HostName": "x", "Protocol": "ftp"}},
            "MalformedXML",
        ),
        (
            "bucket_website",
            "WebsiteConfiguration",
            {"RedirectAllRequestsTo": {"HostName": "x/\nset-cookie: y"}},
            "InvalidArgument",
        ),
        ("bucket_website", "WebsiteConfiguration", rule(), "MalformedXML"),
        (
            "bucket_website",
            "WebsiteConfiguration",
            rule(ReplaceKeyWith="a", ReplaceKeyPrefixWith="b"),
            "InvalidRequest",
        ),
        ("bucket_website", "WebsiteConfiguration", rule(HttpRedirectCode="200"), "InvalidRequest"),
        ("bucket_website", "WebsiteConfiguration", rule(HttpRedirectCode="304"), "InvalidRequest"),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            queue(QueueArn="http://queue"),
            "InvalidArgument",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            queue(Events=["s3:ObjectEaten:*"]),
            "InvalidArgument",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            queue(Events=[]),
            "MalformedXML",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            filtered(("prefix", "a"), ("Prefix", "b")),
            "InvalidArgument",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            filtered(("middle", "a")),
            "InvalidArgument",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            {
                "QueueConfigurations": [
                    {"Id": "same", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]},
                    {"Id": "same", "QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:*"]},
                ]
            },
            "InvalidArgument",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            {"TopicConfigurations": [{"TopicArn": "x", "Events": ["s3:ObjectCreated:*"]}]},
            "NotImplemented",
        ),
        (
            "bucket_notification_configuration",
            "NotificationConfiguration",
            {"EventBridgeConfiguration": {}},
            "NotImplemented",
        ),
        (
            "bucket_logging",
            "BucketLoggingStatus",
            {"LoggingEnabled": {"TargetBucket": "nowhere", "TargetPrefix": ""}},
            "InvalidTargetBucketForLogging",
        ),
        (
            "bucket_logging",
            "BucketLoggingStatus",
            {
                "LoggingEnabled": {
                    "TargetBucket": "plain",
                    "TargetPrefix": "",
                    "TargetObjectKeyFormat": {
                        "PartitionedPrefix": {"PartitionDateSource": "Never"}
                    },
                }
            },
            "MalformedXML",
        ),
        (
            "bucket_request_payment",
            "RequestPaymentConfiguration",
            {"Payer": "Nobody"},
            "MalformedXML",
        ),
        (
            "bucket_accelerate_configuration",
            "AccelerateConfiguration",
            {"Status": "Enabled"},
            "NotImplemented",
        ),
        ("object_lock_configuration", "ObjectLockConfiguration", {}, "MalformedXML"),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            {**locked(Mode="GOVERNANCE", Days=1), "ObjectLockEnabled": "Disabled"},
            "MalformedXML",
        ),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            locked(Mode="governance", Days=1),
            "MalformedXML",
        ),
        ("object_lock_configuration", "ObjectLockConfiguration", locked(Days=1), "MalformedXML"),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            locked(Mode="COMPLIANCE"),
            "MalformedXML",
        ),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            locked(Mode="COMPLIANCE", Days=1, Years=1),
            "MalformedXML",
        ),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            locked(Mode="COMPLIANCE", Days=0),
            "InvalidRetentionPeriod",
        ),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            locked(Mode="COMPLIANCE", Years=-1),
            "InvalidRetentionPeriod",
        ),
        (
            "object_lock_configuration",
            "ObjectLockConfiguration",
            locked(Mode="COMPLIANCE", Years=101),
            "InvalidRetentionPeriod",
        ),
    ],
)
def test_what_makes_no_sense(
    client: Client, name: str, member: str, document: Any, code: str
) -> None:
    """It is refused with S3's code, and what was there stays."""
    before = dict(result(client.objects.settings("photos")))
    status = 501 if code == "NotImplemented" else 400
    assert refusal(client, name, member, document) == (status, code)
    assert result(client.objects.settings("photos")) == before


def test_no_tags_are_no_tag_set(client: Client) -> None:
    """An empty set of tags removes those that were there."""
    client.put_bucket_tagging(Bucket="plain", Tagging={"TagSet": [RED]})
    client.put_bucket_tagging(Bucket="plain", Tagging={"TagSet": []})
    with pytest.raises(Refused) as caught:
        client.get_bucket_tagging(Bucket="plain")
    assert caught.value.code == "NoSuchTagSet"


def test_a_document_is_needed(client: Client) -> None:
    """A request without its body changes nothing."""
    for resource in ("cors", "lifecycle", "tagging", "website", "encryption", "object-lock"):
        exchange = client.send("PUT", f"/photos?{resource}")
        assert exchange.status == 400, resource
    assert "ObjectLockEnabled" in str(told(client.get_object_lock_configuration(Bucket="photos")))


def test_logs_go_to_buckets_of_ones_own(client: Client) -> None:
    """Where the log goes is kept with a form of its names; an empty document ends it."""
    enabled = {"TargetBucket": "plain", "TargetPrefix": "log/"}
    client.put_bucket_logging(Bucket="photos", BucketLoggingStatus={"LoggingEnabled": enabled})
    kept = {**enabled, "TargetObjectKeyFormat": {"SimplePrefix": {}}}
    assert told(client.get_bucket_logging(Bucket="photos")) == {"LoggingEnabled": kept}
    client.put_bucket_logging(Bucket="photos", BucketLoggingStatus={})
    assert told(client.get_bucket_logging(Bucket="photos")) == {}
    client.as_user(BOB).bucket("bobs")
    client.as_user(ADA)
    elsewhere = {"LoggingEnabled": {**enabled, "TargetBucket": "bobs"}}
    code = (400, "InvalidTargetBucketForLogging")
    assert refusal(client, "bucket_logging", "BucketLoggingStatus", elsewhere) == code


def test_the_owner_pays_by_default(client: Client) -> None:
    """Until something else is said, and again when it is said."""
    assert client.get_bucket_request_payment(Bucket="plain")["Payer"] == "BucketOwner"
    for payer in ("Requester", "BucketOwner"):
        client.put_bucket_request_payment(
            Bucket="plain", RequestPaymentConfiguration={"Payer": payer}
        )
        assert client.get_bucket_request_payment(Bucket="plain")["Payer"] == payer


def test_acceleration_can_be_suspended(client: Client) -> None:
    """Which is what it is."""
    suspended = {"Status": "Suspended"}
    client.put_bucket_accelerate_configuration(Bucket="plain", AccelerateConfiguration=suspended)
    assert told(client.get_bucket_accelerate_configuration(Bucket="plain")) == suspended


def test_notifications_have_ids(client: Client) -> None:
    """Who gives none is given one; an empty document ends all."""
    two = {"QueueConfigurations": queue()["QueueConfigurations"] * 2}
    client.put_bucket_notification_configuration(Bucket="plain", NotificationConfiguration=two)
    kept = told(client.get_bucket_notification_configuration(Bucket="plain"))
    ids = [each["Id"] for each in kept["QueueConfigurations"]]
    assert len(set(ids)) == 2 and all(ids)
    client.put_bucket_notification_configuration(Bucket="plain", NotificationConfiguration={})
    assert told(client.get_bucket_notification_configuration(Bucket="plain")) == {}


def test_object_lock_needs_versions(client: Client) -> None:
    """It can be enabled later, where versions are kept; then there is a rule, or none."""
    days = locked(Mode="GOVERNANCE", Days=1)
    for status in ("", "Suspended"):
        if status:
            client.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": status})
        with pytest.raises(Refused) as caught:
            client.put_object_lock_configuration(Bucket="plain", ObjectLockConfiguration=days)
        assert (caught.value.status, caught.value.code) == (409, "InvalidBucketState")
    client.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    client.put_object_lock_configuration(
        Bucket="plain", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )
    for name in ("plain", "photos"):
        kept = told(client.get_object_lock_configuration(Bucket=name))
        assert kept == {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}


def test_replication_is_not_there(client: Client) -> None:
    """Its removal has nothing to do, and its configuration is refused."""
    client.delete_bucket_replication(Bucket="plain")
    role = {"Role": "x", "Rules": [{"Status": "Enabled", "Destination": {"Bucket": "y"}}]}
    with pytest.raises(Refused) as caught:
        client.put_bucket_replication(Bucket="plain", ReplicationConfiguration=role)
    assert caught.value.status in (405, 501)
