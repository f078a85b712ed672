"""One body on its way to the nodes; see `objects/storing.py`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.deferreds import Background, InThread, deferred
from godos.model.blobs import Blob, Placed
from godos.model.bodies import IBody
from godos.model.encryption import Cipher, DataKey
from godos.model.errors import Conflict, GodosError
from godos.model.fragments import SMALL, Pieces
from godos.model.objects import PutRequest
from godos.objects.announced import Announced
from godos.objects.chain import Chain, Stage
from godos.objects.provenance import Origin, sealed_origin
from godos.objects.redundancy import instead
from godos.objects.sharing import Sharing
from godos.objects.spreading import Contents, Spreading, Targets
from godos.objects.stored import REFUSALS, Commit, Stored
from godos.transfer.batches import Batches, receive
from godos.transfer.digests import Digests
from godos.transfer.encryption import plain_room

T = TypeVar("T")


def _is_opaque(data_key: DataKey | None) -> bool:
    """Whether the ETag may not tell the MD5.  Source: S3 API Reference, "Object", ETag."""
    return data_key is not None and data_key.descriptor["cipher"] != Cipher.S3


class Upload(Generic[T]):
    """
    One body on its way: digests, then the stages of its chain, then the nodes.

    Args:
        stages: what happens to the bytes before nodes keep them.
        sharing: finds what holds the same bytes already.
    """

    _log = Logger()

    def __init__(
        self,
        spreading: Spreading,
        background: Background,
        in_thread: InThread,
        stages: Sequence[Stage],
        request: PutRequest,
        origin: Origin,
        data_key: DataKey | None,
        commit: Commit[T],
        sharing: Sharing,
    ) -> None:
        self._spreading = spreading
        self._background = background
        self._origin = origin
        self._data_key = data_key
        self._commit = commit
        self._sharing = sharing
        # what the ETag is made of, and the blob's own where the blob is the body
        needed = frozenset(("md5",) if stages else ("md5", "sha256"))
        self._announced = Announced(request, needed)
        self._digests = Digests(in_thread, self._announced.computed)
        self._chain = Chain(self._digests, stages)
        self._checksums: Mapping[str, str] = {}  # once the body has passed
        self._passing = False  # bytes went into the chain

    @property
    def small_size(self) -> int:
        """Bodies of so many bytes or fewer are gathered, and travel to a node in one piece."""
        return SMALL if self._data_key is None else plain_room(SMALL)

    # -- small bodies ---------------------------------------------------------------------
    async def small(self, pieces: list[bytes]) -> T:
        """Store a body of at most `small_size` bytes."""
        await self._digests.update(pieces)
        self._check_digests()
        stored = await self._chain.update(pieces)
        return await self._undisturbed(self._finish(stored))

    def _undisturbed(self, work: Deferred[T]) -> Deferred[T]:
        """From here on the client may leave: what was begun is ended either way."""
        return self._background.shield("storing an object", work)

    # -- bodies that pass through ---------------------------------------------------------
    async def stream(self, body: IBody) -> T:
        """Store a body of any size, or of unknown length."""
        batches = Batches(self._write, self.small_size)
        try:
            if body.length is not None:
                await self._open(body.length)
            await receive(body, batches)
            if self._passing:
                await batches.flush()
                self._check_digests()
        except BaseException:
            self._background.run("aborting an upload", self._abandon(batches))
            raise
        if not self._passing:
            return await self.small(batches.take_rest())
        return await self._undisturbed(self._finish([]))

    async def _open(self, length: int) -> None:
        """A full disk is said before the body comes, where it is known what it becomes."""
        size = self._chain.size_of(length)
        if size is not None and size > SMALL:
            await self._spreading.open(size)

    @deferred
    async def _abandon(self, batches: Batches) -> None:
        """Drop what was staged, once the sink is done with its last write."""
        try:
            await batches.settled()
        except GodosError as error:
            self._log.debug("the upload had failed already: {error}", error=error)
        finally:
            self._spreading.abort()

    @deferred
    async def _write(self, pieces: list[bytes]) -> None:
        """The sink of the body: hash and send at once, at the pace of the slowest."""
        self._passing = True
        hashed = self._digests.update(pieces)
        await self._spreading.write(await self._chain.update(pieces))
        await hashed

    # -- the end of both -------------------------------------------------------------------
    @deferred
    async def _finish(self, stored: Pieces) -> T:
        """
        Args:
            stored: bytes of the blob that no node was given yet.
        """
        if not self._digests.size:
            return await self._end({})
        try:
            stored = [*stored, *await self._chain.finish()]
            targets = await self._spreading.end(stored, self._contents())
        except BaseException:
            self._spreading.abort()
            raise
        return await self._end(targets)

    def _check_digests(self) -> None:
        self._announced.check(self._digests)
        self._checksums = self._announced.checksums(self._digests)

    @property
    def _etag(self) -> str:
        digest = self._digests.md5
        if self._data_key is not None and _is_opaque(self._data_key):
            # the same for the same bytes under one key, and tells of them to nobody else
            digest = hmac.digest(self._data_key.secret, digest, "sha256")[:16]
        return digest.hex()

    def _contents(self) -> Contents:
        origin = self._origin(self._etag, self._checksums, self._digests.size)
        if self._data_key is not None:
            origin = sealed_origin(self._data_key, self._spreading.plan.incarnation, origin)
        chain = self._chain
        return Contents(chain.size, chain.sha256.hex(), chain.codec, origin)

    async def _end(self, targets: Targets) -> T:
        stored = Stored(
            self._blob(targets) if targets else None,
            self._digests.size,
            self._etag,
            self._checksums,
            self._repair if targets else "",
        )
        twin = None
        if stored.blob is not None and not stored.repair:
            twin = await self._sharing.twin(stored.blob)
        if twin is None:
            return await self._end_alone(stored, targets)
        try:
            done = await self._commit(evolve(stored, blob=twin))
        except Conflict as conflict:  # it is being removed, or others were faster
            self._log.info("equal content is not shared: {error}", error=conflict)
            return await self._end_alone(stored, targets)
        except Exception:
            self._spreading.remove(targets)  # whatever happened, nothing refers to these
            raise
        self._spreading.remove(targets)
        return done

    async def _end_alone(self, stored: Stored, targets: Targets) -> T:
        """Let the commit refer to the bytes that came."""
        try:
            return await self._commit(stored)
        except REFUSALS:
            self._spreading.remove(targets)
            raise  # after anything else it may have happened: then nothing is removed

    @property
    def _repair(self) -> str:
        """Word for whoever repairs, where nodes were away that the wanted policy needs."""
        plan = self._spreading.plan
        return instead(plan.policy, plan.wanted) if plan.fell_back else ""

    def _blob(self, targets: Targets) -> Blob:
        layout = sorted((target.index, node) for node, target in targets.items())
        plan, chain = self._spreading.plan, self._chain
        return Blob(
            plan.incarnation,
            chain.size,
            chain.sha256.hex(),
            plan.policy,
            tuple(Placed(index, node) for index, node in layout),
            chain.codec,
        )
