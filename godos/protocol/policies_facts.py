"""What a policy may ask about: who wants to do what to what, and the circumstances."""

from __future__ import annotations

from enum import Enum
from typing import Literal, Protocol

from attrs import frozen


class Later(Enum):
    """Stands for the values of a key that are not known yet, such as an object's tags."""

    LATER = "later"


LATER = Later.LATER
Values = tuple[str, ...] | Literal[Later.LATER]


class Facts(Protocol):
    """
    The circumstances of a request, which conditions and variables of policies name.

    Source: AWS IAM User Guide, "AWS global condition context keys"; Service Authorization
    Reference, "Condition keys for Amazon S3".
    """

    def values(self, key: str, /) -> Values:
        """The values of a key in lower case; none when the request does not have it."""


class NoFacts:
    """A request of which nothing is known."""

    def values(self, key: str, /) -> Values:  # noqa: ARG002
        """None, whatever the key."""
        return ()


@frozen
class Who:
    """
    A caller as policies name them.

    `names` are all that `{"AWS": …}` may call them, `canonical` what `{"CanonicalUser": …}`
    may; of an anonymous caller there are none.  `service` names a part of the store that
    acts by itself, such as `logging.s3.amazonaws.com`.
    """

    names: frozenset[str] = frozenset()
    canonical: str = ""
    service: str = ""


NOBODY = Who()  # the anonymous caller


def user(user_id: str) -> Who:
    """The caller with this canonical id, who is at the same time an account of their own."""
    names = (
        user_id,
        f"arn:aws:iam:::user/{user_id}",
        f"arn:aws:iam::{user_id}:user/{user_id}",
        f"arn:aws:iam::{user_id}:root",
    )
    return Who(frozenset(names), user_id)


def service(name: str) -> Who:
    """A part of the store that acts by itself."""
    return Who(service=name)
