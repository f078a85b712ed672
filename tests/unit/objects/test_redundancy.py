"""Which policy a request's bytes are stored with."""

from __future__ import annotations

import pytest

from godos.model.errors import InvalidBucketState
from godos.model.policy import Policy
from godos.objects.redundancy import Redundancy, Way, checked_policy, instead, wanted_instead

OF_BUCKET = {"storage": {"policy": "copies=2"}}


def test_who_says_something_first_decides() -> None:
    """The storage class as it is mapped, then the bucket, then the server."""
    redundancy = Redundancy({"REDUCED_REDUNDANCY": "copies=1"}, lambda: "ec=4+2")
    assert redundancy.wanted(OF_BUCKET, "REDUCED_REDUNDANCY") == "copies=1"
    assert redundancy.wanted(OF_BUCKET, "STANDARD") == "copies=2"
    assert redundancy.wanted(OF_BUCKET, "GLACIER") == "copies=2"
    assert redundancy.wanted({}, "STANDARD") == "ec=4+2"


def test_no_storage_class_is_the_standard_one() -> None:
    """An upload without the header is one of STANDARD."""
    assert Redundancy({"STANDARD": "copies=3"}, lambda: "auto").wanted(OF_BUCKET, "") == "copies=3"


@pytest.mark.parametrize("settings", [{"storage": None}, {"storage": {"compression": "zstd"}}])
def test_a_bucket_may_say_nothing_of_it(settings: dict[str, object]) -> None:
    """Then the server's policy of this moment stands."""
    policies = ["auto", "copies=2"]
    redundancy = Redundancy({}, policies.pop)
    assert redundancy.wanted(settings, "STANDARD") == "copies=2"
    assert redundancy.wanted(settings, "STANDARD") == "auto"


@pytest.mark.parametrize("storage", [{"policy": "ec=9"}, {"policy": 3}, {"policy": ["auto"]}, "x"])
def test_a_bucket_that_wants_what_is_no_policy(storage: object) -> None:
    """It is refused with what is wrong: another policy might keep less than was meant."""
    redundancy = Redundancy({"REDUCED_REDUNDANCY": "copies=1"}, lambda: "copies=2")
    with pytest.raises(InvalidBucketState, match="godos bucket policy"):
        redundancy.wanted({"storage": storage}, "STANDARD")
    with pytest.raises(InvalidBucketState, match="godos bucket policy"):
        redundancy.way({"storage": storage}, "")


@pytest.mark.parametrize("compression", [["zstd"], 7, {}, None])
def test_a_compression_that_is_none(compression: object) -> None:
    """Bytes are stored as they are, which loses nothing."""
    settings = {"storage": {"policy": "copies=2", "compression": compression}}
    assert Redundancy({}, lambda: "auto").way(settings, "") == Way("copies=2", "none")


def test_policies_that_people_write() -> None:
    """What is none is refused with what is."""
    assert checked_policy("auto") == "auto"
    assert checked_policy("ec=4+02") == "ec=4+2"
    with pytest.raises(ValueError, match="is no policy"):
        checked_policy("ec=1+2")


def test_what_was_wanted_instead_is_read_back() -> None:
    """Whoever repairs learns from the reason what the blob is to become."""
    reason = instead(Policy.copies(3), Policy(4, 2))
    assert reason == "stored as copies=3 instead of ec=4+2, for want of nodes"
    assert wanted_instead(reason) == Policy(4, 2)
    assert wanted_instead("below target") is None
