"""
Statements of the AWS policy language, read, and what they say of a request.

Source: AWS IAM User Guide, "Grammar of the IAM JSON policy language" and "Policy
evaluation logic".
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from godos.protocol.policies_conditions import Condition
from godos.protocol.policies_facts import Facts, Who
from godos.protocol.policies_logic import Truth, every, negate, some
from godos.protocol.policies_templates import Template
from godos.protocol.policies_wildcards import Wildcards

ARN = "arn:aws:s3:::"


def arn(bucket: str, key: str = "") -> str:
    """How policies name a bucket, or an object in it; with neither, the store."""
    return f"{ARN}{bucket}/{key}" if key else ARN + bucket


@frozen
class Principals:
    """Whom a statement of a bucket's policy is about."""

    everyone: bool = False
    names: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()

    def include(self, who: Who) -> bool:
        """Whether they are meant."""
        return (
            self.everyone
            or not self.names.isdisjoint(who.names)
            or who.canonical in self.canonical
            or who.service in self.services
        )


@frozen
class Resource:
    """A pattern of what a statement is about; `ready` when no variable is in it."""

    template: Template
    ready: Wildcards | None

    def matches(self, name: str, facts: Facts) -> Truth:
        """None when a variable has no value."""
        if self.ready is not None:
            return self.ready.matches(name)
        parts = self.template.resolve(facts)
        return None if parts is None else Wildcards(parts).matches(name)


@frozen
class Statement:
    """
    One statement.  `principals` None: it is part of a user's own policy.

    `not_…` turns around what stands beside it: all others are meant.
    """

    allows: bool
    actions: tuple[Wildcards, ...]  # in lower case
    resources: tuple[Resource, ...]
    principals: Principals | None = None
    conditions: tuple[Condition, ...] = ()
    not_actions: bool = False
    not_resources: bool = False
    not_principals: bool = False
    sid: str = ""

    def applies(self, who: Who, action: str, resource: str, facts: Facts) -> Truth:
        """
        Whether the statement is about this request.

        Args:
            action: such as `s3:getobject`, in lower case.
            resource: see `arn`.
        """
        return every(self._parts(who, action, resource, facts))

    def _parts(self, who: Who, action: str, resource: str, facts: Facts) -> Iterator[Truth]:
        if self.principals is not None:
            yield self.principals.include(who) is not self.not_principals
        yield any(pattern.matches(action) for pattern in self.actions) is not self.not_actions
        about = some(pattern.matches(resource, facts) for pattern in self.resources)
        yield negate(about) if self.not_resources else about
        for condition in self.conditions:
            yield condition.holds(facts)


@frozen
class Verdict:
    """
    What policies say of a request.  None: that depends on what is not known.

    A Deny counts more than any number of Allows, and without an Allow nothing is allowed.
    """

    denied: Truth = False
    allowed: Truth = False


@frozen
class Policy:
    """A policy that was read."""

    statements: tuple[Statement, ...]
    version: str = ""

    def verdict(self, who: Who, action: str, resource: str, facts: Facts) -> Verdict:
        """What it says of a request; the arguments are those of `Statement.applies`."""
        action = action.lower()
        denied: Truth = some(
            statement.applies(who, action, resource, facts)
            for statement in self.statements
            if not statement.allows
        )
        if denied:
            return DENIED
        allowed: Truth = some(
            statement.applies(who, action, resource, facts)
            for statement in self.statements
            if statement.allows
        )
        return Verdict(denied, allowed)


DENIED = Verdict(denied=True)
SILENT = Verdict()  # of no policy
NO_POLICY = Policy(())
