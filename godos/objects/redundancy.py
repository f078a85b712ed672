"""Which policy a request's bytes are to be stored with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from godos.model.policy import Policy

STORAGE = "storage"  # the bucket's setting: {"policy": …, "compression": …}
POLICY = "policy"
AUTO = "auto"  # the policy that follows the number of nodes


class Redundancy:
    """
    The first that says something: the request's storage class, the bucket, the server.

    Args:
        classes: storage class -> policy; a class that is not in it decides nothing.
        default: answers the policy of whatever says nothing, `auto` or a policy's text.
    """

    def __init__(self, classes: Mapping[str, str], default: Callable[[], str]) -> None:
        self._classes = classes
        self._default = default

    def wanted(self, settings: Mapping[str, Any], storage_class: str) -> str:
        """
        `auto`, or what `Policy.parse` reads.

        Args:
            settings: the bucket's.
            storage_class: the object's; "" is STANDARD.
        """
        named = self._classes.get(storage_class or "STANDARD")
        if named is not None:
            return named
        of_bucket = (settings.get(STORAGE) or {}).get(POLICY)
        return str(of_bucket) if of_bucket else self._default()


def checked_policy(text: str) -> str:
    """
    `auto` or the text of a policy, in its usual form.

    Raises:
        ValueError: it is neither; the message says what is.
    """
    return AUTO if text == AUTO else str(Policy.parse(text))
