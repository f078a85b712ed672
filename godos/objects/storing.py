"""
The way of bytes to the nodes: placement, digests, encryption, fan-out, seal, quorum.

Whoever stores them says what the commit point is; nothing is visible before that, and
whatever fails before it is removed again.
"""

from __future__ import annotations

from typing import TypeVar

from godos.deferreds import Background, InThread
from godos.model.bodies import IBody
from godos.model.encryption import DataKey
from godos.model.objects import PutRequest
from godos.objects.placing import Placer
from godos.objects.provenance import Origin
from godos.objects.stored import Commit
from godos.objects.upload import Upload

T = TypeVar("T")


class Storer:
    """
    Makes bodies durable, of objects and of parts.

    Args:
        digest_thread: where large pieces are hashed and encrypted.
        background: looks after what outlives a request.
    """

    def __init__(self, placer: Placer, digest_thread: InThread, background: Background) -> None:
        self._placer = placer
        self._digest_thread = digest_thread
        self._background = background

    async def store(
        self,
        body: IBody,
        request: PutRequest,
        origin: Origin,
        data_key: DataKey | None,
        commit: Commit[T],
    ) -> T:
        """
        Store `body`, let `commit` make something refer to it, and answer what that answers.

        From the moment that all bytes are there a caller who leaves changes nothing more:
        cancelling this leaves the commit running in the background.

        Args:
            request: its digests are compared; its attributes and condition are for `commit`.
            data_key: encrypts the bytes; None stores them as they are.
            commit: the commit point.  Of REFUSALS it says that nothing was changed, and
                the bytes are removed; after any other failure they stay.

        Fails:
            BadDigest, PayloadMismatch, IncompleteBody, BodyStalled: nothing was stored.
            NodeFull, NotEnoughNodes: likewise; when it can be told before, the body was
                not asked for.
        """
        upload = Upload(
            self._placer,
            self._background,
            self._digest_thread,
            self._placer.plan(),
            request,
            origin,
            data_key,
            commit,
        )
        if body.length is not None and body.length <= upload.small_size:
            return await upload.small(await body.collect(upload.small_size))
        return await upload.stream(body)
