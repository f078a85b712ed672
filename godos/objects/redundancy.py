"""Which policy a request's bytes are to be stored with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from godos.model.errors import InvalidBucketState
from godos.model.policy import Policy
from godos.protocol import placement
from godos.protocol.upkeep import INSTEAD

AUTO = placement.AUTO
STORAGE = "storage"  # the bucket's setting: {"policy": …, "compression": …}
POLICY = "policy"
COMPRESSION = "compression"
NO_COMPRESSION = "none"


@frozen
class Way:
    """
    How bytes are to be stored.

    `policy` is `auto` or the text of one, `compression` a codec's name or `none`.
    """

    policy: str
    compression: str = NO_COMPRESSION


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

        Raises:
            InvalidBucketState: the bucket wants what is no policy; as another one might keep
                less than somebody asked for, none is taken in its place.
        """
        return self._policy(_of_bucket(settings), storage_class)

    def way(self, settings: Mapping[str, Any], storage_class: str) -> Way:
        """
        How the bytes of an object of this class are stored in a bucket of these settings.

        Raises:
            InvalidBucketState: as `wanted`.
        """
        of_bucket = _of_bucket(settings)
        if not of_bucket:
            return Way(self._policy({}, storage_class))
        compression = of_bucket.get(COMPRESSION)
        # one that this version does not know stores the bytes as they are, which loses nothing
        named = compression if isinstance(compression, str) and compression else NO_COMPRESSION
        return Way(self._policy(of_bucket, storage_class), named)

    def _policy(self, of_bucket: Mapping[str, Any], storage_class: str) -> str:
        named = self._classes.get(storage_class or "STANDARD")
        if named is not None:
            return named
        own = of_bucket.get(POLICY)
        if not own:
            return self._default()
        try:
            return checked_policy(str(own))
        except ValueError as error:
            raise _senseless(str(error)) from error


def _of_bucket(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    found = settings.get(STORAGE) or {}
    if not isinstance(found, Mapping):
        raise _senseless(f"{found!r} is no document")
    return found


def _senseless(why: str) -> InvalidBucketState:
    return InvalidBucketState(
        f"how the bucket's objects are to be stored is not understood: {why}; whoever operates "
        "the store says it anew with `godos bucket policy`"
    )


def checked_policy(text: str) -> str:
    """
    `auto` or the text of a policy, in its usual form.

    Raises:
        ValueError: it is neither; the message says what is.
    """
    return AUTO if text == AUTO else str(Policy.parse(text))


def instead(policy: Policy, wanted: Policy) -> str:
    """Why a blob wants repair that was stored with another policy while nodes were away."""
    return f"stored as {policy} instead of {wanted}, for want of nodes"


def wanted_instead(reason: str) -> Policy | None:
    """The policy that a repair's reason says was wanted: what `instead` wrote, or None."""
    found = INSTEAD.match(reason)
    return None if found is None else Policy.parse(found[1])
