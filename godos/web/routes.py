"""Which verb a request means: by method, by what it names, and by the query's sub-resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from attrs import define, frozen

from godos.model.errors import GodosError, InvalidRequest
from godos.web.access import Action, Principal
from godos.web.answers import Answer
from godos.web.errors import InvalidArgument, UnsupportedFeature, VerbNotAllowed
from godos.web.exchange import IExchange
from godos.web.target import BUCKETS, Query, Target

# Parameters that select a part of S3 and never the object or bucket itself.
# Source: Amazon S3 API Reference, "Actions".
SUB_RESOURCES = frozenset(
    """
    accelerate acl analytics append attributes cors delete encryption intelligent-tiering
    inventory legal-hold lifecycle location logging metadataConfiguration
    metadataInventoryTable metadataJournalTable metadataTable metrics notification object-lock
    ownershipControls partNumber policy policyStatus publicAccessBlock renameObject
    replication requestPayment response-cache-control response-content-disposition
    response-content-encoding response-content-language response-content-type response-expires
    restore retention select select-type session tagging torrent uploadId uploads versioning
    versions website
    """.split()  # noqa: SIM905
) | {BUCKETS}

# Parameters that any request may carry: the form of the answer, what some SDKs add, and
# those of a signature in the query.
COMMON = frozenset(
    """
    format x-id X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders
    X-Amz-Signature X-Amz-Security-Token X-Amz-Content-Sha256
    """.split()  # noqa: SIM905
)
OPTIONS = b"OPTIONS"


@define(eq=False)
class Call:
    """One request, its names read and its caller known."""

    exchange: IExchange
    target: Target
    version_id: str | None
    principal: Principal


Verb = Callable[[Call], Awaitable[Answer]]


@frozen
class Route:
    """
    A verb and what the caller must be allowed to do.

    `takes` are the parameters it understands.  A read ignores others, as S3 does; a write
    refuses them, because it might do something else than was meant.
    """

    action: Action
    verb: Verb
    takes: frozenset[str] = frozenset()
    writes: bool = False
    with_version: Action | None = None  # the action when `versionId` is given


Table = Mapping[tuple[bytes, str], Route]  # by method and sub-resource ("" for none)


def find(table: Table, method: bytes, query: Query, what: str) -> Route:
    """
    The route of a request.

    Raises:
        VerbNotAllowed: the method fits nothing here; carries those that do.
        UnsupportedFeature: it is a part of S3 that is not there.
        InvalidRequest: it names two parts of S3 at once.
    """
    named = sorted({name for name in query.names() if name in SUB_RESOURCES}) if query else []
    routes = []
    for sub_resource in named or [""]:
        route = table.get((method, sub_resource))
        if route is None:
            raise _no_route(table, method, sub_resource, what)
        routes.append(route)
    if len(routes) > 1:
        raise InvalidRequest(f"the parameters {', '.join(named)} exclude each other")
    if query and routes[0].writes:
        for name in query.names():
            if name not in routes[0].takes and name not in COMMON and name not in named:
                raise UnsupportedFeature(f"{method.decode()} of {what} has no parameter {name!r}")
    return routes[0]


def _no_route(table: Table, method: bytes, sub_resource: str, what: str) -> GodosError:
    known = {known for known, _ in table}
    verb = method[:40].decode("latin-1")
    if sub_resource and (method in known or method == b"POST"):
        return UnsupportedFeature(f"{verb} of {what} with ?{sub_resource} is not there yet")
    allow = allowed(table)
    return VerbNotAllowed(f"{verb} is no verb of {what}: it has {allow}", allow)


def allowed(table: Table) -> str:
    """The methods of a table, as `Allow` lists them."""
    methods = dict.fromkeys(method.decode() for method, _ in table)
    return ", ".join([*methods, OPTIONS.decode()])


def version_of(query: Query) -> str | None:
    """
    The version that a request names, None for the latest.

    Raises:
        InvalidArgument: the parameter is there, but empty or twice.
    """
    version_id = query.one("versionId") if query else None
    if version_id == "":
        raise InvalidArgument("versionId is empty; name a version, or leave it out")
    return version_id
