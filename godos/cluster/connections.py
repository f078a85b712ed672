"""Connections to other servers: a pool that repeats nothing, and what the network can do."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from godos.cluster.answer_bodies import TooLong, dropped
from godos.model.errors import NodeUnreachable

CONNECT = 5.0  # seconds to open a connection
IDLE = 30  # seconds that an idle connection is kept: less than the servers keep it
CONNECTIONS = 64  # idle ones kept for each server

# What the network, or the other end of it, can do to a request.
LOST = (
    ConnectError,
    ConnectionClosed,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    TooLong,
    OSError,  # and DNSLookupError
)


def meaning(error: Any, address: str) -> NodeUnreachable:
    """What it means that a request to `address` ended with one of `LOST`."""
    for reason in getattr(error, "reasons", ()):
        return meaning(reason.value, address)
    said = str(error) or type(error).__name__
    return NodeUnreachable(f"the connection to {address} failed: {said}")


def cancellable(sent: Deferred[IResponse]) -> Deferred[IResponse]:
    """
    A request that fails as cancelled when it is.

    Twisted's own says that a name was not found, or that a response never came.
    """
    cancelled = False

    def cancel(_: Deferred[IResponse]) -> None:
        nonlocal cancelled
        cancelled = True
        sent.cancel()

    def settled(result: Any) -> None:
        if not cancelled:
            outer.callback(result)  # with a Failure this is errback
            return
        if not isinstance(result, Failure):
            dropped(result)
        if not outer.called:
            outer.errback(CancelledError())

    outer: Deferred[IResponse] = Deferred(cancel)
    sent.addBoth(settled)
    return outer


@implementer(IAgentEndpointFactory)
class Endpoints:
    """
    The endpoints of servers, each made once: an agent would make one for every request,
    with its host name encoded anew, at a tenth of the request's cost.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._endpoints: dict[tuple[bytes, int], HostnameEndpoint] = {}

    def endpointForURI(self, uri: Any) -> HostnameEndpoint:
        """Called by the agent for each request."""
        place = uri.host, uri.port
        endpoint = self._endpoints.get(place)
        if endpoint is None:
            endpoint = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=CONNECT)
            self._endpoints[place] = endpoint
        return endpoint


def pooled_agent(reactor: Any) -> tuple[Agent, HTTPConnectionPool]:
    """An agent for requests to servers, and the pool of its connections."""
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.retryAutomatically = False  # a DELETE that was lost may have happened
    pool.maxPersistentPerHost = CONNECTIONS
    pool.cachedConnectionTimeout = IDLE
    return Agent.usingEndpointFactory(reactor, Endpoints(reactor), pool=pool), pool
