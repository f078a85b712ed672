"""The object and bucket verbs: from an exchange to a use case, and its answer back."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.errors import GodosError, IncompleteBody
from godos.model.objects import IObjects
from godos.web.access import Authorise
from godos.web.answers import Answer, refusal
from godos.web.buckets import BucketVerbs
from godos.web.counters import LEFT, Access, AccessLog, Counters
from godos.web.errors import UnsupportedFeature, answer_of
from godos.web.exchange import IExchange
from godos.web.keys import KeyVerbs
from godos.web.routes import OPTIONS, Call, Route, Table, allowed, find, version_of
from godos.web.target import Target, parse_target


class ObjectVerbs:
    """
    Answers exchanges of everything that is not an admin resource.

    Args:
        authorise: asked before all else, and before a body is asked for.
        clock: measures how long requests take.
        wall_clock: seconds since the epoch.
        counters: where requests are counted.
        access_log: called once for each request that is over.
        region: what S3 clients are told that the buckets are in.
    """

    _log = Logger()

    def __init__(
        self,
        objects: IObjects,
        authorise: Authorise,
        clock: IReactorTime,
        wall_clock: Callable[[], float],
        counters: Counters,
        access_log: AccessLog | None = None,
        region: str = "us-east-1",
    ) -> None:
        self._authorise = authorise
        self._clock = clock
        self._counters = counters
        self._access_log = access_log
        keys, buckets = KeyVerbs(objects, counters, wall_clock), BucketVerbs(objects, region)
        self._keys, self._buckets = keys.table(), buckets.table()
        self._store = buckets.store_table()

    @deferred
    async def serve(self, exchange: IExchange) -> None:
        """
        Answer one exchange.  Fails only when cancelled, because the client left.
        """
        began, peer = self._clock.seconds(), exchange.peer
        self._counters.running += 1
        answer, action = Answer(LEFT), ""
        try:
            target = parse_target(exchange.target)
            table, what = self._table(target)
            if exchange.method == OPTIONS:
                answer = Answer(204, [(b"Allow", allowed(table).encode())])
            else:
                route = find(table, exchange.method, target.query, what)
                action = route.action.value
                answer = await self._answer(exchange, target, route)
            await answer.send(exchange)
        except CancelledError:
            exchange.abort()  # nobody is there, or must not be left waiting
            raise
        except GodosError as error:
            self._tell(exchange, error, answer)
            answer = self._refuse(exchange, error, answer)
        except Exception:
            self._log.failure("request {id} met a fault of ours", id=exchange.request_id)
            answer = self._refuse(exchange, GodosError(), answer)
        finally:
            self._over(exchange, peer, answer, action, began)

    def _table(self, target: Target) -> tuple[Table, str]:
        if target.key:
            return self._keys, "an object"
        if target.bucket:
            return self._buckets, "a bucket"
        return self._store, "the store"

    async def _answer(self, exchange: IExchange, target: Target, route: Route) -> Answer:
        version_id, action = version_of(target.query), route.action
        if version_id is not None and route.with_version is not None:
            action = route.with_version
        principal = await self._authorise(exchange, action, target.bucket, target.key)
        return await route.verb(Call(exchange, target, version_id, principal))

    def _refuse(self, exchange: IExchange, error: GodosError, begun: Answer) -> Answer:
        """Answer with the error; once the status is spent all that is left is to break off."""
        if exchange.started:
            exchange.abort()
            return begun
        answer = refusal(exchange, error)
        exchange.reply(answer.status, answer.headers, answer.body)
        answer.sent = 0 if exchange.method == b"HEAD" else len(answer.body)
        return answer

    def _tell(self, exchange: IExchange, error: GodosError, begun: Answer) -> None:
        """Log what an operator should look into; what clients do wrong is not among it."""
        if exchange.started and not isinstance(error, IncompleteBody):
            self._log.error(
                "request {id} broken off after {sent} of {length} bytes: {error!r}",
                id=exchange.request_id,
                sent=begun.sent,
                length=begun.length,
                error=error,
            )
        elif answer_of(error)[0] >= 500 and not isinstance(error, UnsupportedFeature):
            self._log.error(
                "request {id} cannot be served: {error!r}", id=exchange.request_id, error=error
            )

    def _over(
        self, exchange: IExchange, peer: str, answer: Answer, action: str, began: float
    ) -> None:
        access = Access(
            exchange.request_id,
            peer,
            exchange.method,
            exchange.target,
            answer.status,
            answer.sent,
            self._clock.seconds() - began,
        )
        self._counters.running -= 1
        self._counters.count(action, access)
        if self._access_log is not None:
            self._access_log(access)
