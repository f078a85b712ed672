"""
The way of bytes to the nodes: placement, digests, compression, encryption, sharding, fan-out,
seal, quorum, equal content.

Whoever stores them says what the commit point is; nothing is visible before that, and
whatever fails before it is removed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from godos.deferreds import Background, InThread
from godos.model.bodies import IBody
from godos.model.encryption import DataKey
from godos.model.objects import PutRequest
from godos.objects.chain import Stage
from godos.objects.compressing import CODECS, Compressing
from godos.objects.placing import Placer, Plan
from godos.objects.provenance import Origin
from godos.objects.redundancy import Way
from godos.objects.sealing import Sealing
from godos.objects.sharing import Sharing
from godos.objects.spreading import Spreading
from godos.objects.stored import Commit
from godos.objects.upload import Upload

T = TypeVar("T")


class Storer:
    """
    Makes bodies durable, of objects and of parts.

    Args:
        in_thread: where large pieces are hashed, encrypted and coded.
        background: looks after what outlives a request.
        sharing: finds content that is stored already.
    """

    def __init__(
        self,
        placer: Placer,
        in_thread: InThread,
        background: Background,
        sharing: Sharing,
    ) -> None:
        self._placer = placer
        self._in_thread = in_thread
        self._background = background
        self._sharing = sharing

    async def store(
        self,
        body: IBody,
        request: PutRequest,
        origin: Origin,
        data_key: DataKey | None,
        commit: Commit[T],
        way: Way,
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
            way: how the bytes are stored.

        Fails:
            BadDigest, PayloadMismatch, IncompleteBody, BodyStalled: nothing was stored.
            NodeFull, NotEnoughNodes: likewise; when it can be told before, the body was
                not asked for.
        """
        plan = self._placer.plan(way.policy)
        upload = Upload(
            Spreading(self._placer, plan, self._background, self._in_thread),
            self._background,
            self._in_thread,
            self._stages(plan, data_key, way),
            request,
            origin,
            data_key,
            commit,
            self._sharing,
        )
        if body.length is not None and body.length <= upload.small_size:
            return await upload.small(await body.collect(upload.small_size))
        return await upload.stream(body)

    def _stages(self, plan: Plan, data_key: DataKey | None, way: Way) -> Sequence[Stage]:
        """What happens to the body's bytes, in order, before nodes keep them."""
        stages: list[Stage] = []
        if way.compression in CODECS:
            stages.append(Compressing(self._in_thread, hashed=data_key is None))
        if data_key is not None:
            stages.append(Sealing(data_key.secret, plan.incarnation, self._in_thread))
        return stages
