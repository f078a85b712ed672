"""The policies that are in force now: of the store, of its buckets and storage classes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from godos.model.catalog import ICatalog
from godos.model.errors import InvalidBucketState, NoSuchBucket
from godos.model.members import Node
from godos.model.policy import Policy
from godos.objects.redundancy import Redundancy
from godos.protocol.placement import failure_domains, policy_of

CLASSES = ("STANDARD", "REDUCED_REDUNDANCY")  # those that may have a policy of their own


def strongest(texts: Iterable[str], size: int, registered: Sequence[Node]) -> Policy:
    """
    What a blob of `size` bytes is stored with when versions that share it want `texts`.

    The one that survives the loss of most fragments; of such, the widest.
    """
    policies = [policy_of(text, registered).for_size(size) for text in texts]
    return max(policies, key=lambda policy: (policy.parity, policy.width))


async def mark_of(catalog: ICatalog, redundancy: Redundancy, registered: Sequence[Node]) -> str:
    """
    A short text that changes when the policy changes that anything is wanted with.

    Nodes that come or go change it where that changes what `auto` means, or whether there are
    enough for a policy; and buckets only where they want something of their own.
    """
    nodes = failure_domains(registered)

    def policies(settings: Mapping[str, Any]) -> list[str]:
        wanted = (redundancy.wanted(settings, each) for each in CLASSES)
        found = [policy_of(text, registered) for text in wanted]
        return [f"{each}{' possible' * (nodes >= each.width)}" for each in found]

    usual = policies({})
    special = {}
    for bucket in await catalog.buckets():
        try:
            own = policies(await catalog.settings(bucket))
        except NoSuchBucket:
            continue  # it went meanwhile
        except InvalidBucketState as error:
            own = [str(error)]  # its objects stay as they are until it is understood
        if own != usual:
            special[bucket.id] = own
    document = json.dumps([usual, special], sort_keys=True)
    return sha256(document.encode()).hexdigest()[:16]
