"""
S3's operations, compiled from the description that botocore ships.

The description is read from the installed botocore, and never copied; the tests pin what
is used of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from godos.web.s3.operation import Level, Operation
from godos.web.s3.parsing import compile_parser
from godos.web.s3.quirks import BODY_LIMITS, DEFAULT_BODY_LIMIT, STATUS
from godos.web.s3.rendering import compile_renderer
from godos.web.s3.served import SERVED
from godos.web.s3.xml_reading import compile_document

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel, Shape

__all__ = ["Operation", "operations", "service", "sub_resources"]


@cache
def service() -> ServiceModel:
    """The description; reading it takes some 50 ms."""
    # Here, because importing botocore costs every process 0.2 s, and data servers need none.
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")


@cache
def operations() -> Mapping[str, Operation]:
    """The operations that are served, by name; compiled at the first call."""
    model = service()
    return {name: _compile(model.operation_model(name)) for name in sorted(SERVED)}


@cache
def sub_resources() -> frozenset[str]:
    """The parameters that select an operation, of all operations that the description has."""
    model = service()
    names: set[str] = set()
    for name in model.operation_names:
        names |= _selecting(model.operation_model(name).http["requestUri"])
    return frozenset(names)


def _selecting(uri: str) -> set[str]:
    """`acl` of `/{Bucket}?acl`; parameters with a value, such as `list-type=2`, are not."""
    return {part for part in uri.partition("?")[2].split("&") if part and "=" not in part}


def _compile(model: OperationModel) -> Operation:
    uri: str = model.http["requestUri"]
    shape = model.input_shape
    payload: str | None = shape.serialization.get("payload") if shape is not None else None
    body = shape.members[payload] if shape is not None and payload is not None else None
    status = STATUS.get(model.name, int(model.http.get("responseCode", 200)))
    return Operation(
        name=model.name,
        method=model.http["method"].encode(),
        level=_level(uri),
        sub_resources=frozenset(_selecting(uri)),
        status=status,
        payload_member=payload,
        requires_body=shape is not None and payload in shape.required_members,
        requires_checksum=bool(model.http_checksum.get("requestChecksumRequired")),
        body_limit=BODY_LIMITS.get(model.name, DEFAULT_BODY_LIMIT),
        parser=compile_parser(shape),
        reader=_reader(payload, body),
        renderer=compile_renderer(model, status),
    )


def _level(uri: str) -> Level:
    if "{Key+}" in uri:
        return Level.KEY
    return Level.BUCKET if "{Bucket}" in uri else Level.STORE


def _reader(member: str | None, shape: Shape | None) -> Callable[[bytes], dict[str, Any]] | None:
    if member is None or shape is None or shape.type_name == "blob":
        return None
    if shape.type_name == "string":
        return _text_reader(member)
    return compile_document(member, shape)


def _text_reader(member: str) -> Callable[[bytes], dict[str, Any]]:
    def read(raw: bytes) -> dict[str, Any]:
        return {member: raw.decode("utf-8", "replace")}

    return read
