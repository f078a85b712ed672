"""
Errors between servers: which answer tells of which, and back.

The sender of a request meets the same errors as if the node were in its own process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from godos.model.errors import (
    AccessDenied,
    BadDigest,
    BodyStalled,
    EntityTooLarge,
    FragmentDamaged,
    GodosError,
    IncompleteBody,
    InvalidRequest,
    NodeFailed,
    NodeFull,
    NodeUnreachable,
    NoSuchFragment,
    Unavailable,
    WrongNode,
)
from godos.protocol.server_auth import SignatureRefused

# The first class that fits decides.  Unavailable stands for all that has no entry.
_ANSWERS: Mapping[type[GodosError], int] = {
    SignatureRefused: 403,
    AccessDenied: 403,
    BadDigest: 400,
    IncompleteBody: 400,
    BodyStalled: 408,
    EntityTooLarge: 413,
    InvalidRequest: 400,
    NoSuchFragment: 404,
    WrongNode: 421,
    FragmentDamaged: 500,
    NodeFailed: 503,
    NodeFull: 507,
    NodeUnreachable: 503,
    Unavailable: 503,
}

# What a sender of fragments can act on.  All else is a node that cannot serve now.
_MEANINGS: Mapping[str, type[GodosError]] = {
    meant.__name__: meant
    for meant in (
        BadDigest,
        EntityTooLarge,
        NoSuchFragment,
        WrongNode,
        FragmentDamaged,
        NodeFailed,
        NodeFull,
    )
}

INTERNAL = "InternalError"


@frozen
class ErrorAnswer:
    """What an error is answered with; `request_id` finds it in the log of who answered."""

    status: int
    code: str
    message: str
    request_id: str = ""

    def body(self, request_id: str) -> bytes:
        """The JSON that every error answer has."""
        return json.dumps(
            {"code": self.code, "message": self.message, "request_id": request_id}
        ).encode("ascii")


BUG = ErrorAnswer(500, INTERNAL, "something went wrong here; the request id finds it in the log")


def answer_to(error: GodosError) -> ErrorAnswer:
    """How to answer when this error ended a request."""
    for kind, status in _ANSWERS.items():
        if isinstance(error, kind):
            code = error.code if isinstance(error, SignatureRefused) else kind.__name__
            return ErrorAnswer(status, code, str(error))
    return BUG


def parse(status: int, body: bytes) -> ErrorAnswer:
    """Read the body of an error answer."""
    try:
        fields = json.loads(body)
        said = [str(fields[key]) for key in ("code", "message", "request_id")]
        return ErrorAnswer(status, *said)
    except (ValueError, TypeError, KeyError, RecursionError):
        return ErrorAnswer(status, INTERNAL, f"answered {status} without saying why")


def error_from(answer: ErrorAnswer, address: str) -> GodosError:
    """The error that an answer from `address` tells of."""
    said = f"{answer.message} ({address}, request {answer.request_id or 'unknown'})"
    kind: Any = _MEANINGS.get(answer.code, NodeUnreachable)
    if kind is NodeUnreachable and answer.code != NodeUnreachable.__name__:
        said = f"{answer.code}: {said}"
    meant: GodosError = kind(said)
    return meant
