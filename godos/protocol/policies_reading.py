"""
Reading policies from JSON, and refusing those that say nothing, or nothing clear.

Source: AWS IAM User Guide, "Grammar of the IAM JSON policy language"; Amazon S3 User
Guide, "Policies and permissions in Amazon S3".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from godos.model.errors import InvalidRequest
from godos.protocol.policies_conditions import Condition, condition
from godos.protocol.policies_statements import ARN, Policy, Principals, Resource, Statement
from godos.protocol.policies_templates import Template, template
from godos.protocol.policies_wildcards import Wildcards, tokens, wildcards

MAX_POLICY = 20 << 10  # bytes of a bucket's policy
VARIABLES_SINCE = "2012-10-17"
_VERSIONS = ("2008-10-17", VARIABLES_SINCE)
_POLICY = frozenset(("Version", "Id", "Statement"))
_EITHER = ("Principal", "Action", "Resource")  # or that with Not before it
_STATEMENT = frozenset(
    ("Sid", "Effect", "Condition", *_EITHER, *(f"Not{name}" for name in _EITHER))
)
_KINDS = frozenset(("AWS", "CanonicalUser", "Service", "Federated"))
_ACTION = re.compile(r"\*|[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+")
_MAX_SHOWN = 100


class MalformedPolicy(InvalidRequest):
    """A text is no policy; `str()` says where and why."""


def read_bucket_policy(text: str, bucket: str) -> Policy:
    """
    Read a policy that is to be a bucket's.

    Raises:
        MalformedPolicy: it is none, is larger than 20 KB, or is about other buckets.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_POLICY:
        raise MalformedPolicy(f"a policy has at most {MAX_POLICY} bytes")
    document = _json(text)
    policy = _policy(document, with_principals=True)
    for number, statement in enumerate(policy.statements, 1):
        for resource in statement.resources:
            if not _is_of(resource.template, bucket):
                raise MalformedPolicy(
                    f"statement {number} is about another bucket than {bucket}: its resources "
                    f"start with {ARN}{bucket}"
                )
    return policy


def stored_bucket_policy(text: str) -> Policy:
    """
    Read again what `read_bucket_policy` accepted.

    Raises:
        MalformedPolicy: it cannot be read.
    """
    return _policy(_json(text), with_principals=True)


def read_user_policy(document: Mapping[str, Any]) -> Policy:
    """
    Read what one user may do: a policy whose statements name no principals.

    Raises:
        MalformedPolicy: it cannot be read.
    """
    return _policy(document, with_principals=False)


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)
    except RecursionError as error:
        raise MalformedPolicy("it is nested too deeply") from error
    except ValueError as error:
        raise MalformedPolicy(f"a policy is JSON, and this is not: {error}") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name one would be lost, and it might be the Deny."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedPolicy(f"{_shown(twice)} comes twice in one object")
    return members


def _no_number(text: str) -> None:
    raise MalformedPolicy(f"{text} is no value")


def _shown(value: Any) -> str:
    """A value as it is told of: short, and never deep."""
    if not isinstance(value, str):
        return "nothing" if value is None else f"a value of another type ({type(value).__name__})"
    return repr(value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…")


def _policy(document: Any, with_principals: bool) -> Policy:
    if not isinstance(document, Mapping):
        raise MalformedPolicy('a policy is an object: {"Version": …, "Statement": [ … ]}')
    _only(document, _POLICY, "a policy")
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise MalformedPolicy(f"Version is {' or '.join(_VERSIONS)}, not {_shown(version)}")
    if not isinstance(document.get("Id", ""), str):
        raise MalformedPolicy("Id is a text")
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicy("Statement is missing; it is a list of one or more statements")
    reader = _Reader(variables=version == VARIABLES_SINCE, with_principals=with_principals)
    return Policy(tuple(reader.statements(statements)), version)


def _only(document: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = next((name for name in document if name not in known), None)
    if unknown is not None:
        raise MalformedPolicy(f"{what} has no element {_shown(unknown)}")


def _is_of(resource: Template, bucket: str) -> bool:
    """Whether a resource can be this bucket, or something in it."""
    if not resource.parts:
        return False
    head = "".join(part if isinstance(part, str) else "*" for part in _until_key(resource))
    return wildcards(head).matches(ARN + bucket)


def _until_key(resource: Template) -> Iterator[Any]:
    """The parts before the slash that ends the bucket's name."""
    for part in resource.parts:
        if isinstance(part, str) and "/" in part:
            yield part.partition("/")[0]
            return
        yield part


class _Reader:
    """
    Args:
        variables: whether `${aws:username}` is a variable.
        with_principals: whether statements say whom they are about.
    """

    def __init__(self, variables: bool, with_principals: bool) -> None:
        self._variables = variables
        self._with_principals = with_principals

    def statements(self, documents: list[Any]) -> Iterator[Statement]:
        for number, document in enumerate(documents, 1):
            try:
                yield self._statement(document)
            except MalformedPolicy as error:
                raise MalformedPolicy(f"in statement {number}: {error}") from error

    def _statement(self, document: Any) -> Statement:
        if not isinstance(document, Mapping):
            raise MalformedPolicy("a statement is an object")
        _only(document, _STATEMENT, "a statement")
        effect, sid = document.get("Effect"), document.get("Sid", "")
        if effect not in ("Allow", "Deny"):
            raise MalformedPolicy(f"Effect is Allow or Deny, not {_shown(effect)}")
        if not isinstance(sid, str):
            raise MalformedPolicy("Sid is a text")
        actions, not_actions = _either(document, "Action")
        resources, not_resources = _either(document, "Resource")
        principals, not_principals = self._principals(document, effect == "Allow")
        return Statement(
            allows=effect == "Allow",
            actions=tuple(_action(each) for each in _texts("Action", actions)),
            resources=tuple(self._resource(each) for each in _texts("Resource", resources)),
            principals=principals,
            conditions=tuple(self._conditions(document.get("Condition", {}))),
            not_actions=not_actions,
            not_resources=not_resources,
            not_principals=not_principals,
            sid=sid,
        )

    def _principals(
        self, document: Mapping[str, Any], allows: bool
    ) -> tuple[Principals | None, bool]:
        if not self._with_principals:
            if "Principal" in document or "NotPrincipal" in document:
                raise MalformedPolicy("a user's own policy names no principal")
            return None, False
        named, excepted = _either(document, "Principal")
        if excepted and allows:
            raise MalformedPolicy("NotPrincipal goes with Deny: with Allow it lets in the rest")
        return _principals(named), excepted

    def _resource(self, text: str) -> Resource:
        if text != "*" and not text.startswith("arn:"):
            raise MalformedPolicy(f"{_shown(text)} is no resource; one is {ARN}bucket/key")
        read = self._template(_canonical(text))
        return Resource(read, Wildcards(read.tokens) if read.fixed else None)

    def _template(self, text: str) -> Template:
        try:
            return template(text, self._variables)
        except ValueError as error:
            raise MalformedPolicy(str(error)) from error

    def _conditions(self, document: Any) -> Iterator[Condition]:
        if not isinstance(document, Mapping):
            raise MalformedPolicy('Condition is an object: {"StringEquals": {"s3:prefix": "a/"}}')
        for name, keys in document.items():
            if not isinstance(keys, Mapping) or not keys:
                raise MalformedPolicy(f"the condition {_shown(name)} is no object of keys")
            for key, values in keys.items():
                if ":" not in key:
                    raise MalformedPolicy(f"{_shown(key)} is no condition key; one is aws:SourceIp")
                templates = [self._template(value) for value in _values(key, values)]
                try:
                    yield condition(name, key, templates)
                except ValueError as error:
                    raise MalformedPolicy(f"condition on {_shown(key)}: {error}") from error


def _either(document: Mapping[str, Any], name: str) -> tuple[Any, bool]:
    """The value of `name` or of `Not` + name, and whether it was the latter."""
    if (name in document) == (f"Not{name}" in document):
        raise MalformedPolicy(f"a statement has one of {name} and Not{name}")
    excepted = name not in document
    return document[f"Not{name}" if excepted else name], excepted


def _texts(name: str, value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
        raise MalformedPolicy(f"{name} is a text, or a list of texts")
    return values


def _values(key: str, value: Any) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise MalformedPolicy(f"the condition key {_shown(key)} is compared with nothing")
    for each in values:
        if isinstance(each, bool):
            yield "true" if each else "false"
        elif isinstance(each, str | int | float):
            yield str(each)
        else:
            raise MalformedPolicy(f"the condition key {_shown(key)} is compared with texts")


def _action(text: str) -> Wildcards:
    if _ACTION.fullmatch(text) is None:
        raise MalformedPolicy(f"{_shown(text)} is no action; one is s3:GetObject")
    return Wildcards(tokens(text.lower()))


def _canonical(resource: str) -> str:
    """
    An ARN without region and account, which names of buckets do not need: some tools write
    the account in.
    """
    pieces = resource.split(":", 5)
    if len(pieces) == 6 and pieces[2] == "s3" and not pieces[3]:
        return ":".join((*pieces[:4], "", pieces[5]))
    return resource


def _principals(value: Any) -> Principals:
    if value == "*":
        return Principals(everyone=True)
    if not isinstance(value, Mapping) or not value:
        raise MalformedPolicy('Principal is "*", or an object: {"AWS": "arn:aws:iam:::user/id"}')
    _only(value, _KINDS, "Principal")
    texts = {kind: frozenset(_texts(kind, named)) for kind, named in value.items()}
    for kind, named in texts.items():
        for text in named:
            if not text or (("*" in text or "?" in text) and (kind, text) != ("AWS", "*")):
                raise MalformedPolicy(
                    f'{_shown(text)} is no principal: the only wildcard is {{"AWS": "*"}}'
                )
    return Principals(
        "*" in texts.get("AWS", ()),
        texts.get("AWS", frozenset()),
        texts.get("CanonicalUser", frozenset()),
        texts.get("Service", frozenset()),
    )
