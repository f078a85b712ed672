"""One body on its way to the nodes; see `objects/storing.py`."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.deferreds import Background, InThread, deferred
from godos.model.blobs import RAW, Blob, FragmentHeader, Placed
from godos.model.bodies import IBody
from godos.model.encryption import Cipher, DataKey
from godos.model.errors import GodosError
from godos.model.fragments import SMALL, Pieces
from godos.model.objects import PutRequest
from godos.objects.announced import Announced
from godos.objects.leftovers import Leftovers, uncertain
from godos.objects.placing import Placer, Plan, Target
from godos.objects.provenance import Origin, sealed_origin
from godos.objects.sealing import Sealing
from godos.objects.stored import REFUSALS, Commit, Stored
from godos.transfer.batches import Batches, receive
from godos.transfer.digests import Digests
from godos.transfer.encryption import plain_room
from godos.transfer.fanout import FanOut

T = TypeVar("T")


def _is_opaque(data_key: DataKey | None) -> bool:
    """Whether the ETag may not tell the MD5.  Source: S3 API Reference, "Object", ETag."""
    return data_key is not None and data_key.descriptor["cipher"] != Cipher.S3


class Upload(Generic[T]):
    """One body on its way."""

    _log = Logger()

    def __init__(
        self,
        placer: Placer,
        background: Background,
        in_thread: InThread,
        plan: Plan,
        request: PutRequest,
        origin: Origin,
        data_key: DataKey | None,
        commit: Commit[T],
    ) -> None:
        self._placer = placer
        self._background = background
        self._plan = plan
        self._origin = origin
        self._data_key = data_key
        self._commit = commit
        needed = {"md5"}
        self._sealing: Sealing | None = None
        if data_key is None:
            needed.add("sha256")  # which is also the blob's own
        else:
            self._sealing = Sealing(data_key.secret, plan.incarnation, in_thread)
        self._announced = Announced(request, frozenset(needed))
        self._digests = Digests(in_thread, self._announced.computed)
        self._checksums: Mapping[str, str] = {}  # once the body has passed
        self._leftovers = Leftovers(plan, background)
        self._fan: FanOut | None = None
        self._passing = False  # bytes are on their way to the nodes, or to find them
        self._uploads: list[Any] = []  # every IFragmentUpload that was begun

    @property
    def small_size(self) -> int:
        """Bodies of so many bytes or fewer travel to a node in one piece."""
        return SMALL if self._sealing is None else plain_room(SMALL)

    # -- small bodies: one piece, one request to each node -------------------------------
    async def small(self, pieces: list[bytes]) -> T:
        """Store a body of at most `small_size` bytes."""
        await self._digests.update(pieces)
        self._check_digests()
        stored: Pieces = pieces
        if self._sealing is not None:
            stored = [*await self._sealing.update(pieces), *self._sealing.finish()]
        return await self._undisturbed(self._store_small(stored))

    def _undisturbed(self, work: Deferred[T]) -> Deferred[T]:
        """From here on the client may leave: what was begun is ended either way."""
        return self._background.shield("storing an object", work)

    @deferred
    async def _store_small(self, pieces: Pieces) -> T:
        if not self._digests.size:
            return await self._end({})
        header = self._headers()
        begun: list[Target] = []

        def step(target: Target) -> Deferred[Any]:
            begun.append(target)
            storing: Deferred[Any] = target.store.put(header(target), pieces)
            return storing

        fan = await self._placer.spread(self._plan, "put", step)
        self._leftovers.remove(uncertain(begun, fan))
        return await self._end_if_enough(fan)

    # -- bodies that pass through ---------------------------------------------------------
    async def stream(self, body: IBody) -> T:
        """Store a body of any size, or of unknown length."""
        batches = Batches(self._write, self.small_size)
        try:
            if body.length is not None:
                await self._open(body.length)  # a full disk is said before the body comes
            await receive(body, batches)
            if self._fan is None and not self._passing:
                return await self.small(batches.take_rest())
            await batches.flush()
            self._check_digests()
        except BaseException:
            self._background.run("aborting an upload", self._abandon(batches))
            raise
        return await self._undisturbed(self._seal())

    @deferred
    async def _abandon(self, batches: Batches) -> None:
        """Drop what was staged, once the sink is done with its last write."""
        try:
            await batches.settled()
        except GodosError as error:
            self._log.debug("the upload had failed already: {error}", error=error)
        finally:
            self._leftovers.abort(self._uploads)

    @deferred
    async def _open(self, length: int | None) -> None:
        if length is not None and self._sealing is not None:
            length = self._sealing.size_of(length)
        self._fan = await self._placer.spread(
            self._plan, "open", lambda target: self._begin(target, length)
        )
        self._fan.require(self._plan.required)

    @deferred
    async def _begin(self, target: Target, length: int | None) -> None:
        name = self._plan.name(target.index)
        target.upload = await target.store.upload(name, length)
        self._uploads.append(target.upload)

    @deferred
    async def _write(self, pieces: list[bytes]) -> None:
        """The sink of the body: hash and send at once, at the pace of the slowest."""
        self._passing = True
        if self._fan is None:
            await self._open(None)
        hashed = self._digests.update(pieces)
        if self._sealing is None:
            await self._send(pieces)
        else:
            await self._send(await self._sealing.update(pieces))
        await hashed
        assert self._fan is not None
        self._fan.require(self._plan.required)

    async def _send(self, pieces: Pieces) -> None:
        assert self._fan is not None
        await self._fan.each("write", lambda _, target: target.upload.write(pieces))

    @deferred
    async def _seal(self) -> T:
        assert self._fan is not None
        begun = list(self._fan.targets.values())
        if self._sealing is not None:
            await self._send(self._sealing.finish())
        header = self._headers()
        await self._fan.each("seal", lambda _, target: target.upload.seal(header(target)))
        self._placer.blame(self._fan)
        sealed = [target.upload for target in self._fan.targets.values()]
        self._leftovers.abort([upload for upload in self._uploads if upload not in sealed])
        self._leftovers.remove(uncertain(begun, self._fan))
        return await self._end_if_enough(self._fan)

    # -- the end of both -------------------------------------------------------------------
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

    @property
    def _codec(self) -> str:
        return RAW if self._sealing is None else self._sealing.codec

    @property
    def _kept(self) -> Digests | Sealing:
        """What knows size and SHA-256 of the bytes that nodes keep."""
        return self._digests if self._sealing is None else self._sealing

    def _headers(self) -> Callable[[Target], FragmentHeader]:
        """What makes the header of each target's fragment: all are whole copies."""
        size, sha256 = self._kept.size, self._kept.sha256.hex()
        policy, codec = str(self._plan.policy), self._codec
        origin = self._origin(self._etag, self._checksums)
        if self._data_key is not None:
            origin = sealed_origin(self._data_key, self._plan.incarnation, origin)

        def header(target: Target) -> FragmentHeader:
            name = self._plan.name(target.index)
            return FragmentHeader(name, size, size, sha256, policy, codec, origin)

        return header

    async def _end_if_enough(self, fan: FanOut) -> T:
        try:
            fan.require(self._plan.required)
        except GodosError:
            self._leftovers.remove(fan.targets.values())
            raise
        return await self._end(fan.targets)

    async def _end(self, targets: dict[str, Target]) -> T:
        stored = Stored(
            self._blob(targets) if targets else None,
            self._digests.size,
            self._etag,
            self._checksums,
        )
        try:
            return await self._commit(stored)
        except REFUSALS:
            self._leftovers.remove(targets.values())
            raise  # after anything else it may have happened: then nothing is removed

    def _blob(self, targets: dict[str, Target]) -> Blob:
        layout = sorted((target.index, node) for node, target in targets.items())
        return Blob(
            self._plan.incarnation,
            self._kept.size,
            self._kept.sha256.hex(),
            self._plan.policy,
            tuple(Placed(index, node) for index, node in layout),
            self._codec,
        )
