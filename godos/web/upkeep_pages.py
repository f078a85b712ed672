"""What the store tells of itself: its status, why objects are where they are, and its gauges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.deferreds import within
from godos.model.errors import GodosError
from godos.objects.upkeep.explain import Explainer
from godos.objects.upkeep.status import StatusReporter
from godos.web.access import Action, Authorise
from godos.web.answers import Answer, json_answer
from godos.web.errors import InvalidArgument
from godos.web.exchange import IExchange
from godos.web.gauges import render
from godos.web.target import Query, parse_names, parse_query, split, version_of

EXPLAIN = b"/-/explain"
PATIENCE = 5.0  # seconds for the gauges: a scraper wants the counters rather than nothing
MOST_BLOBS = 100  # of an explanation
_DIGITS = 9  # of a number in a query; of thousands of them Python makes none


class UpkeepPages:
    """
    Args:
        sweep: what `POST /-/gc` does.
    """

    _log = Logger()

    def __init__(
        self,
        authorise: Authorise,
        clock: IReactorTime,
        status: StatusReporter,
        explainer: Explainer,
        sweep: Callable[[], Awaitable[Any]],
    ) -> None:
        self._authorise = authorise
        self._clock = clock
        self._status = status
        self._explainer = explainer
        self._sweep = sweep

    async def status(self, exchange: IExchange) -> Answer:
        """`GET /-/status`."""
        await self._authorise(exchange, Action.STATUS, "", "")
        return json_answer(await self._status.document())

    async def explain(self, exchange: IExchange) -> Answer:
        """`GET /-/explain/<bucket>/<key>`."""
        path, raw = split(exchange.target)
        bucket, key = parse_names(path[len(EXPLAIN) :])
        query = parse_query(raw)
        if not key:
            raise InvalidArgument("name an object: /-/explain/<bucket>/<key>")
        await self._authorise(exchange, Action.EXPLAIN, bucket, key)
        explained = await self._explainer.explain(
            bucket,
            key,
            version_of(query),
            _number(query, "part", 0, 10_000),
            _number(query, "limit", 20, MOST_BLOBS) or 1,
            "verify" in query,
        )
        return json_answer(explained)

    async def collect(self, exchange: IExchange) -> Answer:
        """`POST /-/gc`."""
        await self._authorise(exchange, Action.COLLECT, "", "")
        return json_answer(await self._sweep())

    async def gauges(self) -> str:
        """The metrics of the store's health, or none when the catalog does not answer now."""
        try:
            return render(await within(PATIENCE, self._status.gauges(), self._clock))
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            self._log.warn("metrics without the store's health: {error}", error=error)
            return ""


def _number(query: Query, name: str, otherwise: int, most: int) -> int:
    text = query.one(name)
    if text is None:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS or int(text) > most:
        raise InvalidArgument(f"{name} is a number from 0 to {most}")
    return int(text)
