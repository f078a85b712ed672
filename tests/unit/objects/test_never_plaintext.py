"""What is encrypted is not on any disk, or in any row, as it was sent."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from godos.model.encryption import Cipher, Encryption
from godos.model.multipart import MIN_PART
from godos.model.objects import (
    ChosenPart,
    CompleteRequest,
    CopyRequest,
    CopySource,
    GetRequest,
    NewUpload,
    PutRequest,
)
from godos.model.versions import Attributes
from tests.unit.objects.stores import MASTER, NAMED, Body, Store, now, whole
from tests.unit.storage.nodes import picture, serving

MARK = b"Attack at dawn, by the old mill!"  # of the body
NOTE = "met-under-the-clock"  # of the metadata
SMALL, LARGE = MARK * 10, MARK * 70_000  # a volume record, and a file of its own
CUSTOMER = b"k" * 32
EVERY = [
    Encryption(Cipher.S3),
    Encryption(Cipher.KMS),
    Encryption(Cipher.CUSTOMER, key=CUSTOMER),
]


class OnDisk:
    """A store whose two nodes are folders."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.folder = folder
        stores = [closing.enter_context(serving(folder / name)) for name in ("a", "b")]
        self.store = Store(stores)
        self.objects = self.store.objects

    def on_disk(self) -> bytes:
        """All bytes of all files."""
        return b"\0".join(picture(self.folder).values())

    def in_catalog(self) -> bytes:
        """All rows."""
        items, cursor, rows = self.store.items, None, []
        while True:
            page = now(items.scan(cursor))
            rows += [repr(item).encode() for item in page.items]
            cursor = page.cursor
            if cursor is None:
                return b"\n".join(rows)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[OnDisk]:
    with ExitStack() as closing:
        yield OnDisk(tmp_path, closing)


def put(disk: OnDisk, key: str, data: bytes, encryption: Encryption | None) -> Any:
    request = PutRequest(Attributes(metadata={"n": NOTE}), encryption=encryption)
    return now(disk.objects.put("objects", key, Body(data), request))


def get(disk: OnDisk, key: str, encryption: Encryption) -> bytes:
    return whole(now(disk.objects.get("objects", key, GetRequest(customer_key=encryption.key))))


def upload(disk: OnDisk, key: str, encryption: Encryption) -> bytes:
    """An object in two parts."""
    new = NewUpload("me", Attributes(metadata={"n": NOTE}), encryption=encryption)
    begun = now(disk.objects.create_upload("objects", key, new))
    bodies = [(MARK * (MIN_PART // len(MARK) + 1)), SMALL]
    chosen = []
    for number, body in enumerate(bodies, 1):
        request = PutRequest(encryption=encryption)
        part = now(disk.objects.upload_part("objects", key, begun.id, number, Body(body), request))
        chosen.append(ChosenPart(number, part.etag))
    request = CompleteRequest(tuple(chosen), customer_key=encryption.key)
    now(disk.objects.complete_upload("objects", key, begun.id, request))
    return b"".join(bodies)


def assert_nowhere(disk: OnDisk) -> None:
    """Neither body, nor metadata on the nodes, nor any key in any form."""
    files, rows = disk.on_disk(), disk.in_catalog()
    assert MARK not in files + rows
    assert NOTE.encode() not in files
    for secret in (
        CUSTOMER,
        *MASTER.keys,
        *(key for ring in NAMED.rings.values() for key in ring.keys),
    ):
        for form in (secret, secret.hex().encode(), b64encode(secret)):
            assert form not in files + rows


def test_what_is_looked_for_would_be_found(disk: OnDisk) -> None:
    """Without encryption all of it is there: the other tests can fail."""
    for data in (SMALL, LARGE):
        put(disk, "k", data, None)
        assert MARK in disk.on_disk()
        assert NOTE.encode() in disk.on_disk()
        assert NOTE.encode() in disk.in_catalog()


@pytest.mark.parametrize("encryption", EVERY)
def test_objects(disk: OnDisk, encryption: Encryption) -> None:
    """Small ones in a volume, and large ones in files."""
    for key, data in (("small", SMALL), ("large", LARGE)):
        put(disk, key, data, encryption)
        assert get(disk, key, encryption) == data
    assert_nowhere(disk)


@pytest.mark.parametrize("encryption", EVERY)
def test_objects_made_of_parts(disk: OnDisk, encryption: Encryption) -> None:
    """Each part is encrypted from the moment it arrives."""
    data = upload(disk, "parts", encryption)
    assert get(disk, "parts", encryption) == data
    assert_nowhere(disk)


@pytest.mark.parametrize("encryption", EVERY)
def test_copies(disk: OnDisk, encryption: Encryption) -> None:
    """A copy is encrypted anew, and no plain byte is kept on the way."""
    put(disk, "source", LARGE, EVERY[0])
    request = CopyRequest(lambda version: version.attributes, encryption=encryption)
    now(disk.objects.copy(CopySource("objects", "source"), "objects", "copy", request))
    assert get(disk, "copy", encryption) == LARGE
    assert_nowhere(disk)


def test_an_upload_in_flight(disk: OnDisk) -> None:
    """Also what is only staged is encrypted."""
    seen = []

    class Watched(Body):
        def deliver_to(self, consumer: Any) -> Any:
            delivered = super().deliver_to(consumer)
            seen.append(disk.on_disk())
            return delivered

    request = PutRequest(Attributes(metadata={"n": NOTE}), encryption=EVERY[0])
    now(disk.objects.put("objects", "k", Watched(LARGE), request))
    assert sum(map(len, seen)) > len(LARGE)
    assert MARK not in b"".join(seen)
