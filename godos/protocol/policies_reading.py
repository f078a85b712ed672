"""
Reading policies from JSON, and refusing those that say nothing, or nothing clear.

Source: AWS IAM User Guide, "Grammar of the IAM JSON policy language"; Amazon S3 User
Guide, "Policies and permissions in Amazon S3".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from godos.protocol.policies_parsing import MalformedPolicy as MalformedPolicy
from godos.protocol.policies_parsing import StatementReader, check_elements, shown
from godos.protocol.policies_statements import ARN, Policy
from godos.protocol.policies_templates import Template
from godos.protocol.policies_wildcards import wildcards

MAX_POLICY = 20 << 10  # bytes of a bucket's policy
VARIABLES_SINCE = "2012-10-17"
_VERSIONS = ("2008-10-17", VARIABLES_SINCE)
_POLICY = frozenset(("Version", "Id", "Statement"))


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
        raise MalformedPolicy(f"{shown(twice)} comes twice in one object")
    return members


def _no_number(text: str) -> None:
    raise MalformedPolicy(f"{text} is no value")


def _policy(document: Any, with_principals: bool) -> Policy:
    if not isinstance(document, Mapping):
        raise MalformedPolicy('a policy is an object: {"Version": …, "Statement": [ … ]}')
    check_elements(document, _POLICY, "a policy")
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise MalformedPolicy(f"Version is {' or '.join(_VERSIONS)}, not {shown(version)}")
    if not isinstance(document.get("Id", ""), str):
        raise MalformedPolicy("Id is a text")
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicy("Statement is missing; it is a list of one or more statements")
    reader = StatementReader(variables=version == VARIABLES_SINCE, with_principals=with_principals)
    return Policy(tuple(reader.statements(statements)), version)


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
