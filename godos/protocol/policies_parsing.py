"""
Reading the statements of a policy.

Source: AWS IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from godos.model.errors import InvalidRequest
from godos.protocol.policies_conditions import Condition, condition
from godos.protocol.policies_statements import ARN, Principals, Resource, Statement
from godos.protocol.policies_templates import Template, template
from godos.protocol.policies_wildcards import Wildcards, tokens

_EITHER = ("Principal", "Action", "Resource")  # or that with Not before it
_STATEMENT = frozenset(
    ("Sid", "Effect", "Condition", *_EITHER, *(f"Not{name}" for name in _EITHER))
)
_KINDS = frozenset(("AWS", "CanonicalUser", "Service", "Federated"))
_ACTION = re.compile(r"\*|[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+")
_MAX_SHOWN = 100


class MalformedPolicy(InvalidRequest):
    """A text is no policy; `str()` says where and why."""


def shown(value: Any) -> str:
    """A value as it is told of: short, and never deep."""
    if not isinstance(value, str):
        return "nothing" if value is None else f"a value of another type ({type(value).__name__})"
    return repr(value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…")


def check_elements(document: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """
    Raises:
        MalformedPolicy: an object has an element that is not known.
    """
    unknown = next((name for name in document if name not in known), None)
    if unknown is not None:
        raise MalformedPolicy(f"{what} has no element {shown(unknown)}")


class StatementReader:
    """
    Reads statements, and refuses those that say nothing clear.

    Args:
        variables: whether `${aws:username}` is a variable.
        with_principals: whether statements say whom they are about.
    """

    def __init__(self, variables: bool, with_principals: bool) -> None:
        self._variables = variables
        self._with_principals = with_principals

    def statements(self, documents: list[Any]) -> Iterator[Statement]:
        """
        Read a policy's statements.

        Raises:
            MalformedPolicy: one cannot be read; the message says which.
        """
        for number, document in enumerate(documents, 1):
            try:
                yield self._statement(document)
            except MalformedPolicy as error:
                raise MalformedPolicy(f"in statement {number}: {error}") from error

    def _statement(self, document: Any) -> Statement:
        if not isinstance(document, Mapping):
            raise MalformedPolicy("a statement is an object")
        check_elements(document, _STATEMENT, "a statement")
        effect, sid = document.get("Effect"), document.get("Sid", "")
        if effect not in ("Allow", "Deny"):
            raise MalformedPolicy(f"Effect is Allow or Deny, not {shown(effect)}")
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
            raise MalformedPolicy(f"{shown(text)} is no resource; one is {ARN}bucket/key")
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
                raise MalformedPolicy(f"the condition {shown(name)} is no object of keys")
            for key, values in keys.items():
                if ":" not in key:
                    raise MalformedPolicy(f"{shown(key)} is no condition key; one is aws:SourceIp")
                templates = [self._template(value) for value in _values(key, values)]
                try:
                    yield condition(name, key, templates)
                except ValueError as error:
                    raise MalformedPolicy(f"condition on {shown(key)}: {error}") from error


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
        raise MalformedPolicy(f"the condition key {shown(key)} is compared with nothing")
    for each in values:
        if isinstance(each, bool):
            yield "true" if each else "false"
        elif isinstance(each, str | int | float):
            yield str(each)
        else:
            raise MalformedPolicy(f"the condition key {shown(key)} is compared with texts")


def _action(text: str) -> Wildcards:
    if _ACTION.fullmatch(text) is None:
        raise MalformedPolicy(f"{shown(text)} is no action; one is s3:GetObject")
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
    check_elements(value, _KINDS, "Principal")
    texts = {kind: frozenset(_texts(kind, named)) for kind, named in value.items()}
    for kind, named in texts.items():
        for text in named:
            if not text or (("*" in text or "?" in text) and (kind, text) != ("AWS", "*")):
                raise MalformedPolicy(
                    f'{shown(text)} is no principal: the only wildcard is {{"AWS": "*"}}'
                )
    return Principals(
        "*" in texts.get("AWS", ()),
        texts.get("AWS", frozenset()),
        texts.get("CanonicalUser", frozenset()),
        texts.get("Service", frozenset()),
    )
