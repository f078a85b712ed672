"""
Signed requests to other servers, over pooled connections that repeat nothing by themselves.

`docs/wire-format.rst` says what is signed.  An answer that is not signed is not believed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse

from godos.cluster.answer_bodies import collected, dropped
from godos.cluster.connections import LOST, cancellable, meaning, pooled_agent
from godos.cluster.patience import within
from godos.cluster.sent_bodies import WholeBody
from godos.deferreds import deferred
from godos.model.errors import WrongNode
from godos.protocol.server_auth import NO_BOOT, AnswerUnsigned, Signed, Signer, of_bytes, same
from godos.protocol.server_errors import error_from, parse

PATIENCE = 30.0  # seconds without a sign of life, or for the whole of a small answer
WORK = 600.0  # seconds for what may keep a disk busy: to verify or seal a large fragment
LIMIT = 4 << 20  # bytes of an answer that is taken whole

T = TypeVar("T")
Send = Callable[[bytes, bytes, Headers, IBodyProducer | None], "Deferred[IResponse]"]


@frozen
class Answer:
    """
    A good answer whose head is known to come from the server that was meant.

    `says` is what the signature says of the body, which is still to be read.
    """

    response: Any  # an IResponse
    says: Signed


class ServerClient:
    """
    Asks other servers of the cluster.

    Args:
        agent: a pooled one, see `pooled`.
        signer: knows the cluster's secret.
        clock: for time-outs.
        now: seconds since the epoch.
        patience: seconds after which a silent server counts as unreachable.
    """

    def __init__(
        self,
        agent: IAgent,
        signer: Signer,
        clock: IReactorTime,
        now: Callable[[], float],
        patience: float = PATIENCE,
        pool: HTTPConnectionPool | None = None,
    ) -> None:
        self.clock = clock
        self.patience = patience
        self._agent = agent
        self._treq = HTTPClient(agent)
        self._signer = signer
        self._now = now
        self._pool = pool
        self._boots: dict[str, bytes] = {}  # address -> the process that answered there last

    @classmethod
    def pooled(cls, reactor: Any, secret: bytes, patience: float = PATIENCE) -> ServerClient:
        """A client with its own pool of connections."""
        agent, pool = pooled_agent(reactor)
        return cls(agent, Signer(secret), reactor, reactor.seconds, patience, pool)

    @deferred
    async def close(self) -> None:
        """Close idle connections.  Requests that run are ended by cancelling them."""
        if self._pool is not None:
            await self._pool.closeCachedConnections()

    # -- small requests -----------------------------------------------------------------------
    def call(
        self,
        method: str,
        address: str,
        target: str,
        document: Any = None,
        patience: float | None = None,
    ) -> Deferred[Any]:
        """
        Ask something small of the server at `address`; answers its JSON, or None.

        Args:
            address: `host:port`, as servers advertise it.
            target: path and query, percent-encoded.
            document: goes as JSON, unless None.

        Fails:
            NodeUnreachable: no connection, no answer in time, or it cannot serve now.
            WrongNode: what answers is not of this cluster, or lacks what was meant.
            what else the server answers: see `server_errors`.
        """
        body = b"" if document is None else json.dumps(document).encode("ascii")
        work = self._call(self._by_treq, method, address, target, of_bytes(body), body)
        return self.within(patience or self.patience, address, work)

    def put(
        self, address: str, target: str, statement: bytes, *pieces: bytes | bytearray | memoryview
    ) -> Deferred[Any]:
        """
        PUT a body of at most a few MiB, of which `statement` says what it is.

        Answers and fails as `call`, and costs half of it.
        """
        work = self._call(self._agent.request, "PUT", address, target, statement, *pieces)
        return self.within(self.patience, address, work)

    @deferred
    async def _call(
        self,
        send: Send,
        method: str,
        address: str,
        target: str,
        statement: bytes,
        *pieces: bytes | bytearray | memoryview,
    ) -> Any:
        def body() -> WholeBody | None:
            return WholeBody(*pieces) if any(pieces) else None

        answer = await self.ask(method, address, target, statement, body, send)
        text = await self.whole(answer, address)
        return json.loads(text) if text else None

    def _by_treq(
        self, method: bytes, url: bytes, headers: Headers, body: IBodyProducer | None
    ) -> Deferred[IResponse]:
        sent: Deferred[Any] = self._treq.request(
            method.decode("ascii"),
            url.decode("ascii"),
            headers=headers,
            data=body,
            unbuffered=True,
            allow_redirects=False,
        )
        return sent

    # -- one request ----------------------------------------------------------------------------
    @deferred
    async def ask(
        self,
        method: str,
        address: str,
        target: str,
        statement: bytes,
        body: Callable[[], IBodyProducer | None] = lambda: None,
        send: Send | None = None,
        once: bool = False,
    ) -> Answer:
        """
        Send one request and wait for the head of a good answer, without a time-out.

        It is sent once more when the process at `address` turns out to be a new one.

        Args:
            statement: what is signed about the body.
            body: makes the body to send.
            once: never send it again, since the body cannot be had twice.

        Fails: as `call`.
        """
        for final in (True,) if once else (False, True):
            boot = self._boots.get(address, NO_BOOT)
            verb, line = method.encode("ascii"), target.encode("ascii")
            signature = self._signer.sign(verb, line, statement, boot, self._now())
            headers = Headers({b"Authorization": [signature.authorization]})
            url = b"http://" + address.encode("ascii") + line
            answer = await self._believed(
                (send or self._agent.request)(verb, url, headers, body()), signature.mac, address
            )
            if answer.response.code < 400:
                return answer
            refusal = parse(answer.response.code, await self.whole(answer, address))
            if refusal.code != "BootUnknown" or final:
                break
            self._boots[address] = answer.says.boot
        raise error_from(refusal, address)

    async def _believed(self, sent: Deferred[IResponse], mac: bytes, address: str) -> Answer:
        try:
            response: Any = await cancellable(sent)
        except LOST as error:
            raise meaning(error, address) from error
        proof = response.headers.getRawHeaders(b"X-Godos-Answer")
        try:
            return Answer(
                response,
                self._signer.check_answer(mac, response.code, proof[0] if proof else None),
            )
        except AnswerUnsigned as error:
            dropped(response)
            raise WrongNode(f"no server of this cluster answers at {address}: {error}") from error

    async def whole(self, answer: Answer, address: str) -> bytes:
        """The body of a small answer, once it is what the signature says."""
        try:
            body = await collected(answer.response, LIMIT)
        except LOST as error:
            raise meaning(error, address) from error
        if not same(of_bytes(body), answer.says.body):
            raise WrongNode(f"the answer of {address} was changed on the way")
        return body

    def within(self, patience: float, address: str, work: Deferred[T]) -> Deferred[T]:
        """Fail `work` as NodeUnreachable when it takes longer than `patience` seconds."""

        return within(patience, self.clock, work, f"{address} did not answer")
