"""Rows of uploads in parts to records and back."""

from __future__ import annotations

import json

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.items import Item
from godos.catalog.upload_records import (
    Opened,
    of_listed,
    opened_item,
    opened_of,
    part_item,
    part_of,
    to_listed,
    upload_item,
    upload_of,
)
from godos.model.multipart import MultipartUpload, Part, UploadState
from godos.model.names import new_id
from godos.model.versions import ChecksumType
from tests.unit.catalog.test_records import ATTRIBUTES, BUCKET, HEADERS, TEXT, stored, versions

IDS = st.uuids().map(lambda u: u.hex)
PARTS = st.builds(
    Part,
    number=st.integers(1, 10_000),
    size=st.integers(0, 5 << 30),
    etag=TEXT,
    incarnation=st.none() | IDS,
    reference=IDS,
    modified=st.floats(0, 1e12),
    checksums=HEADERS,
)
UPLOADS = st.builds(
    MultipartUpload,
    id=IDS,
    bucket=st.just(BUCKET.name),
    key=TEXT.filter(bool),
    initiated=st.floats(0, 1e12),
    initiator=TEXT,
    attributes=ATTRIBUTES,
    checksum=st.sampled_from(["", "crc32", "sha256"]),
    checksum_type=st.sampled_from(ChecksumType),
    rev=IDS,
)


@given(UPLOADS)
def test_open_uploads(upload: MultipartUpload) -> None:
    """An open upload comes back as it was written."""
    assert upload_of(stored(upload_item(upload, BUCKET.id))) == upload


@given(UPLOADS, versions())
def test_completed_uploads(upload: MultipartUpload, version: object) -> None:
    """A completed one comes back with the version it made, though others replaced that since."""
    result = evolve(version, key=upload.key)
    done = evolve(upload, state=UploadState.COMPLETED, result=result)
    assert upload_of(stored(upload_item(done, BUCKET.id, 12.5))) == done


@given(PARTS)
def test_parts(part: Part) -> None:
    """A part comes back as it was written, from its row and from a page of a list."""
    assert part_of(stored(part_item(new_id(), part))) == part
    assert of_listed(json.loads(json.dumps(to_listed(part)))) == part


def test_the_order_of_parts() -> None:
    """Rows of parts stand in the order of their numbers, before that of their upload."""
    numbers = [1, 2, 46, 255, 256, 257, 9999, 10_000]
    part = Part(1, 5, "e", None, new_id(), 0.0)
    rows: list[Item] = [part_item("u", evolve(part, number=number)) for number in numbers]
    rows.append(upload_item(MultipartUpload("u", "photos", "k", 0.0), BUCKET.id))
    assert len({row.p for row in rows}) == 1
    assert [row.s for row in rows] == sorted(row.s for row in rows)


def test_open_uploads_of_a_key() -> None:
    """They are named in the order in which they began."""
    some = [Opened(2.5, "b"), Opened(1.0, "z"), Opened(2.5, "a")]
    item = opened_item(BUCKET.id, "ключ", some, new_id())
    assert opened_of(stored(item)) == [some[1], some[2], some[0]]
    assert item.s == "ключ".encode()
