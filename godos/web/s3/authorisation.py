"""
Whether the caller of a request may do it.

Most is decided before the body is asked for and before the object is looked up.  What
depends on the object (its own list, its owner, its tags) is left to a `Permit`, which the
operation shows the object once it has read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from godos.model.errors import AccessDenied
from godos.model.multipart import MultipartUpload
from godos.model.users import Principal
from godos.model.versions import Bucket, ObjectVersion
from godos.protocol import acl_rights
from godos.protocol.access import MADE, Question, Thing, store_answer
from godos.protocol.policies import Shelf
from godos.web.access import Action
from godos.web.s3.call import HOLDS_NOTHING_BACK, Permit
from godos.web.s3.request_facts import RequestContext as RequestContext
from godos.web.s3.request_facts import RequestFacts, comes_later

_OF_THE_STORE = frozenset((Action.LIST_BUCKETS, Action.CREATE_BUCKET, Action.METRICS))
_READS = frozenset((Action.GET, Action.GET_VERSION))
_OWNER = b"x-amz-expected-bucket-owner"
_SOURCE_OWNER = b"x-amz-source-expected-bucket-owner"
_COPY_SOURCE = b"x-amz-copy-source"


class Settings(Protocol):
    """Reads what decides about a bucket; `IObjects` does."""

    def bucket(self, name: str, /) -> Deferred[Bucket]:
        """Fails: NoSuchBucket."""

    def settings(self, name: str, /) -> Deferred[Mapping[str, Any]]:
        """Fails: NoSuchBucket."""


class Authoriser:
    """
    Decides from buckets' settings, users' policies, and what requests carry.

    Args:
        now: seconds since the epoch, for the conditions about time.
    """

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._shelf = Shelf()

    async def check(
        self,
        principal: Principal,
        action: Action,
        bucket_name: str,
        key: str,
        context: RequestContext,
    ) -> Permit:
        """
        What the caller may do, as far as that can be said before the object is read.

        Of an unrestricted principal nothing is asked and nothing is read.

        Raises:
            AccessDenied: they may not, whatever the object.
            NoSuchBucket: there is no such bucket.
        """
        owner = _expected_owner(context, action) if bucket_name else None
        if principal.unrestricted and owner is None:
            return HOLDS_NOTHING_BACK
        if action in _OF_THE_STORE or not bucket_name:
            self._of_the_store(principal, action, bucket_name, context)
            return HOLDS_NOTHING_BACK
        bucket = await self._settings.bucket(bucket_name)
        if owner is not None and owner != bucket.owner:
            raise AccessDenied(f"the bucket is not one of {owner}, as the request expects")
        if principal.unrestricted:
            return HOLDS_NOTHING_BACK
        settings = await self._settings.settings(bucket_name)
        question = Question(principal, action, bucket, key, settings, self._shelf)
        return self._permit(question, context)

    def _of_the_store(
        self, principal: Principal, action: Action, bucket_name: str, context: RequestContext
    ) -> None:
        facts = RequestFacts(context, self._now, principal, action)
        if principal.unrestricted or store_answer(
            principal, action, bucket_name, facts, self._shelf
        ):
            return
        raise _denied(principal, action, "the store")

    def _permit(self, question: Question, context: RequestContext) -> Permit:
        action, principal = question.action, question.principal
        of_object = action in acl_rights.OF_OBJECTS
        facts = RequestFacts(
            context,
            self._now,
            principal,
            action,
            question.bucket.owner,
            tags=None if of_object else {},
            complete=not comes_later(action),
        )
        answer = question.answer(facts)
        waits = of_object or action in acl_rights.OF_UPLOADS or comes_later(action)
        if answer is False or (answer is None and not waits):
            raise _refused(question)
        return ObjectPermit(question, facts, settled=answer is True)


@define(eq=False, repr=False)
class ObjectPermit:
    """
    What was allowed before the object was read, and the rest of the decision.

    `settled`: nothing depends on the object.  Else each version that is shown is decided
    about anew: between two looks of one request another may have taken its place.
    """

    _question: Question
    _facts: RequestFacts
    settled: bool = field(kw_only=True)

    def version(self, version: ObjectVersion) -> None:
        """
        Decide about this version; also about what the request's body says.

        Raises:
            AccessDenied: its list or its tags forbid it, or they do not allow it.
        """
        if not self.settled:
            self._decide(version, version.attributes.tags)

    def upload(self, upload: MultipartUpload) -> None:
        """
        Decide about this upload in parts: who began it may list and abort it.

        Raises:
            AccessDenied: somebody else began it.
        """
        if not self.settled:
            self._decide(upload, {})

    def created(self) -> None:
        """
        Decide about an object that the request is only making: its maker may tag it.

        Raises:
            AccessDenied: it takes more than making it.
        """
        if not self.settled:
            self._decide(MADE, {})

    def absent(self) -> None:
        """
        Decide whether the caller may be told that there is nothing of this name.

        Raises:
            AccessDenied: they may not list the bucket, or not this name.
        """
        question = self._question
        denied, _ = question.policies(evolve(self._facts, tags={}, complete=True))
        if denied is False:
            listing = _listing(question)
            facts = evolve(
                self._facts,
                action=Action.LIST,
                tags={},
                complete=True,
                overrides={"s3:prefix": (question.key,)},
            )
            if listing.answer(facts):
                return
        raise _refused(question)

    def _decide(self, thing: Thing, tags: Mapping[str, str]) -> None:
        facts = evolve(self._facts, tags=tags, complete=True)
        if self._question.answer(facts, thing) is not True:
            raise _refused(self._question)


def _listing(question: Question) -> Question:
    """Whether the same caller may list the bucket."""
    return Question(
        question.principal,
        Action.LIST,
        question.bucket,
        "",
        question.settings,
        question.shelf,
    )


def _expected_owner(context: RequestContext, action: Action) -> str | None:
    """Whose the request says that the bucket is."""
    exchange = context.exchange
    if action in _READS and exchange.header(_COPY_SOURCE) is not None:
        return context.header(_SOURCE_OWNER)
    return context.header(_OWNER)


def _refused(question: Question) -> AccessDenied:
    name = question.bucket.name
    what = f"{name}/{question.key}" if question.key else name
    return _denied(question.principal, question.action, what)


def _denied(principal: Principal, action: str, what: str) -> AccessDenied:
    who = "who does not sign" if principal.anonymous else f"user {principal.id}"
    return AccessDenied(f"{who} may not do {action} here ({what})")
