"""The fragments of a node that is reached over HTTP: docs/wire-format.rst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from godos.cluster.answer_bodies import BlockReceiver
from godos.cluster.fragment_upload import HTTPFragmentUpload
from godos.cluster.server_client import WORK, ServerClient
from godos.deferreds import InThread, deferred
from godos.model.blobs import FragmentHeader, Held
from godos.model.errors import NodeUnreachable, WrongNode
from godos.model.fragments import IFragmentReader, IFragmentStore, Pieces
from godos.model.names import FragmentName, new_id
from godos.protocol.fragment_header import from_fields, to_frame
from godos.protocol.fragment_wire import Unframer
from godos.protocol.server_auth import of_bytes, of_fragment, of_header, same

NAMES = 1000  # blobs that are asked for at once
_INLINE = 16 << 10  # bytes that are hashed faster than handed to a thread


@frozen
class Holdings:
    """
    What the nodes of one server hold: node -> blob -> indexes of its fragments.

    `silent` are nodes of that server that could not look.
    """

    nodes: Mapping[str, Mapping[str, Sequence[int]]]
    silent: Sequence[str]


@deferred
async def ask_holdings(
    client: ServerClient, address: str, names: Sequence[str], patience: float | None = None
) -> Holdings:
    """
    Ask one server for all nodes that it hosts.

    Args:
        names: at most `NAMES` incarnations.
        patience: seconds, when not the client's.

    Fails: as `ServerClient.call`.
    """
    question = {"names": list(names)}
    answer = await client.call("POST", address, "/-/locate", question, patience)
    return Holdings(answer["nodes"], answer["silent"])


@implementer(IFragmentStore)
class HTTPFragmentStore:
    """
    One node behind a data server.

    Args:
        address: `host:port` of the data server.
        in_thread: where large payloads are hashed, when nobody knows their digest yet.
    """

    def __init__(
        self, node_id: str, address: str, client: ServerClient, in_thread: InThread
    ) -> None:
        self.node_id = node_id
        self.address = address
        self._client = client
        self._in_thread = in_thread

    def _path(self, name: FragmentName) -> str:
        return f"/nodes/{self.node_id}/fragments/{name}"

    def _call(self, method: str, target: str, document: Any = None, **more: Any) -> Deferred[Any]:
        return self._client.call(method, self.address, target, document, **more)

    @deferred
    async def put(self, header: FragmentHeader, payload: Pieces) -> None:
        """See `IFragmentStore.put`."""
        frame = to_frame(header)
        statement = of_fragment(frame, await self._digest(header, payload))
        await self._client.put(self.address, self._path(header.name), statement, frame, *payload)

    async def _digest(self, header: FragmentHeader, payload: Pieces) -> bytes:
        """The payload's SHA-256: of a whole copy the sender knows it already."""
        if header.policy.startswith("copies=") and header.length == header.blob_size:
            return bytes.fromhex(header.blob_sha256)
        if header.length <= _INLINE:
            return _hashed(payload)
        return await self._in_thread(_hashed, payload)

    @deferred
    async def upload(self, name: FragmentName, length: int | None) -> HTTPFragmentUpload:
        """See `IFragmentStore.upload`."""
        path = f"{self._path(name)}/uploads/{new_id()}"
        await self._call("POST", path, {"length": length})
        return HTTPFragmentUpload(self._client, self.address, path, length)

    @deferred
    async def open(self, name: FragmentName, start: int, stop: int | None) -> HTTPFragmentReader:
        """See `IFragmentStore.open`."""
        target = f"{self._path(name)}?start={start}" + ("" if stop is None else f"&stop={stop}")
        asked = self._client.ask("GET", self.address, target, of_bytes(b""))
        answer = await self._client.within(self._client.patience, self.address, asked)
        receiver = BlockReceiver(
            Unframer(name, start, stop), self.address, self._client.clock, self._client.patience
        )
        answer.response.deliverBody(receiver)
        try:
            unframer = await receiver.header()
            if not same(of_header(unframer.header_frame), answer.says.body):
                raise WrongNode(f"the answer of {self.address} was changed on the way")
        except BaseException:
            receiver.close()
            raise
        assert unframer.header is not None
        return HTTPFragmentReader(unframer.header, receiver)

    @deferred
    async def verify(self, name: FragmentName) -> FragmentHeader:
        """See `IFragmentStore.verify`."""
        answer = await self._call("POST", f"{self._path(name)}/verify", patience=WORK)
        return from_fields(answer["header"])

    @deferred
    async def holds(self, incarnations: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """See `IFragmentStore.holds`."""
        held: dict[str, tuple[int, ...]] = {}
        for first in range(0, len(incarnations), NAMES):
            names = list(incarnations[first : first + NAMES])
            answer = await ask_holdings(self._client, self.address, names)
            held.update(self._of_this_node(answer))
        return held

    def _of_this_node(self, answer: Holdings) -> dict[str, tuple[int, ...]]:
        found = answer.nodes.get(self.node_id)
        if found is not None:
            return {name: tuple(indexes) for name, indexes in found.items()}
        if self.node_id in answer.silent:
            raise NodeUnreachable(f"node {self.node_id} at {self.address} cannot look now")
        raise WrongNode(f"node {self.node_id} is not at {self.address}")

    @deferred
    async def inventory(self, after: FragmentName | None, limit: int) -> Sequence[Held]:
        """See `IFragmentStore.inventory`."""
        behind = "" if after is None else f"&after={after}"
        target = f"/nodes/{self.node_id}/inventory?limit={limit}{behind}"
        answer = await self._call("GET", target)
        return [Held(FragmentName.parse(name), since) for name, since in answer["fragments"]]

    @deferred
    async def remove(self, name: FragmentName) -> bool:
        """See `IFragmentStore.remove`."""
        answer = await self._call("DELETE", self._path(name))
        return bool(answer["removed"])


def _hashed(pieces: Pieces) -> bytes:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


@implementer(IFragmentReader)
class HTTPFragmentReader:
    """The bytes of one fragment as they come from its node, verified here once more."""

    def __init__(self, header: FragmentHeader, receiver: BlockReceiver) -> None:
        self.header = header
        self._receiver = receiver

    def read(self) -> Deferred[bytes]:
        """See `IFragmentReader.read`."""
        return self._receiver.read()

    @deferred
    async def close(self) -> None:
        """See `IFragmentReader.close`."""
        self._receiver.close()
