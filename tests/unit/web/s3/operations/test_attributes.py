"""What is kept with an object, and how large it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError
from godos.web.errors import MetadataTooLarge, S3Error
from godos.web.s3.operations.attribute_members import stored_headers, user_metadata
from godos.web.s3.operations.tag_sets import checked_tags, header_tags, tag_set


def test_metadata_has_room_for_two_kilobytes() -> None:
    """Names and values count; the prefix does not."""
    assert user_metadata({"Metadata": {"a": "x" * 1023, "b": "ä" * 511 + "x"}})
    with pytest.raises(MetadataTooLarge):
        user_metadata({"Metadata": {"a": "x" * 1023, "b": "ä" * 512}})


def test_stored_headers_have_a_bound() -> None:
    """Standard headers may have 8 KB in all."""
    assert stored_headers({"ContentType": "x" * 8192})
    with pytest.raises(MetadataTooLarge):
        stored_headers({"ContentType": "x" * 8000, "CacheControl": "x" * 193})


@given(st.text())
def test_any_text_as_tags(text: str) -> None:
    """Whatever is sent as tags is a few tags, or refused."""
    try:
        tags = header_tags({"Tagging": text})
    except GodosError:
        return
    assert len(tags) <= 10


NAMES = st.text(st.sampled_from("aZ9 +-=._:/@é"), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, NAMES, max_size=10))
def test_tags_come_back(tags: dict[str, str]) -> None:
    """Tags that may be are told as they were given, in the order of their names."""
    told = tag_set(checked_tags(tags.items()))
    assert [(tag["Key"], tag["Value"]) for tag in told] == sorted(tags.items())


def test_more_tags_where_more_may_be() -> None:
    """How many there may be, says who asks."""
    many = [(str(number), "") for number in range(50)]
    assert len(checked_tags(many, 50)) == 50
    with pytest.raises(S3Error, match="at most 50"):
        checked_tags([*many, ("x", "")], 50)
