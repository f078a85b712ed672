"""What other servers may ask about the fragments of the nodes of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from godos.cluster.asking import LocalStores
from godos.deferreds import Background, deferred
from godos.model.errors import InvalidRequest, WrongNode
from godos.model.fragments import IFragmentStore
from godos.model.names import FragmentName, is_id
from godos.protocol.fragment_header import from_fields, to_fields, to_line
from godos.protocol.fragment_wire import whole_blocks
from godos.web.fragment_sender import FragmentSender
from godos.web.fragment_uploads import FragmentUploads, Key
from godos.web.signed_exchange import SignedExchange

NAMES = 1000  # blobs that may be asked for at once
INVENTORY = 1000  # fragments that are listed at once


class FragmentVerbs:
    """
    Each method answers one kind of request, whose signature is good, or fails.

    Args:
        stores: node id -> its store; may change while we serve.
        uploads: those in flight.
        background: looks after what outlives a request.
    """

    def __init__(
        self, stores: Mapping[str, IFragmentStore], uploads: FragmentUploads, background: Background
    ) -> None:
        self._stores = stores
        self._uploads = uploads
        self._background = background
        self._local = LocalStores(stores.values)

    def store(self, node: str) -> Any:
        """
        The store of a node.

        Raises:
            WrongNode: it is not here.
        """
        store = self._stores.get(node)
        if store is None:
            raise WrongNode(f"node {node[:40]!r} is not hosted by this process")
        return store

    # -- whole fragments ----------------------------------------------------------------------
    async def put(self, call: SignedExchange, node: str, name: str) -> None:
        """Store a small fragment."""
        store, wanted = self.store(node), fragment_name(name)
        header, payload = await call.fragment()
        if header.name != wanted:
            raise InvalidRequest("the header is that of another fragment than the path")
        storing = store.put(header, [payload])
        await self._background.shield("storing a fragment", storing)
        call.reply(204)

    async def get(self, call: SignedExchange, node: str, name: str, start: int, stop: Any) -> None:
        """Send a range, as whole blocks."""
        first, end = whole_blocks(start, stop)
        reader = await self.store(node).open(fragment_name(name), first, end)
        try:
            await FragmentSender(reader, first, end).send(call)
        finally:
            await reader.close()

    async def head(self, call: SignedExchange, node: str, name: str) -> None:
        """Tell what the fragment says of itself."""
        reader = await self.store(node).open(fragment_name(name), 0, 0)
        await reader.close()
        line = to_line(reader.header)
        call.exchange.reply(200, [(b"X-Godos-Fragment", line), call.proof(line)])

    async def delete(self, call: SignedExchange, node: str, name: str) -> None:
        """Remove a fragment."""
        removing = self.store(node).remove(fragment_name(name))
        removed = await self._background.shield("removing a fragment", removing)
        call.reply_json({"removed": removed})

    async def verify(self, call: SignedExchange, node: str, name: str) -> None:
        """Read a fragment back."""
        header = await self.store(node).verify(fragment_name(name))
        call.reply_json({"header": to_fields(header)})

    # -- uploads --------------------------------------------------------------------------------
    async def begin(self, call: SignedExchange, key: Key) -> None:
        """Open an upload."""
        node, name, upload = key
        store, wanted = self.store(node), fragment_name(name)
        length = _part(await call.json(), "length")
        if not is_id(upload) or not (length is None or _is_size(length)):
            raise InvalidRequest("an upload has an id of 32 hex digits, and a length or null")
        self._uploads.check_new(key)
        opening = self._open(key, store.upload(wanted, length))
        await self._background.shield("opening an upload", opening)
        call.reply(201)

    @deferred
    async def _open(self, key: Key, opening: Deferred[Any]) -> None:
        self._uploads.open(key, await opening)

    async def receive(self, call: SignedExchange, key: Key) -> None:
        """Take the payload of an upload."""
        self.store(key[0])
        call.streamed()
        size = await self._uploads.receive(key, call.exchange.body)
        call.reply_json({"length": size})

    async def seal(self, call: SignedExchange, key: Key) -> None:
        """Make an upload durable and visible."""
        self.store(key[0])
        document = await call.json(limit=2 << 20)
        header, crc = from_fields(_part(document, "header")), _part(document, "crc32c")
        if str(header.name) != key[1] or not _is_size(crc):
            raise InvalidRequest("a seal has the header of its fragment, and its CRC32C")
        await self._uploads.seal(key, header, crc)
        call.reply(204)

    async def drop(self, call: SignedExchange, key: Key) -> None:
        """Forget an upload."""
        self.store(key[0])
        self._uploads.drop(key)
        call.reply(204)

    # -- questions ------------------------------------------------------------------------------
    async def inventory(
        self, call: SignedExchange, node: str, after: str | None, limit: int
    ) -> None:
        """The next fragments of a node, and since when each is known to be good."""
        if not 1 <= limit <= INVENTORY:
            raise InvalidRequest(f"limit is 1 to {INVENTORY}")
        behind = None if after is None else fragment_name(after)
        page = await self.store(node).inventory(behind, limit)
        call.reply_json({"fragments": [[str(held.name), held.verified] for held in page]})

    @deferred
    async def locate(self, question: Any) -> Any:
        """Which fragments of some blobs are here, node by node."""
        names = _part(question, "names")
        if (
            not isinstance(names, list)
            or len(names) > NAMES
            or not all(isinstance(name, str) and is_id(name) for name in names)
        ):
            raise InvalidRequest(f"names is a list of at most {NAMES} incarnations")
        hosted = list(self._stores)
        found = await self._local.holds(names)
        return {"nodes": found, "silent": [node for node in hosted if node not in found]}


def fragment_name(text: str) -> FragmentName:
    """
    A name out of a path.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return FragmentName.parse(text)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def _part(document: Any, key: str) -> Any:
    if not isinstance(document, dict) or key not in document:
        raise InvalidRequest(f"the body is a JSON object with {key}")
    return document[key]


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
