"""What is neither object nor bucket: health, metrics, how the store is, and where objects are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter

from godos import __version__
from godos.deferreds import deferred
from godos.model.errors import GodosError
from godos.model.objects import IObjects
from godos.web.access import Action, Authorise
from godos.web.answers import Answer, json_answer, refusal
from godos.web.channel_exchange import Verbs
from godos.web.counters import Counters
from godos.web.errors import InvalidArgument, InvalidURI, NoSuchResource, VerbNotAllowed
from godos.web.exchange import IExchange
from godos.web.target import parse_names, parse_query, split, version_of
from godos.web.twisted_request import exchange_of
from godos.web.upkeep_pages import UpkeepPages

READY_PATIENCE = 5.0  # seconds for the answer whether the server can serve
LOCATE = b"/-/locate"
_METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_READ = "GET, HEAD"
_COLLECT = b"/-/gc"

# Answers the reasons why the server cannot serve now; none when it can.
Ready = Callable[[], "Deferred[Sequence[str]]"]


# Parameters of ListBuckets, and of its URL when that is presigned.
_OF_LIST = frozenset(
    """
    x-id max-buckets prefix continuation-token bucket-region
    X-Amz-Algorithm X-Amz-Signature AWSAccessKeyId Signature
    """.split()  # noqa: SIM905
)
_OF_CLIENTS = (b"x-amz-", b"amz-sdk-")  # headers that begin so


def _is_of_s3(exchange: IExchange) -> bool:
    """
    Whether an S3 client reads `/`.

    Those that do not sign are known by what no browser and nobody who types sends; their
    User-Agent is no sign, for it is free text.
    """
    if any(
        name == b"authorization" or name.startswith(_OF_CLIENTS) for name, _ in exchange.headers()
    ):
        return True
    _, query = split(exchange.target)
    try:
        return not _OF_LIST.isdisjoint(parse_query(query).names())
    except InvalidURI:
        return False


class _Anything(BaseConverter):
    """Any text: names are taken from the raw target, Klein only finds the handler."""

    regex = "(?s:.*)"
    part_isolating = False


class Admin:
    """
    The admin resources; all other requests go to `verbs`.

    Args:
        verbs: answers a `GET /` of an S3 client, which is its list of buckets.
        upkeep: tells how the store is, and why objects are where they are; a server that
            does not look after a store has none.
    """

    app = Klein()
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["anything"] = _Anything

    def __init__(
        self,
        objects: IObjects,
        authorise: Authorise,
        verbs: Verbs,
        ready: Ready,
        counters: Counters,
        clock: IReactorTime,
        upkeep: UpkeepPages | None = None,
    ) -> None:
        self._objects = objects
        self._authorise = authorise
        self._verbs = verbs
        self._ready = ready
        self._counters = counters
        self._clock = clock
        self._upkeep = upkeep

    # -- routes -------------------------------------------------------------------------
    @app.route("/", methods=["GET"])
    def root(self, request: IRequest) -> Deferred[None]:
        """Version and status."""
        exchange = exchange_of(request)
        if _is_of_s3(exchange):
            return self._verbs(exchange)
        return self._answer(exchange, self._status)

    @app.route("/-/health", methods=["GET"])
    def health(self, request: IRequest) -> Deferred[None]:
        """Alive: this very answer says so."""
        return self._answer(exchange_of(request), self._alive)

    @app.route("/-/ready", methods=["GET"])
    def ready(self, request: IRequest) -> Deferred[None]:
        """Whether the server can serve."""
        return self._answer(exchange_of(request), self._can_serve)

    @app.route("/-/metrics", methods=["GET"])
    def metrics(self, request: IRequest) -> Deferred[None]:
        """Counters, as Prometheus reads them."""
        return self._answer(exchange_of(request), self._show_metrics)

    @app.route("/-/locate/<anything:_>", methods=["GET"])
    def locate(self, request: IRequest, _: str) -> Deferred[None]:
        """Ask the nodes who holds an object."""
        return self._answer(exchange_of(request), self._locate)

    @app.route("/-/status", methods=["GET"])
    def status(self, request: IRequest) -> Deferred[None]:
        """How the store is."""
        return self._answer(exchange_of(request), self._upkeep_pages.status)

    @app.route("/-/explain/<anything:_>", methods=["GET"])
    def explain(self, request: IRequest, _: str) -> Deferred[None]:
        """Where the fragments of an object are, and why."""
        return self._answer(exchange_of(request), self._upkeep_pages.explain)

    @app.route("/-/gc", methods=["POST"])
    def collect(self, request: IRequest) -> Deferred[None]:
        """Remove now what is due."""
        return self._answer(exchange_of(request), self._upkeep_pages.collect)

    @property
    def _upkeep_pages(self) -> UpkeepPages:
        if self._upkeep is None:
            raise NotFound
        return self._upkeep

    @app.handle_errors(NotFound)
    def not_found(self, request: IRequest, failure: Failure) -> Deferred[None]:  # noqa: ARG002
        """No resource has this name."""
        return self._answer(exchange_of(request), self._no_resource)

    @app.handle_errors(MethodNotAllowed)
    def not_allowed(self, request: IRequest, failure: Failure) -> Deferred[None]:  # noqa: ARG002
        """Most resources can only be read."""
        return self._answer(exchange_of(request), self._read_only)

    @deferred
    async def _answer(
        self, exchange: IExchange, decide: Callable[[IExchange], Awaitable[Answer]]
    ) -> None:
        try:
            answer = await decide(exchange)
        except GodosError as error:
            answer = refusal(exchange, error)
        await answer.send(exchange)

    # -- answers ------------------------------------------------------------------------
    async def _status(self, _: IExchange) -> Answer:
        reasons = await self._reasons()
        return json_answer(
            {
                "name": "godos",
                "version": __version__,
                "status": "not ready" if reasons else "ready",
                "reasons": reasons,
            }
        )

    async def _alive(self, _: IExchange) -> Answer:
        return json_answer({"status": "alive"})

    async def _can_serve(self, _: IExchange) -> Answer:
        reasons = await self._reasons()
        if reasons:
            return json_answer({"status": "not ready", "reasons": reasons}, 503)
        return json_answer({"status": "ready", "reasons": []})

    async def _reasons(self) -> list[str]:
        """Why the server cannot serve; a question that is not answered is a reason, too."""
        try:
            return list(await self._ready().addTimeout(READY_PATIENCE, self._clock))
        except TimeoutError:
            return [f"it is not known whether it can serve after {READY_PATIENCE:g} seconds"]
        except CancelledError:
            raise
        except GodosError as error:
            return [str(error) or type(error).__name__]

    async def _show_metrics(self, exchange: IExchange) -> Answer:
        await self._authorise(exchange, Action.METRICS, "", "")
        text = self._counters.render()
        if self._upkeep is not None:
            text += await self._upkeep.gauges()
        return Answer(200, [(b"Content-Type", _METRICS_TYPE)], text.encode("utf-8"))

    async def _locate(self, exchange: IExchange) -> Answer:
        path, query = split(exchange.target)
        bucket, key = parse_names(path[len(LOCATE) :])
        version_id = version_of(parse_query(query))
        if not key:
            raise InvalidArgument("name an object: /-/locate/<bucket>/<key>")
        await self._authorise(exchange, Action.LOCATE, bucket, key)
        located = await self._objects.locate(bucket, key, version_id)
        return json_answer(
            {
                "bucket": bucket,
                "key": key,
                "complete": all(blob.complete for blob in located.values()),
                "silent": sorted({node for blob in located.values() for node in blob.silent}),
                "holders": [
                    {
                        "blob": incarnation,
                        "node": each.node,
                        "address": each.address,
                        "fragments": each.indexes,
                    }
                    for incarnation, blob in located.items()
                    for each in blob.holders
                ],
            }
        )

    async def _no_resource(self, _: IExchange) -> Answer:
        raise NoSuchResource("there is no resource of this name below /-/")

    async def _read_only(self, exchange: IExchange) -> Answer:
        path, _ = split(exchange.target)
        allowed = "POST" if path == _COLLECT else _READ
        raise VerbNotAllowed(f"this resource has no such verb: it has {allowed}", allowed)
