"""A fragment on its way out: frames of verified blocks, at the pace of the receiver."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from godos.model.errors import FragmentDamaged
from godos.model.fragments import IFragmentReader
from godos.protocol.fragment_header import to_frame
from godos.protocol.fragment_wire import BlockFramer, framed_size, whole_blocks
from godos.web.signed_exchange import SignedExchange

_TYPE = (b"Content-Type", b"application/vnd.godos.fragment")


class FragmentSender:
    """
    Sends bytes [start, stop) of a fragment as whole blocks.

    While the receiver takes one chunk the next is read ahead, and no more: two chunks of
    payload and what the connection holds is all the memory it takes.

    Args:
        reader: of the whole blocks from `start` on.
        stop: of the range, or None for the end.
    """

    def __init__(self, reader: IFragmentReader, start: int, stop: int | None) -> None:
        header = reader.header
        end = whole_blocks(start, stop)[1]
        self._reader = reader
        self._frame = to_frame(header)
        self._framer = BlockFramer(header.name, start)
        self._left = max(min(header.length if end is None else end, header.length) - start, 0)

    async def send(self, call: SignedExchange) -> None:
        """Answer with the frames; a failure after the first byte must end in `abort`."""
        length = len(self._frame) + framed_size(self._left)
        headers = [_TYPE, call.proof(self._frame)]
        first = self._frame
        if self._left:
            first += self._framed(await self._reader.read())  # may still fail as an error answer
        if len(first) == length:
            call.exchange.reply(200, headers, first)
            return
        call.exchange.start(200, [*headers, (b"Content-Length", b"%d" % length)])
        call.exchange.write(first)
        await self._send_rest(call)
        call.exchange.finish()

    async def _send_rest(self, call: SignedExchange) -> None:
        ahead: Deferred[bytes] | None = None
        try:
            while self._left:
                ahead = self._reader.read()  # while the receiver takes what it has
                await call.exchange.drained()
                data, ahead = await ahead, None
                call.exchange.write(self._framed(data))
        finally:
            if ahead is not None:
                ahead.addErrback(lambda _: None)  # nobody waits for these bytes any more
                ahead.cancel()

    def _framed(self, data: bytes) -> bytes:
        if not 0 < len(data) <= self._left:
            raise FragmentDamaged("the fragment does not have the length that its header says")
        self._left -= len(data)
        frames = self._framer.frames(data)
        if not self._left:
            frames += self._framer.last()
        return b"".join(frames)
