"""
The way of a PUT: placement, digests, fan-out, seal, quorum, commit.

Nothing is visible before `ICatalog.commit` fires, and whatever fails before that is
removed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from godos.deferreds import Background, InThread, deferred
from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.bodies import IBody
from godos.model.catalog import ICatalog
from godos.model.errors import (
    BadDigest,
    Conflict,
    GodosError,
    NodeUnreachable,
    NoSuchBucket,
    NoSuchKey,
    PreconditionFailed,
)
from godos.model.fragments import SMALL
from godos.model.names import new_id
from godos.model.objects import PutRequest
from godos.model.versions import UNCONDITIONAL, Bucket, NewVersion, ObjectVersion, WriteCondition
from godos.objects.placing import Placer, Plan, Target
from godos.objects.provenance import origin
from godos.transfer.batches import Batches, receive
from godos.transfer.digests import Digests
from godos.transfer.fanout import FanOut


class Putter:
    """
    Stores objects.

    Args:
        now: seconds since the epoch, for Last-Modified only.
        digest_thread: where large pieces are hashed.
        background: looks after what outlives a request.
    """

    def __init__(
        self,
        catalog: ICatalog,
        placer: Placer,
        digest_thread: InThread,
        now: Any,
        background: Background,
    ) -> None:
        self._catalog = catalog
        self._placer = placer
        self._digest_thread = digest_thread
        self._now = now
        self._background = background

    @deferred
    async def put(self, bucket: str, key: str, body: IBody, request: PutRequest) -> ObjectVersion:
        """See `IObjects.put`."""
        found = await self._catalog.bucket(bucket)
        if request.condition != UNCONDITIONAL:
            await self._refuse_early(found, key, request.condition)
        upload = _Upload(
            self._catalog,
            self._placer,
            self._background,
            self._placer.plan(),
            Digests(self._digest_thread),
            found,
            key,
            request,
            self._now(),
        )
        if body.length is not None and body.length <= SMALL:
            return await upload.small(await body.collect(SMALL))
        return await upload.stream(body)

    async def _refuse_early(self, bucket: Bucket, key: str, condition: WriteCondition) -> None:
        """Spare the client an upload that the commit would refuse; the commit decides."""
        try:
            head = await self._catalog.head(bucket, key)
        except NoSuchKey:
            if condition.if_match is not None:
                raise
            return
        if condition.if_none_match_any:
            raise PreconditionFailed("If-None-Match: the object exists")
        if condition.if_match not in (None, "*", head.etag):
            raise PreconditionFailed("If-Match: the object has another ETag now")


class _Upload:
    """One object on its way."""

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        placer: Placer,
        background: Background,
        plan: Plan,
        digests: Digests,
        bucket: Bucket,
        key: str,
        request: PutRequest,
        modified: float,
    ) -> None:
        self._catalog = catalog
        self._placer = placer
        self._background = background
        self._plan = plan
        self._digests = digests
        self._bucket = bucket
        self._key = key
        self._request = request
        self._modified = modified
        self._fan: FanOut | None = None
        self._passing = False  # bytes are on their way to the nodes, or to find them
        self._uploads: list[Any] = []  # every IFragmentUpload that was begun

    # -- small bodies: one piece, one request to each node -------------------------------
    async def small(self, pieces: list[bytes]) -> ObjectVersion:
        """Store a body of at most `SMALL` bytes."""
        await self._digests.update(pieces)
        self._check_digests()
        return await self._undisturbed(self._store_small(pieces))

    def _undisturbed(self, work: Deferred[ObjectVersion]) -> Deferred[ObjectVersion]:
        """From here on the client may leave: what was begun is ended either way."""
        return self._background.shield("storing an object", work)

    @deferred
    async def _store_small(self, pieces: list[bytes]) -> ObjectVersion:
        if not self._digests.size:
            return await self._commit({})
        header = self._headers()
        begun: list[Target] = []

        def step(target: Target) -> Deferred[Any]:
            begun.append(target)
            storing: Deferred[Any] = target.store.put(header(target), pieces)
            return storing

        fan = await self._placer.spread(self._plan, "put", step)
        self._remove(_uncertain(begun, fan))
        return await self._commit_if_enough(fan)

    # -- bodies that pass through ---------------------------------------------------------
    async def stream(self, body: IBody) -> ObjectVersion:
        """Store a body of any size, or of unknown length."""
        batches = Batches(self._write)
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
            self._abort(self._uploads)

    @deferred
    async def _open(self, length: int | None) -> None:
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
        assert self._fan is not None
        hashed = self._digests.update(pieces)
        await self._fan.each("write", lambda _, target: target.upload.write(pieces))
        await hashed
        self._fan.require(self._plan.required)

    @deferred
    async def _seal(self) -> ObjectVersion:
        assert self._fan is not None
        header, begun = self._headers(), list(self._fan.targets.values())
        await self._fan.each("seal", lambda _, target: target.upload.seal(header(target)))
        self._placer.blame(self._fan)
        sealed = [target.upload for target in self._fan.targets.values()]
        self._abort([upload for upload in self._uploads if upload not in sealed])
        self._remove(_uncertain(begun, self._fan))
        return await self._commit_if_enough(self._fan)

    def _abort(self, uploads: list[Any]) -> None:
        for upload in uploads:
            self._background.run("aborting an upload", upload.abort())

    # -- the end of both -------------------------------------------------------------------
    def _check_digests(self) -> None:
        """Compare what arrived with what was announced."""
        for name, told, found in (
            ("Content-MD5", self._request.md5, self._digests.md5),
            ("SHA-256", self._request.sha256, self._digests.sha256),
        ):
            if told is not None and told != found:
                raise BadDigest(
                    f"the body's {name} is {found.hex()}, not {told.hex()} as announced; "
                    "nothing was stored"
                )

    def _headers(self) -> Any:
        """What makes the header of each target's fragment: all are whole copies."""
        sha256, size = self._digests.sha256.hex(), self._digests.size
        policy = str(self._plan.policy)
        provenance = origin(
            self._bucket, self._key, self._request, self._digests.md5.hex(), self._modified
        )

        def header(target: Target) -> FragmentHeader:
            name = self._plan.name(target.index)
            return FragmentHeader(name, size, size, sha256, policy, origin=provenance)

        return header

    async def _commit_if_enough(self, fan: FanOut) -> ObjectVersion:
        try:
            fan.require(self._plan.required)
        except GodosError:
            self._remove(fan.targets.values())
            raise
        return await self._commit(fan.targets)

    async def _commit(self, targets: dict[str, Target]) -> ObjectVersion:
        new = NewVersion(
            operation=new_id(),
            etag=self._digests.md5.hex(),
            size=self._digests.size,
            modified=self._modified,
            blob=self._blob(targets) if targets else None,
            attributes=self._request.attributes,
        )
        try:
            return await self._catalog.commit(self._bucket, self._key, new, self._request.condition)
        except (PreconditionFailed, NoSuchKey, NoSuchBucket, Conflict):
            self._remove(targets.values())
            raise  # after anything else it may have happened: then nothing is removed

    def _blob(self, targets: dict[str, Target]) -> Blob:
        layout = sorted((target.index, node) for node, target in targets.items())
        return Blob(
            self._plan.incarnation,
            self._digests.size,
            self._digests.sha256.hex(),
            self._plan.policy,
            tuple(Placed(index, node) for index, node in layout),
        )

    def _remove(self, targets: Iterable[Target]) -> None:
        """Nobody will ever refer to these fragments."""
        for target in targets:
            self._background.run("removing a fragment", self._remove_one(target))

    @deferred
    async def _remove_one(self, target: Target) -> None:
        name = self._plan.name(target.index)
        try:
            await target.store.remove(name)
        except GodosError as error:
            self._log.warn(
                "fragment {name} may be left on node {node}, where nobody needs it: {error}",
                name=str(name),
                node=target.store.node_id,
                error=error,
            )


def _uncertain(begun: Iterable[Target], fan: FanOut) -> list[Target]:
    """Those that fell silent and so were left out, and may have become durable even so."""
    silent = {
        node
        for node, failure in fan.dropped.items()
        if failure.check(NodeUnreachable, CancelledError)
    }
    return [target for target in begun if target.store.node_id in silent]
