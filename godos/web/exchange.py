"""
One request and its answer, whatever channel carries it.

The object verbs see this and not twisted.web's Request, so that the channel underneath
can become faster without them.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

Headers = Sequence[tuple[bytes, bytes]]


class IExchange(Interface):
    """
    The handler runs when the headers are in; its Deferred is cancelled when the client
    goes away.  Exactly one of `reply`, or `start` … `finish`/`abort`, ends an exchange.
    """

    method = Attribute("the verb (`bytes`)")
    target = Attribute("the raw request target (`bytes`), never decoded or normalised")
    secure = Attribute("whether the request came over TLS (`bool`)")
    peer = Attribute("the client's address, for the log (`str`)")
    request_id = Attribute("id of this request: in the answer's headers, errors and the log")
    body = Attribute("the request's body (`IBody`); length 0 when there is none")
    started = Attribute("whether the status line was written (`bool`)")

    def header(name: bytes) -> bytes | None:
        """A request header by its lower-case name; several of a name joined with `, `."""

    def headers() -> Headers:
        """All request headers in order, names in lower case."""

    def reply(status: int, headers: Headers, body: bytes = b"") -> None:
        """
        Answer and finish, in one write.  Adds Date, Server, Content-Length (unless given,
        as for HEAD) and x-amz-request-id.  A body is left out for HEAD, 204 and 304.
        """

    def start(status: int, headers: Headers) -> None:
        """Begin an answer whose headers include its Content-Length."""

    def write(data: bytes) -> None:
        """Send the next bytes of a started answer.  After the client left: nothing."""

    def drained() -> Deferred[None]:
        """
        Fires at once while less than 1 MiB waits to be sent, else when the transport asks
        for more.  Fails with IncompleteBody after the client left, or when it took nothing
        for longer than the site's patience.
        """

    def finish() -> None:
        """End a started answer whose whole Content-Length was written."""

    def abort() -> None:
        """Break the connection, so that half an answer is never taken for a whole one."""
