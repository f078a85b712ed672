"""What the Host header says of a request."""

from __future__ import annotations

import pytest

from godos.web.hosts import Host, Hosts
from tests.unit.web.fakes import FakeExchange

HOSTS = Hosts(("s3.example.com", "Example.NET."), ("web.example.com",))


def of(host: str | bytes | None, hosts: Hosts = HOSTS) -> Host:
    headers = (
        [] if host is None else [(b"host", host if isinstance(host, bytes) else host.encode())]
    )
    return hosts.of(FakeExchange("GET", "/", headers))


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "localhost:8030",
        "127.0.0.1:8030",
        "127.0.0.1",
        "[::1]:8030",
        "[::1]",
        "::1",
        "s3.example.com",
        "s3.example.com:8030",
        "S3.Example.Com.",
        "web.example.com",
        "example.com",
        ".s3.example.com",
        ".",
        ":80",
        "nots3.example.com",
        "s3.example.com.evil.com",
        b"\xff.evil.com",
    ],
)
def test_path_style(host: str | bytes | None) -> None:
    """Addresses, the domains themselves and foreign names leave the bucket to the path."""
    assert of(host) == Host("", False)


@pytest.mark.parametrize(
    "host",
    [
        "photos.s3.example.com",
        "photos.s3.example.com:8030",
        "photos.s3.example.com:",
        "photos.s3.example.com.",
        "photos.s3.example.com.:443",
        "PHOTOS.S3.EXAMPLE.COM",
        "photos.example.net",
    ],
)
def test_buckets(host: str) -> None:
    """A name below a domain is a bucket, whatever its case, port, or dot at the end."""
    assert of(host) == Host("photos", False)


def test_buckets_with_dots() -> None:
    """A bucket's name may have dots."""
    assert of("www.my.shop.s3.example.com") == Host("www.my.shop", False)


def test_websites() -> None:
    """A name below a website's domain is a bucket's website."""
    assert of("photos.web.example.com:80") == Host("photos", True)


def test_domains_below_each_other() -> None:
    """The longest domain that fits is meant, in whatever order they were given."""
    for domains in (("example.com", "s3.example.com"), ("s3.example.com", "example.com")):
        hosts = Hosts(domains, ("web.s3.example.com",))
        assert of("photos.s3.example.com", hosts) == Host("photos")
        assert of("photos.example.com", hosts) == Host("photos")
        assert of("photos.web.s3.example.com", hosts) == Host("photos", True)
        for domain in (*domains, "web.s3.example.com"):
            assert of(domain, hosts) == Host()


def test_no_domains() -> None:
    """Without domains every request is in path style."""
    assert of("photos.s3.example.com", Hosts()) == Host()
