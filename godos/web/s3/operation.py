"""One operation of S3, compiled from the service's description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from attrs import frozen

from godos.web.answers import Answer
from godos.web.errors import S3Error
from godos.web.exchange import Headers
from godos.web.s3.parsing import Parser
from godos.web.s3.rendering import Renderer
from godos.web.target import Target


class Level(Enum):
    """What an operation is of."""

    STORE = "the store"
    BUCKET = "a bucket"
    KEY = "an object"


@frozen(eq=False)
class Operation:
    """
    What a request may ask, and how it and its answer are written.

    `payload_member` is the member that the body carries, of a document as of an object.
    `has_xml_body`: it is a document (of XML, or the JSON of a policy), to be collected up
    to `body_limit` bytes and given to `read_body`; else it is an object, or nothing.
    `requires_checksum`: a body without Content-MD5 or x-amz-checksum- header is refused.
    """

    name: str
    method: bytes
    level: Level
    sub_resources: frozenset[str]
    status: int
    payload_member: str | None
    requires_body: bool
    requires_checksum: bool
    body_limit: int
    parser: Parser
    reader: Callable[[bytes], dict[str, Any]] | None
    renderer: Renderer

    @property
    def has_xml_body(self) -> bool:
        """Whether the body is a document."""
        return self.reader is not None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the query that mean something."""
        return self.parser.queries

    def parse(self, target: Target, headers: Headers) -> dict[str, Any]:
        """See `Parser.parse`."""
        return self.parser.parse(target, headers)

    def read_body(self, raw: bytes) -> dict[str, Any]:
        """
        The members that the body carries, to be merged into the request.

        Safe in any thread.  An empty body has none.

        Raises:
            S3Error: MissingRequestBodyError, MaxMessageLengthExceeded, MalformedXML (or
                what `quirks.MALFORMED` says).
        """
        if self.reader is None:
            return {}
        if len(raw) > self.body_limit:
            raise S3Error(
                "MaxMessageLengthExceeded", f"{self.name} takes {self.body_limit} bytes at most"
            )
        if raw:
            return self.reader(raw)
        if self.requires_body:
            raise S3Error("MissingRequestBodyError", f"{self.name} needs a body")
        return {}

    def render(
        self,
        result: Mapping[str, Any] | None = None,
        as_json: bool = False,
        status: int | None = None,
    ) -> Answer:
        """See `Renderer.render`."""
        return self.renderer.render(result, as_json, status)
