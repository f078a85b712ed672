"""
What a node promises about fragments.

`storage` implements it over a disk and `cluster` over HTTP; `objects` sees only this,
so that the embedded server and a cluster run the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from godos.model.blobs import FragmentHeader, Held
from godos.model.names import FragmentName

SMALL = 1 << 20  # bytes: fragments up to here travel and are stored in one piece
BLOCK = 128 << 10  # bytes of payload under one CRC32C
CHUNK = 1 << 20  # bytes that a reader or an upload handles at a time
STRIPE = 1 << 20  # bytes of a coded blob under one code word

# Bytes on their way: pieces of one batch, in order.
Pieces = Sequence[bytes | bytearray | memoryview]


class IFragmentUpload(Interface):
    """One fragment on its way to staging.  Invisible until sealed."""

    def write(pieces: Pieces) -> Deferred[None]:
        """
        Append `pieces`; the next `write` comes after this one's Deferred fired.

        Fails:
            NodeFull, NodeFailed, NodeUnreachable: the upload is over; `abort` it.
        """

    def seal(header: FragmentHeader) -> Deferred[None]:
        """
        Make the fragment durable and visible: when this fires a crash loses nothing.

        Fails:
            BadDigest: what was written is not `header.length` bytes, or, for a whole
                copy, not of `header.blob_sha256` where the node checked it.
            NodeFull, NodeFailed, NodeUnreachable: nothing became visible, or, for
                NodeUnreachable, perhaps.  `abort` it, and `remove` the name.
        """

    def abort() -> Deferred[None]:
        """Drop what was written.  Never fails; harmless after `seal` and when repeated."""


class IFragmentReader(Interface):
    """The bytes [start, stop) of one fragment, in order, each verified before it is given."""

    header = Attribute("the `FragmentHeader` that the node has")

    def read() -> Deferred[bytes]:
        """
        The next verified bytes, at most `CHUNK`; b"" after the last.

        Fails:
            FragmentDamaged: the next bytes fail their check.  What was given before is good.
            NodeUnreachable, NodeFailed: likewise.
        """

    def close() -> Deferred[None]:
        """Let go of files and connections; at any time, also during a `read`.  Never fails."""


class IFragmentStore(Interface):
    """The fragments of one node."""

    node_id = Attribute("the node's persistent id (`str`)")

    def put(header: FragmentHeader, payload: Pieces) -> Deferred[None]:
        """
        Store a fragment of at most `SMALL` bytes; when it fires, a crash loses nothing.

        The same name with the same header again is acknowledged and changes nothing.

        Fails: BadDigest, NodeFull, NodeFailed, NodeUnreachable, WrongNode.
        """

    def upload(name: FragmentName, length: int | None) -> Deferred[Any]:
        """
        Begin to store a fragment of any size; answers an `IFragmentUpload`.

        Args:
            length: of the payload in bytes, when known: room is checked before the body.

        Fails: NodeFull, NodeFailed, NodeUnreachable, WrongNode.
        """

    def open(name: FragmentName, start: int, stop: int | None) -> Deferred[Any]:
        """
        Begin to read bytes [start, stop) of a fragment's payload; answers an `IFragmentReader`.

        Args:
            stop: None reads to the end.

        Fails: NoSuchFragment, FragmentDamaged, NodeFailed, NodeUnreachable, WrongNode.
        """

    def verify(name: FragmentName) -> Deferred[FragmentHeader]:
        """
        Re-read the whole fragment and check it.

        Fails: as `open`.
        """

    def holds(incarnations: Sequence[str]) -> Deferred[Mapping[str, tuple[int, ...]]]:
        """
        Which fragments of these blobs are here: incarnation -> indexes, empty ones left out.

        Only an index look-up; a positive is proved by reading.
        """

    def inventory(after: FragmentName | None, limit: int) -> Deferred[Sequence[Held]]:
        """
        The next fragments that are here, at most `limit` (1 … 1000), in the order of their
        names (incarnation, then index as a number); () after the last.

        Fails: NodeFailed, NodeUnreachable, WrongNode: never a list with gaps.
        """

    def remove(name: FragmentName) -> Deferred[bool]:
        """
        Remove a fragment durably; tells whether it was there.

        Fails: NodeFailed, NodeUnreachable, WrongNode.
        """
