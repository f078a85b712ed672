"""A server as the commands `put`, `get` and `ls` reach it: over HTTP, through boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from attrs import frozen

from godos.cli.parameters import Parsed

HERE = "http://127.0.0.1:8030"
INTERRUPTED = 130  # exit code.  Source: POSIX shells, 128 + SIGINT
CONNECT, READ = 10, 60  # seconds
ATTEMPTS = 5  # for each request

endpoint_option = click.option(
    "--endpoint",
    metavar="URL",
    envvar=["GODOS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    show_envvar=True,
    default=HERE,
    show_default=True,
    help="The server.",
)


@frozen
class Place:
    """`s3://BUCKET/KEY`; the key may be empty."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def place(text: str) -> Place:
    """What follows `s3://` up to the next slash is the bucket, and all else the key."""
    scheme, separator, rest = text.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise ValueError(f"{text!r} is no place in a store: s3://BUCKET/KEY")
    return Place(bucket, key)


def place_of_object(text: str) -> Place:
    """A `place` with a key."""
    found = place(text)
    if not found.key:
        raise ValueError(f"{text!r} names no object: s3://BUCKET/KEY")
    return found


PLACE = Parsed("place", place)
OBJECT = Parsed("place", place_of_object)


def connect(endpoint: str) -> Any:
    """
    boto3's client, with the key that the AWS tools would take; without one, unsigned.

    Raises:
        ClickException: the endpoint is no URL.
    """
    import boto3
    from botocore import UNSIGNED, session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    inner = session.get_session()
    for provider in ("container-role", "iam-role"):  # keys of machines at AWS are not ours,
        inner.get_component("credential_provider").remove(provider)  # and asking takes seconds
    try:
        known = inner.get_credentials() is not None
        config = Config(
            signature_version="s3v4" if known else UNSIGNED,
            connect_timeout=CONNECT,
            read_timeout=READ,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            s3={"addressing_style": "path"},
            # the commands compare checksums of whole objects themselves
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        region = inner.get_config_variable("region") or "us-east-1"
        return boto3.Session(botocore_session=inner).client(
            "s3", endpoint_url=endpoint, region_name=region, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def told(interrupted: Callable[[], str]) -> Iterator[None]:
    """
    Tell what the server or the disk refuses in a line, and end with exit code 1.

    Args:
        interrupted: what is said after Ctrl-C, when the exit code is 130.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"interrupted: {interrupted()}", err=True)
        raise SystemExit(INTERRUPTED) from None
    except ClientError as error:
        found = error.response.get("Error", {})
        code = found.get("Code", "?")
        raise click.ClickException(f"{found.get('Message') or 'refused'} ({code})") from error
    except (BotoCoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
