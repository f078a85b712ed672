"""What operations on objects need leave for, beside what their route asks."""

from __future__ import annotations

from collections.abc import Mapping

from godos.model.errors import AccessDenied
from godos.web.access import Action
from godos.web.s3.call import Call, Request

# Members of an upload that need a permission of their own.
_EXTRAS: Mapping[str, Action] = {
    "Tagging": Action.PUT_TAGGING,
    "ObjectLockMode": Action.PUT_RETENTION,
    "ObjectLockLegalHoldStatus": Action.PUT_LEGAL_HOLD,
}


async def allow_extras(call: Call, request: Request) -> None:
    """
    Ask for what the object that an upload makes is to have beside its bytes.

    Raises:
        AccessDenied: the caller may not give it that.
    """
    for member, action in _EXTRAS.items():
        if member in request:
            await allow_new(call, action)


async def allow_new(call: Call, action: Action) -> None:
    """
    Ask for something to do to the object that this request makes.

    Raises:
        AccessDenied: the caller may not.
    """
    target = call.target
    permit = await call.allow(action, target.bucket, target.key)
    permit.created()


async def may_bypass(call: Call, request: Request, key: str) -> bool:
    """
    Whether governance is to be bypassed.

    Consoles ask for it with each delete, also for who may not: then it is as if they had
    not asked, and only what is retained is refused.
    """
    if not request.get("BypassGovernanceRetention"):
        return False
    try:
        await call.allow(Action.BYPASS_GOVERNANCE, call.target.bucket, key)
    except AccessDenied:
        return False
    return True
