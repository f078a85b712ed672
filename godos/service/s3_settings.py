"""What can be configured of the S3 API: who may come, by which names, and with which keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from godos.messaging.addresses import SqsAddress
from godos.model.users import User
from godos.objects.keys import KeyRing, NamedKeys
from godos.service import notifications, values
from godos.service.credentials import read_credentials
from godos.service.master_key import read_kms_keys, read_master_key
from godos.service.settings import Setting

_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_REGION = re.compile(r"[a-z0-9-]{1,64}")


def _domain(text: str) -> str:
    """A domain name whose sub-domains are buckets."""
    name = text.lower().rstrip(".")
    if _DOMAIN.fullmatch(name) is None:
        raise ValueError(f"{text!r} is no domain name, such as s3.example.com")
    return name


def _region(text: str) -> str:
    """The name of the one region."""
    if _REGION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no region: lower-case letters, digits and hyphens")
    return text


@frozen
class OfCatalog:
    """`--credentials catalog`: users are those of the catalog alone."""


def _credentials(text: str) -> Path | OfCatalog:
    """A file of users; or the word `catalog` (`./catalog` is a file)."""
    return OfCatalog() if text == "catalog" else values.path(text)


CREDENTIALS = Setting(
    "credentials",
    "TOML file with users and their keys, see etc/credentials.toml; or the word catalog, for "
    "those alone that `godos user add` made. With it requests must be signed; without it they "
    "must be once the catalog has a user.",
    _credentials,
)
REGION = Setting(
    "region",
    "The region that clients sign for and are told.",
    _region,
    "us-east-1",
)
DOMAIN = Setting(
    "domain",
    "Serve BUCKET.NAME as the bucket (virtual-host style).",
    _domain,
    repeatable=True,
)
WEBSITE_DOMAIN = Setting(
    "website-domain",
    "Serve BUCKET.NAME as the bucket's website.",
    _domain,
    repeatable=True,
)
MASTER_KEY = Setting(
    "master-key",
    "File with the key that wraps the keys of objects encrypted by the server (SSE-S3).",
    values.path,
)
KMS_KEYS = Setting(
    "kms-keys",
    "TOML file with named keys, used for x-amz-server-side-encryption: aws:kms.",
    values.path,
)
LIFECYCLE_DAY = Setting(
    "lifecycle-day",
    "How many seconds lifecycle rules take for a day. Shorten it only to try rules out.",
    values.seconds,
    "86400",
)
SETTINGS = (
    CREDENTIALS,
    REGION,
    DOMAIN,
    WEBSITE_DOMAIN,
    MASTER_KEY,
    KMS_KEYS,
    LIFECYCLE_DAY,
    *notifications.SETTINGS,
)


@frozen
class S3Settings:
    """
    What the person who starts a server decided of its S3 API.

    `signed`: requests must be signed, even while nobody can.  `users` are those of
    `users_file`, which is "" when there is none.
    """

    users: Sequence[User]
    region: str
    domains: Sequence[str]
    website_domains: Sequence[str]
    master_key: KeyRing | None
    kms_keys: NamedKeys | None
    lifecycle_day: float  # seconds
    notifications_endpoint: str | None = None
    notifications_queues: Sequence[str] = ("*",)  # patterns of ARNs
    signed: bool = False
    users_file: str = ""


def s3_settings(options: Any, queue: SqsAddress | None = None) -> S3Settings:
    """
    The record of these options, with the files they name read.

    Args:
        queue: of the middleware; queues of events are there, too, unless they say otherwise.

    Raises:
        SettingError: a file cannot be read, or does not hold what it should.
    """
    credentials = options["credentials"]
    in_file = isinstance(credentials, Path)
    return S3Settings(
        users=read_credentials(credentials) if in_file else (),
        region=options["region"],
        domains=options["domain"],
        website_domains=options["website-domain"],
        master_key=read_master_key(options["master-key"]) if options["master-key"] else None,
        kms_keys=read_kms_keys(options["kms-keys"]) if options["kms-keys"] else None,
        lifecycle_day=options["lifecycle-day"],
        notifications_endpoint=_endpoint(options["notifications-endpoint"], queue),
        notifications_queues=options["notifications-queues"],
        signed=credentials is not None,
        users_file=str(credentials) if in_file else "",
    )


def _endpoint(chosen: str | None, queue: SqsAddress | None) -> str | None:
    if chosen is None and queue is not None:
        return queue.endpoint
    return chosen
