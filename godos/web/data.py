"""
The HTTP side of a data server: docs/wire-format.rst.

Klein declares the resources; each handler reads its names and calls one verb.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException

from godos import __version__
from godos.deferreds import Background
from godos.model.errors import InvalidRequest
from godos.model.fragments import IFragmentStore
from godos.protocol.server_errors import ErrorAnswer
from godos.web.exchange import IExchange
from godos.web.fragment_uploads import FragmentUploads, Key
from godos.web.fragment_verbs import FragmentVerbs
from godos.web.server_gate import ServerGate
from godos.web.signed_exchange import SignedExchange
from godos.web.streaming import exchange_of

# Seconds that the site of a data server should wait for its client: an API server rests for
# as long as its own client does, and gives that one up by itself.
PATIENCE = 300.0

_FRAGMENT = "/nodes/<node>/fragments/<name>"
_UPLOAD = f"{_FRAGMENT}/uploads/<upload>"
_JSON_TYPE = (b"Content-Type", b"application/json")
_SHORT_METHODS = frozenset({b"PUT", b"GET", b"DELETE"})
_SHORT_TARGET = re.compile(
    rb"/nodes/([0-9a-f]{32})/fragments/([0-9a-f]{32}\.[0-9]{1,3})"
    rb"(?:\?start=([0-9]{1,19})(?:&stop=([0-9]{1,19}))?)?"
)


class DataServer:
    """
    The resources of a data server; `app.resource()` goes into a `StreamingSite`.

    Args:
        stores: node id -> its store; may change while we serve.
        gate: lets other servers in.
        clock: for the patience with uploads.
    """

    app = Klein()

    def __init__(
        self,
        stores: Mapping[str, IFragmentStore],
        gate: ServerGate,
        clock: IReactorTime,
        background: Background,
    ) -> None:
        self.uploads = FragmentUploads(clock, background)
        self._gate = gate
        self._verbs = FragmentVerbs(stores, self.uploads, background)

    # -- the short way -----------------------------------------------------------------------------
    def is_verb(self, exchange: IExchange) -> bool:
        """Whether `verbs` takes a request, for `StreamingSite`."""
        return (
            exchange.method in _SHORT_METHODS
            and _SHORT_TARGET.fullmatch(exchange.target) is not None
        )

    def verbs(self, exchange: IExchange) -> Deferred[None]:
        """
        Whole fragments without Klein, which costs as much as all the rest of a small one.

        The resources below are the same, and say what there is.
        """
        match = _SHORT_TARGET.fullmatch(exchange.target)
        assert match is not None
        node, name = match[1].decode("ascii"), match[2].decode("ascii")
        start, stop = int(match[3] or 0), None if match[4] is None else int(match[4])

        async def verb(call: SignedExchange) -> None:
            match exchange.method:
                case b"PUT":
                    await self._verbs.put(call, node, name)
                case b"DELETE":
                    await self._verbs.delete(call, node, name)
                case _:
                    await self._verbs.get(call, node, name, start, stop)

        return self._gate.serve(exchange, verb)

    def _serve(self, request: IRequest, verb: Any, *names: Any) -> Deferred[None]:
        return self._gate.serve(exchange_of(request), lambda call: verb(call, *names))

    @app.route(_FRAGMENT, methods=["PUT"])
    def _put(self, request: IRequest, node: str, name: str) -> Deferred[None]:
        return self._serve(request, self._verbs.put, node, name)

    @app.route(_FRAGMENT, methods=["GET", "HEAD"])
    def _get(self, request: IRequest, node: str, name: str) -> Deferred[None]:
        async def get(call: SignedExchange) -> None:
            if call.exchange.method == b"HEAD":
                await self._verbs.head(call, node, name)
                return
            start, stop = _offset(request, b"start"), _offset(request, b"stop")
            await self._verbs.get(call, node, name, start or 0, stop)

        return self._gate.serve(exchange_of(request), get)

    @app.route(_FRAGMENT, methods=["DELETE"])
    def _delete(self, request: IRequest, node: str, name: str) -> Deferred[None]:
        return self._serve(request, self._verbs.delete, node, name)

    @app.route(f"{_FRAGMENT}/verify", methods=["POST"])
    def _verify(self, request: IRequest, node: str, name: str) -> Deferred[None]:
        return self._serve(request, self._verbs.verify, node, name)

    @app.route(_UPLOAD, methods=["POST"])
    def _begin(self, request: IRequest, **key: str) -> Deferred[None]:
        return self._serve(request, self._verbs.begin, _key(**key))

    @app.route(_UPLOAD, methods=["PUT"])
    def _receive(self, request: IRequest, **key: str) -> Deferred[None]:
        return self._serve(request, self._verbs.receive, _key(**key))

    @app.route(f"{_UPLOAD}/seal", methods=["POST"])
    def _seal(self, request: IRequest, **key: str) -> Deferred[None]:
        return self._serve(request, self._verbs.seal, _key(**key))

    @app.route(_UPLOAD, methods=["DELETE"])
    def _drop(self, request: IRequest, **key: str) -> Deferred[None]:
        return self._serve(request, self._verbs.drop, _key(**key))

    @app.route("/nodes/<node>/inventory", methods=["GET"])
    def _inventory(self, request: IRequest, node: str) -> Deferred[None]:
        async def inventory(call: SignedExchange) -> None:
            after, limit = _only(request, b"after"), _only(request, b"limit") or b"1000"
            if not limit.isdigit() or len(limit) > 4:
                raise InvalidRequest("limit is a number of fragments")
            behind = None if after is None else after.decode("ascii", "replace")
            await self._verbs.inventory(call, node, behind, int(limit))

        return self._gate.serve(exchange_of(request), inventory)

    @app.route("/-/locate", methods=["POST"])
    def _locate(self, request: IRequest) -> Any:
        return self._gate.answer(exchange_of(request), self._verbs.locate)

    # -- for anybody ------------------------------------------------------------------------------
    @app.route("/-/health", methods=["GET", "HEAD"])
    def _health(self, request: IRequest) -> None:
        _say(exchange_of(request), {"status": "alive"})

    @app.route("/", methods=["GET", "HEAD"])
    def _version(self, request: IRequest) -> None:
        _say(exchange_of(request), {"server": "godos-data", "version": __version__})

    @app.handle_errors(HTTPException)
    def _unroutable(self, request: Any, failure: Failure) -> bytes:
        """No such resource, or no such verb on it.  (Klein finishes what it cannot route.)"""
        error: Any = failure.value
        request.setResponseCode(error.code)
        said = "a data server has no such resource, or not this verb for it"
        answer = ErrorAnswer(error.code, error.name.replace(" ", ""), said)
        body = answer.body(exchange_of(request).request_id)
        for header in (_JSON_TYPE, (b"Content-Length", b"%d" % len(body))):
            request.setHeader(*header)
        return body


def _key(node: str, name: str, upload: str) -> Key:
    return node, name, upload


def _say(exchange: IExchange, document: Mapping[str, str]) -> None:
    exchange.reply(200, [_JSON_TYPE], json.dumps(document).encode("ascii") + b"\n")


def _only(request: IRequest, key: bytes) -> bytes | None:
    """The one value that the query has for a key, or None."""
    args: Mapping[bytes, list[bytes]] = request.args
    values = args.get(key)
    if not values:
        return None
    if len(values) > 1:
        raise InvalidRequest(f"{key.decode('ascii')} is given more than once")
    return values[0]


def _offset(request: IRequest, key: bytes) -> int | None:
    """An offset out of the query, or None."""
    value = _only(request, key)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 19:
        raise InvalidRequest("start and stop are offsets in bytes")
    return int(value)
