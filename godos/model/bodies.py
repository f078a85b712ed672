"""Bodies: bytes that arrive, and bytes that are asked for."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import Attribute, Interface


class IBody(Interface):
    """
    The body of a request, or any other bytes that arrive at the sender's pace.

    Nothing is read from the sender, nor asked of it with `100 Continue`, before
    `deliver_to` or `collect`; one of them is called at most once.
    """

    length = Attribute("announced number of bytes (`int`), None when it is not known")

    def deliver_to(consumer: IConsumer) -> Deferred[None]:
        """
        Register with `consumer` as a push producer and write the body to it.

        Fires after the last byte was written and the producer unregistered.
        Cancelling it stops the producer.

        Fails:
            IncompleteBody: the sender went away, or broke its framing.
            BodyStalled: nothing came within the site's time-out.
        """

    def collect(limit: int) -> Deferred[list[bytes]]:
        """
        The whole body in pieces, when it has at most `limit` bytes.

        Fails:
            EntityTooLarge: it has more; the rest is not read.
            IncompleteBody, BodyStalled: as `deliver_to`.
        """


class IByteStream(Interface):
    """Bytes that are pulled, piece by piece."""

    def read() -> Deferred[bytes]:
        """The next bytes; b"" after the last.  Fails when they cannot be had whole."""

    def close() -> Deferred[None]:
        """Let go of everything, at any time.  Never fails."""
