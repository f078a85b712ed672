"""Reading `multipart/form-data`: the fields first, then the file as a body that streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import GodosError, IncompleteBody
from godos.web.errors import InvalidArgument, S3Error
from godos.web.request_body import RequestBody

MAX_FIELDS = 20 << 10  # bytes of names and values.  Source: Amazon S3 API Reference, POST Object
MAX_BEFORE = 128 << 10  # bytes before the file in all: boundaries and headers of parts, too
MAX_HEADER = 8 << 10  # bytes of one header of a part
MAX_BOUNDARY = 256  # bytes; RFC 2046, section 5.1.1, has 70 at most
_FILE = "file"


@frozen
class Form:
    """
    What stood before the file, by lower-case name, and the file.

    `names` are the fields' names as they were written.
    """

    fields: Mapping[str, str]
    names: Mapping[str, str]
    filename: str
    file: RequestBody


def boundary_of(content_type: bytes | None) -> bytes | None:
    """The boundary of a form's Content-Type; None: it is no form."""
    if content_type is None:
        return None
    kind, options = parse_options_header(content_type)
    return options.get(b"boundary") if kind == b"multipart/form-data" else None


@implementer(IConsumer)
class FormReader:
    """
    Takes one form apart while it arrives.

    Fields after the file count for nothing, as in S3.  The file ends with the form, so that
    nothing is stored of one that breaks off, or has a second file.  Nothing of it is read
    from the client before somebody wants it.

    Raises:
        S3Error: MalformedPOSTRequest; `boundary` is none.
    """

    def __init__(self, boundary: bytes) -> None:
        if not 0 < len(boundary) <= MAX_BOUNDARY:
            raise _malformed(f"its boundary has 1 to {MAX_BOUNDARY} bytes")
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
        )
        self._form: Deferred[Form] = Deferred()
        self._producer: Any = None
        self._parsing = self._wanted = False
        self._fields: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._size = self._arrived = 0
        self._name: str | None = None  # of the field that is read now
        self._value = b""
        self._header = self._header_text = b""
        self._disposition: tuple[str, str] = ("", "")
        self.file: RequestBody | None = None  # from when its part begins
        self._file_ended = self._form_ended = False

    @deferred
    async def open(self, body: IBody) -> Form:
        """
        Read up to the file.

        Raises:
            S3Error: it is no form, has no file, or too much before it.
            IncompleteBody, BodyStalled: as `IBody.deliver_to`.
        """
        body.deliver_to(self).addCallbacks(self._whole, self._failed)
        return await self._form

    # -- IConsumer, for the request's body -------------------------------------------------
    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Called by the body."""
        assert streaming, "bodies are push producers"
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Called by the body after its last byte."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Called by the body; what is raised here becomes its failure."""
        if self._form_ended:
            return  # what comes after it is nothing
        self._parsing = True
        try:
            self._parser.write(data)
        finally:
            self._parsing = False
        if self.file is None:
            self._arrived += len(data)
            if self._arrived > MAX_BEFORE:
                raise _too_much(MAX_BEFORE)
        if self._wanted:
            self._wanted = False
            self.read_body()

    # -- BodySource, for the file ------------------------------------------------------------
    def read_body(self) -> None:
        """Called by the file, perhaps from within a write: the parser is not re-entrant."""
        if self._parsing:
            self._wanted = True
        elif self._producer is not None:
            self._producer.resumeProducing()

    def rest_body(self) -> None:
        """Called by the file."""
        self._wanted = False
        if self._producer is not None:
            self._producer.pauseProducing()

    # -- what the parser finds -----------------------------------------------------------------
    def _part_begins(self) -> None:
        self._disposition, self._name, self._value = ("", ""), None, b""

    def _header_name(self, data: bytes, start: int, stop: int) -> None:
        self._header += data[start:stop]
        self._bound_header()

    def _header_value(self, data: bytes, start: int, stop: int) -> None:
        self._header_text += data[start:stop]
        self._bound_header()

    def _bound_header(self) -> None:
        if len(self._header) + len(self._header_text) > MAX_HEADER:
            raise _malformed(f"a header of a part has at most {MAX_HEADER} bytes")

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_text)
            self._disposition = (
                options.get(b"name", b"").decode("utf-8", "replace"),
                options.get(b"filename", b"").decode("utf-8", "replace"),
            )
        self._header = self._header_text = b""

    def _headers_end(self) -> None:
        name, filename = self._disposition
        if self.file is not None:
            if name.lower() == _FILE:
                raise S3Error("IncorrectNumberOfFilesInPostRequest", "a form uploads one file")
            return
        if not name:
            raise _malformed("each of its parts has a Content-Disposition with a name")
        if name.lower() != _FILE:
            self._count(len(name))
            self._name = name
            return
        self.file = RequestBody(self, None)
        self.rest_body()
        self._form.callback(Form(self._fields, self._names, filename, self.file))

    def _data(self, data: bytes, start: int, stop: int) -> None:
        if self.file is not None:
            if not self._file_ended:
                self.file.data_arrived(data[start:stop])
        elif self._name is not None:
            self._count(stop - start)
            self._value += data[start:stop]

    def _part_ends(self) -> None:
        if self.file is not None:
            self._file_ended = True
        elif self._name is not None:
            self._keep(self._name, self._value)

    def _form_ends(self) -> None:
        self._form_ended = True
        if self.file is None:
            raise _no_file()

    def _keep(self, name: str, value: bytes) -> None:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"the form's field {name[:80]!r} is not UTF-8") from error
        short = name.lower()
        if short in self._fields:
            raise InvalidArgument(f"the form has the field {name[:80]!r} twice")
        self._fields[short], self._names[short] = text, name

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_FIELDS:
            raise _too_much(MAX_FIELDS)

    # -- the end ---------------------------------------------------------------------------------
    def _whole(self, _: None) -> None:
        if self.file is None:
            self._form.errback(_no_file())
        elif self._file_ended:
            self.file.all_arrived()
        else:
            self._lose(self.file, IncompleteBody("the form ended within its file"))

    def _failed(self, failure: Failure) -> None:
        error: Any = failure.value
        if failure.check(FormParserError) is not None:
            error = _malformed(str(error))
        if self.file is not None:
            if not isinstance(error, GodosError):
                error = IncompleteBody("the form was not read to its end")
            self._lose(self.file, error)
        else:
            self._form.errback(error)

    def _lose(self, file: RequestBody, error: Exception) -> None:
        file.lose(error)
        file.tell()


def _malformed(why: str) -> S3Error:
    return S3Error("MalformedPOSTRequest", f"the body is no multipart form: {why}")


def _no_file() -> InvalidArgument:
    return InvalidArgument("the form has no file: a part named file, after all others")


def _too_much(most: int) -> S3Error:
    return S3Error(
        "MaxPostPreDataLengthExceeded", f"a form has at most {most} bytes before its file"
    )
