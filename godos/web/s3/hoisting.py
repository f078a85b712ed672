"""Headers that a presigned URL carries as parameters, put where all look for headers."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from godos.protocol.sigv4_claims import is_hoisted
from godos.web.exchange import Headers, IExchange
from godos.web.s3.callers import Caller
from godos.web.target import Query, Target


class HoistedExchange:
    """A request with the headers that its URL carries; in all else the `exchange`."""

    def __init__(self, exchange: IExchange, more: Headers) -> None:
        self._exchange = exchange
        self._headers = [*exchange.headers(), *more]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    def header(self, name: bytes) -> bytes | None:
        """See `IExchange`."""
        values = [value for given, value in self._headers if given == name]
        return b", ".join(values) if values else None

    def headers(self) -> Headers:
        """See `IExchange`."""
        return self._headers


def unhoisted(exchange: IExchange, target: Target, caller: Caller) -> tuple[Any, Target]:
    """
    The request as it would be if its URL carried no headers.

    All that looks at headers then sees these, too: what chooses the operation, what reads
    it, and what a policy's conditions compare.
    """
    if not caller.by_query:
        return exchange, target
    pairs = tuple(pair for pair in target.query.pairs if not is_hoisted(_lower(pair[0])))
    seen = HoistedExchange(exchange, caller.hoisted) if caller.hoisted else exchange
    return seen, evolve(target, query=Query(pairs))


def _lower(name: str) -> bytes:
    return name.encode("utf-8").lower()
