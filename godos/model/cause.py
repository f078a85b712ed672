"""
Who made something happen: what those want to know who are told of it.

It goes along with the work that a request starts, as a context variable, because all that
lies between the request and the outbox has no use for it.
"""

from __future__ import annotations

from contextvars import ContextVar

from attrs import frozen


@frozen
class Cause:
    """
    The request that things happen because of; all empty where there was none.

    `user` is the canonical id of who signed it, `address` the client's without its port.
    """

    user: str = ""
    address: str = ""
    request_id: str = ""


NOBODY = Cause()
CAUSE: ContextVar[Cause] = ContextVar("cause", default=NOBODY)
