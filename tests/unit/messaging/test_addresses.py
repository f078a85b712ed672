"""What `--queue` takes."""

from __future__ import annotations

import pytest

from godos.messaging.addresses import SqsAddress, parse_queue


def test_none_is_no_middleware() -> None:
    """Servers then ask each other over HTTP."""
    assert parse_queue("none") is None


def test_a_name_stands_for_two_queues() -> None:
    """As the ancestor's do: `godos-test` and `godos-test-located`."""
    address = parse_queue("sqs:godos-test")
    assert address == SqsAddress("godos-test")
    assert (address.queries, address.replies) == ("godos-test", "godos-test-located")


def test_options_follow_the_name() -> None:
    """Percent-encoding as in any query."""
    assert parse_queue("sqs:q?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1:9324&own=1") == (
        SqsAddress("q", "eu-west-1", "http://127.0.0.1:9324", own=True)
    )
    assert parse_queue("sqs:q?own=0") == SqsAddress("q")


@pytest.mark.parametrize(
    "text",
    [
        "", "sqs", "sqs:", "sqs:a.fifo", "sqs:a/b", "sqs:ü", "sns:q", "none:", "sqs:" + "x" * 73,
        "sqs:" + "x" * 41 + "?own=1", "sqs:q?own=yes", "sqs:q?colour=red", "sqs:q?region=",
        "sqs:q?region=a&region=b", "sqs:q?endpoint=127.0.0.1:80", "sqs:q?endpoint=ftp://h",
        "sqs:q?endpoint=http://", "sqs:q?endpoint=http://me:pass@h:1",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    """With a sentence that says what is right."""
    with pytest.raises(ValueError, match=r"none|letters|neither|option|given once|endpoint"):
        parse_queue(text)


def test_passwords_are_not_repeated() -> None:
    """An endpoint with a password is refused, since others see command lines, and not shown."""
    with pytest.raises(ValueError, match="password") as refused:
        parse_queue("sqs:q?endpoint=https://me:hush@localhost:1")
    assert "hush" not in str(refused.value)


def test_each_server_has_a_queue_that_its_id_names() -> None:
    """Whatever the id is, SQS takes the name; and different ids have different queues."""
    own = SqsAddress("x" * 40, own=True)
    ids = ["a" * 32, "b" * 32, "10.0.0.1:8030", "ü", "\ud800", "", "a" * 33]
    names = [of(i) for i in ids for of in (own.of_node, own.of_api)]
    assert len(set(names)) == 2 * len(ids)
    assert all(len(name) <= 80 and name.replace("-", "").isalnum() for name in names)
    assert all(own.is_own(name) for name in names)
    assert own.of_node("a" * 32) == f"{'x' * 40}-node-{'a' * 32}"
    assert not own.is_own(own.queries)
    assert not own.is_own(own.replies)
