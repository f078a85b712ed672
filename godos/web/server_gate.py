"""
Requests that other servers of the cluster signed: let in, answered signed, or refused.

Handlers of data servers and of API servers use it alike: see `ServerGate.serve` and `answer`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger, LogLevel

from godos.deferreds import InThread, deferred
from godos.model.errors import GodosError, IncompleteBody
from godos.protocol.server_auth import Guard, SignatureRefused
from godos.protocol.server_errors import BUG, answer_to
from godos.web.exchange import IExchange
from godos.web.signed_exchange import JSON_LIMIT, SignedExchange


class ServerGate:
    """
    The way in for other servers.

    Args:
        guard: checks signatures.
        now: seconds since the epoch.
        in_thread: where large bodies are hashed.
    """

    _log = Logger()

    def __init__(self, guard: Guard, now: Callable[[], float], in_thread: InThread) -> None:
        self._guard = guard
        self._now = now
        self._in_thread = in_thread

    @deferred
    async def serve(
        self, exchange: IExchange, handle: Callable[[SignedExchange], Awaitable[None]]
    ) -> None:
        """
        Let `handle` answer a request that is signed as it must be; refuse others.

        It runs when the headers are in, and what it fails with becomes the answer.
        """
        call = SignedExchange(exchange, self._guard, self._in_thread)
        try:
            call.admit(self._now())
            await handle(call)
        except CancelledError:
            exchange.abort()  # the sender left; if it was not that, it must not wait for ever
            raise
        except GodosError as error:
            self._note(exchange, error)
            call.refuse(answer_to(error))
        except Exception:
            self._log.failure("{method} {target} failed ({request_id})", **_logged(exchange))
            call.refuse(BUG)

    def _note(self, exchange: IExchange, error: GodosError) -> None:
        """Log what no answer tells anybody, or what somebody should look at."""
        if isinstance(error, SignatureRefused):
            # a sender asks so once when either of the two was started anew
            level = LogLevel.debug if error.code == "BootUnknown" else LogLevel.warn
        elif exchange.started:
            level = LogLevel.info if isinstance(error, IncompleteBody) else LogLevel.warn
        else:
            level = LogLevel.debug
        self._log.emit(
            level, "{method} {target} of {peer}: {error} ({request_id})", **_logged(exchange, error)
        )

    def answer(
        self,
        exchange: IExchange,
        handle: Callable[[Any], Awaitable[Any]],
        limit: int = JSON_LIMIT,
    ) -> Any:
        """
        Answer a signed JSON request with what `handle` makes of the document: a Deferred.

        Args:
            limit: bytes of the request's body.
        """

        async def with_json(call: SignedExchange) -> None:
            call.reply_json(await handle(await call.json(limit)))

        return self.serve(exchange, with_json)


def _logged(exchange: IExchange, error: GodosError | None = None) -> dict[str, Any]:
    return {
        "error": error,
        "method": exchange.method.decode("ascii", "backslashreplace"),
        "target": exchange.target.decode("ascii", "backslashreplace"),
        "peer": exchange.peer,
        "request_id": exchange.request_id,
    }
