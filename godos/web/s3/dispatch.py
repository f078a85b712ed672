"""
Which operation a request means: by method, what it names, its query, and one header.

Where the description alone decides (a method and one sub-resource) it is asked; where it is
ambiguous `CHOICES` decides, in one reviewed place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NoReturn

from attrs import field, frozen

from godos.model.errors import InvalidRequest
from godos.web.errors import S3Error, UnsupportedFeature, VerbNotAllowed
from godos.web.exchange import IExchange
from godos.web.s3.description import operations, sub_resources
from godos.web.s3.operation import Level, Operation
from godos.web.s3.parsing import SIGNATURE, hoisted
from godos.web.target import BUCKETS, Query, Target

COPY_SOURCE = b"x-amz-copy-source"
OPTIONS = b"OPTIONS"

# Parameters that any request may carry: the form of the answer, what some SDKs add, and
# those of a signature in the query, of version 4 and 2.
COMMON = frozenset(
    """
    format x-id X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders
    X-Amz-Signature X-Amz-Security-Token X-Amz-Content-Sha256
    AWSAccessKeyId Signature Expires x-amz-security-token
    """.split()  # noqa: SIM905
)

# Parameters that select an operation without standing in the description's paths as such.
_SELECTING = frozenset(("uploadId", "list-type", BUCKETS))

# Parameters that come beside what selects, or are about the answer, and so select nothing.
_BESIDE = frozenset(("list-type",))


@frozen
class Choice:
    """
    What a request must have beside its method and level to mean `operation`.

    `selects` are the parameters that select; `copies`: it names a source to copy.
    """

    operation: str
    selects: frozenset[str] = frozenset()
    copies: bool = False


def _choice(operation: str, *selects: str, copies: bool = False) -> Choice:
    return Choice(operation, frozenset(selects), copies)


# What the description leaves open.  An operation that is not here is selected by its
# method, its level and the sub-resource in its path.
CHOICES: Mapping[tuple[Level, bytes], tuple[Choice, ...]] = {
    (Level.STORE, b"GET"): (
        _choice("ListBuckets"),
        _choice("ListBuckets", BUCKETS),
    ),
    (Level.BUCKET, b"GET"): (
        _choice("ListObjects"),
        _choice("ListObjectsV2", "list-type"),
        _choice("GetBucketLifecycleConfiguration", "lifecycle"),
        _choice("GetBucketNotificationConfiguration", "notification"),
    ),
    (Level.BUCKET, b"PUT"): (
        _choice("PutBucketLifecycleConfiguration", "lifecycle"),
        _choice("PutBucketNotificationConfiguration", "notification"),
    ),
    (Level.KEY, b"PUT"): (
        _choice("PutObject"),
        _choice("CopyObject", copies=True),
        _choice("UploadPart", "uploadId"),
        _choice("UploadPartCopy", "uploadId", copies=True),
    ),
    (Level.KEY, b"GET"): (
        _choice("GetObject"),
        _choice("ListParts", "uploadId"),
    ),
    (Level.KEY, b"DELETE"): (
        _choice("DeleteObject"),
        _choice("AbortMultipartUpload", "uploadId"),
    ),
    (Level.KEY, b"POST"): (_choice("CompleteMultipartUpload", "uploadId"),),
}


@frozen
class _Table:
    """All ways to the operations that are served."""

    ways: Mapping[tuple[Level, bytes, frozenset[str], bool], Operation] = field(factory=dict)
    selecting: frozenset[str] = frozenset()


@cache
def _table() -> _Table:
    served = operations()
    ways = {}
    chosen = set()
    for (level, method), choices in CHOICES.items():
        for choice in choices:
            ways[level, method, choice.selects, choice.copies] = served[choice.operation]
            chosen.add(choice.operation)
    for name, operation in served.items():
        if name not in chosen:
            way = (operation.level, operation.method, operation.sub_resources, False)
            if way in ways:
                raise ValueError(f"{name} and {ways[way].name} are one request: choose")
            ways[way] = operation
    return _Table(ways, sub_resources() | _SELECTING)


def find(method: bytes, target: Target, exchange: IExchange) -> Operation:
    """
    The operation of a request.

    Args:
        exchange: asked for the one header that matters, `x-amz-copy-source`.

    Raises:
        VerbNotAllowed: the method fits nothing here (MethodNotAllowed, 405).
        UnsupportedFeature: it is a part of S3 that is not served (NotImplemented, 501).
        InvalidRequest: it names two parts of S3 at once.
        S3Error: InvalidArgument; parameters that go together do not.
    """
    table, query = _table(), target.query
    level = Level.KEY if target.key else Level.BUCKET if target.bucket else Level.STORE
    selects = _selects(query, table.selecting) if query else frozenset()
    copies = method == b"PUT" and level is Level.KEY and _copies(exchange, query)
    operation = table.ways.get((level, method, selects, copies))
    if operation is None:
        _refuse(table, level, method, selects, copies)
    if query:
        _check(operation, method, query, selects)
    return operation


def _selects(query: Query, selecting: frozenset[str]) -> frozenset[str]:
    selects = frozenset(name for name in query.names() if name in selecting)
    return selects - _BESIDE if len(selects) > 1 else selects


def _copies(exchange: IExchange, query: Query) -> bool:
    if exchange.header(COPY_SOURCE) is not None:
        return True
    return SIGNATURE in query and any(name == COPY_SOURCE for name, _ in hoisted(query))


def _refuse(
    table: _Table, level: Level, method: bytes, selects: frozenset[str], copies: bool
) -> NoReturn:
    """Say why no operation fits."""
    if len(selects) > 1:
        raise InvalidRequest(f"the parameters {', '.join(sorted(selects))} exclude each other")
    verb, name = method[:40].decode("latin-1"), "".join(selects)
    what = f"{level.value} with ?{name}" if name else level.value
    if copies and (level, method, selects, False) in table.ways:
        raise InvalidRequest(f"{verb} of {what} takes no x-amz-copy-source")
    methods = sorted(
        known.decode()
        for known_level, known, known_selects, known_copies in table.ways
        if known_level is level and known_selects == selects and not known_copies
    )
    if selects and not methods:
        raise UnsupportedFeature(f"{verb} of {what} is not there")
    allow = ", ".join([*methods, OPTIONS.decode()])
    raise VerbNotAllowed(f"{verb} is no verb of {what}: it has {allow}", allow)


def _check(operation: Operation, method: bytes, query: Query, selects: frozenset[str]) -> None:
    """
    What a write does not understand is refused, because it might do something else than was
    meant; a read ignores it, as S3 does.
    """
    if "list-type" in selects and query.one("list-type") != "2":
        raise S3Error("InvalidArgument", "list-type is 2, or is left out for version 1")
    is_upload = method == b"PUT" and operation.level is Level.KEY
    if is_upload and ("uploadId" in query) != ("partNumber" in query):
        raise S3Error("InvalidArgument", "uploadId and partNumber go together")
    if method in (b"GET", b"HEAD"):
        return
    known = operation.parameters
    presigned = SIGNATURE in query
    for name in query.names():
        if name in known or name in COMMON or name in selects:
            continue
        if not (presigned and name.lower().startswith("x-amz-")):
            raise UnsupportedFeature(f"{operation.name} has no parameter {name!r}")
