"""What a client says of its body, before it and after it, and what is kept of that."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5, sha1, sha256
from typing import Any

import pytest
from crc32c import crc32c
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.errors import BadDigest, InvalidDigest, NoSuchKey, PayloadMismatch
from godos.model.objects import GetRequest, PutRequest
from godos.objects.announced import Announced
from godos.transfer.checksums import ALGORITHMS, running
from godos.transfer.digests import Digests
from tests.unit.objects.stores import Body, Store, now

BODIES = [b"", b"hello", bytes(range(256)) * 8192]  # nothing, one piece, 2 MiB in many


def digest(algorithm: str, data: bytes) -> bytes:
    one = running(algorithm)
    one.update(data)
    return one.digest()


def put(store: Store, data: bytes, **told: Any) -> Any:
    return now(store.objects.put("objects", "k", Body(data), PutRequest(**told)))


def nothing_stored(store: Store) -> bool:
    with pytest.raises(NoSuchKey):
        now(store.objects.head("objects", "k", GetRequest()))
    return store.fragments == 0 and all(node.staged == 0 for node in store.nodes)


@pytest.mark.parametrize("data", BODIES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_announced_checksum_is_compared_and_kept(data: bytes, algorithm: str) -> None:
    """Right, it stays with the object; wrong, nothing is stored."""
    store, right = Store(), digest(algorithm, data)
    with pytest.raises(BadDigest, match=algorithm.upper()):
        put(store, data, checksums={algorithm: digest(algorithm, b"?")})
    assert nothing_stored(store)
    version = put(store, data, checksums={algorithm: right})
    assert version.checksums == {algorithm: b64encode(right).decode()}
    head = now(store.objects.head("objects", "k", GetRequest()))
    assert head.checksums == version.checksums


def test_digests_of_another_length_are_not_those_of_the_body() -> None:
    """A digest that is cut short cannot pass."""
    store = Store()
    for told in (b"", crc32c(b"hello").to_bytes(4, "big")[:2]):
        with pytest.raises(BadDigest):
            put(store, b"hello", checksums={"crc32c": told})


@pytest.mark.parametrize("data", BODIES)
def test_a_checksum_that_is_asked_for(data: bytes) -> None:
    """It is computed by the server; without a wish it is S3's own default."""
    store = Store()
    version = put(store, data, checksum="sha1")
    assert version.checksums == {"sha1": b64encode(sha1(data).digest()).decode()}
    version = put(store, data)
    assert version.checksums == {"crc64nvme": b64encode(digest("crc64nvme", data)).decode()}


def test_unknown_algorithms_are_refused() -> None:
    """Before the body is asked for."""
    store, body = Store(), Body(b"hello")
    with pytest.raises(InvalidDigest, match="crc16"):
        now(store.objects.put("objects", "k", body, PutRequest(checksum="crc16")))
    assert not body.asked_for


@pytest.mark.parametrize("data", BODIES)
def test_checksums_that_come_after_the_body(data: bytes) -> None:
    """They are looked at when the body has ended, and compared as others are."""
    store = Store()
    after: dict[str, bytes] = {}

    class Trailing(Body):
        def collect(self, limit: int) -> Deferred[list[bytes]]:
            after.update(coming)
            return super().collect(limit)

        def deliver_to(self, consumer: Any) -> Deferred[None]:
            after.update(coming)
            return super().deliver_to(consumer)

    coming: Mapping[str, bytes]
    request = PutRequest(checksum="crc32c", trailing=lambda: after)
    for wrong in ({}, {"crc32c": digest("crc32c", b"?")}, {"sha1": sha1(data).digest()}):
        coming = wrong
        after.clear()
        with pytest.raises(BadDigest):
            now(store.objects.put("objects", "k", Trailing(data), request))
        assert nothing_stored(store)
    coming = {"crc32c": digest("crc32c", data)}
    after.clear()
    version = now(store.objects.put("objects", "k", Trailing(data), request))
    assert version.checksums == {"crc32c": b64encode(coming["crc32c"]).decode()}


@pytest.mark.parametrize("data", BODIES)
def test_the_body_that_was_signed(data: bytes) -> None:
    """A signature covers one body and no other."""
    store = Store()
    with pytest.raises(PayloadMismatch):
        put(store, data, payload_sha256=sha256(b"?").digest())
    assert nothing_stored(store)
    put(store, data, payload_sha256=sha256(data).digest())


@pytest.mark.parametrize(
    ("told", "computed"),
    [
        ({}, {"crc64nvme"}),
        ({"checksum": "crc32"}, {"crc32"}),
        ({"md5": md5(b"").digest()}, {"crc64nvme", "md5"}),
        ({"sha256": b""}, {"crc64nvme", "sha256"}),
        ({"payload_sha256": b"", "checksums": {"sha1": b""}}, {"sha1", "sha256"}),
    ],
)
def test_only_what_is_asked_for_is_computed(told: Any, computed: set[str]) -> None:
    """Every digest costs every upload."""
    assert Announced(PutRequest(**told)).computed == computed


def test_digests_that_were_not_asked_for() -> None:
    """They are not there."""
    digests = Digests(maybeDeferred, {"md5"})
    assert "md5" in digests
    assert "sha256" not in digests
