"""The way of every S3 request and its answer: counted, logged, and refused when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.errors import GodosError, IncompleteBody
from godos.web.answers import Answer, refusal
from godos.web.counters import LEFT, Access, AccessLog, Counters
from godos.web.errors import UnsupportedFeature, answer_of
from godos.web.exchange import IExchange


@define(eq=False)
class Course:
    """What becomes known of a request on its way, for the log and for refusals."""

    operation: str = ""
    user: str = ""
    headers: list[tuple[bytes, bytes]] = field(factory=list)  # of the answer, whatever it is


# Decides the answer to a request, or fails with the error that is to be answered.
Decide = Callable[[IExchange, Course], Awaitable[Answer]]


class Serving:
    """
    Answers exchanges with what `decide` says.

    Args:
        clock: measures how long requests take.
        counters: where requests are counted.
        access_log: called once for each request that is over.
    """

    _log = Logger()

    def __init__(
        self,
        decide: Decide,
        clock: IReactorTime,
        counters: Counters,
        access_log: AccessLog | None = None,
    ) -> None:
        self._decide = decide
        self._clock = clock
        self._counters = counters
        self._access_log = access_log

    @deferred
    async def serve(self, exchange: IExchange) -> None:
        """
        Answer one exchange.  Fails only when cancelled, because the client left.
        """
        began, peer = self._clock.seconds(), exchange.peer
        self._counters.running += 1
        answer, course = Answer(LEFT), Course()
        try:
            answer = await self._decide(exchange, course)
            answer.headers += course.headers
            await answer.send(exchange)
        except CancelledError:
            exchange.abort()  # nobody is there, or must not be left waiting
            raise
        except GodosError as error:
            self._tell(exchange, error, answer)
            answer = self._refuse(exchange, error, answer, course)
        except Exception:
            self._log.failure("request {id} met a fault of ours", id=exchange.request_id)
            answer = self._refuse(exchange, GodosError(), answer, course)
        finally:
            self._over(exchange, peer, answer, course, began)

    def _refuse(
        self, exchange: IExchange, error: GodosError, begun: Answer, course: Course
    ) -> Answer:
        """Answer with the error; once the status is spent all that is left is to break off."""
        if exchange.started:
            exchange.abort()
            return begun
        answer = refusal(exchange, error)
        answer.headers += course.headers
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
        self, exchange: IExchange, peer: str, answer: Answer, course: Course, began: float
    ) -> None:
        access = Access(
            exchange.request_id,
            peer,
            exchange.method,
            exchange.target,
            answer.status,
            answer.sent,
            self._clock.seconds() - began,
            course.user,
        )
        self._counters.running -= 1
        self._counters.count(course.operation, access)
        if self._access_log is not None:
            self._access_log(access)
