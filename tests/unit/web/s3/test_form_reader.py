"""Forms are taken apart while they arrive, however they are cut, and are bounded."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from godos.model.errors import BodyStalled, IncompleteBody
from godos.web.errors import InvalidArgument, S3Error
from godos.web.request_body import RequestBody
from godos.web.s3.form_reader import (
    MAX_BEFORE,
    MAX_FIELDS,
    MAX_HEADER,
    Form,
    FormReader,
    boundary_of,
)
from tests.unit.web.streaming_wire import Sink

BOUNDARY = b"xYzZY"
END = b"--xYzZY--\r\n"


def part(name: str, value: bytes, filename: str | None = None, more: str = "") -> bytes:
    """One part of a form."""
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--xYzZY\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{more}\r\n'
    return head.encode() + value + b"\r\n"


FILE = b"line\r\n--xYz\r\n\r\n--xYzZ not the boundary\r\n-" + bytes(range(256))
WHOLE = part("key", b"cats/${filename}") + part("Acl", b"private") + part("file", FILE, "a.jpg")


class Wire:
    """A client that sends a form, piece by piece, as long as it is read."""

    def __init__(self, boundary: bytes = BOUNDARY) -> None:
        self.reading = False
        self.body = RequestBody(self, None)
        self.reader = FormReader(boundary)
        self.opened: list[Any] = []
        self.file: list[Any] = []
        self.sink = Sink()
        self.work = self.reader.open(self.body)
        self.work.addBoth(self.opened.append)

    def read_body(self) -> None:
        self.reading = True

    def rest_body(self) -> None:
        self.reading = False

    def send(self, data: bytes, piece: int = 0) -> Wire:
        for at in range(0, len(data), piece or max(len(data), 1)):
            self.body.data_arrived(data[at : at + (piece or len(data))])
        return self

    def end(self) -> Wire:
        self.body.all_arrived()
        return self

    def take(self, paused: bool = False) -> Wire:
        """Somebody wants the file."""
        self.sink = Sink(paused)
        self.form.file.deliver_to(self.sink).addBoth(self.file.append)
        return self

    @property
    def form(self) -> Form:
        assert self.opened and isinstance(self.opened[0], Form), self.opened
        return self.opened[0]

    def refused(self) -> Any:
        """Why there is no form, or no file of it."""
        found = (self.file or self.opened)[0]
        assert hasattr(found, "value"), found
        return found.value

    def code(self) -> str:
        error = self.refused()
        assert isinstance(error, S3Error), error
        return error.code

    @property
    def taken(self) -> bytes:
        assert self.file == [None] and self.sink.ended
        return b"".join(self.sink.pieces)


# -- forms as they should be ------------------------------------------------------------------
@pytest.mark.parametrize("piece", [0, 1, 2, 3, 7, 64])
def test_however_it_is_cut(piece: int) -> None:
    """Fields, file name and file are the same whatever pieces they come in."""
    wire = Wire().send(WHOLE + END, piece).take().end()
    assert wire.form.fields == {"key": "cats/${filename}", "acl": "private"}
    assert wire.form.names == {"key": "key", "acl": "Acl"}
    assert wire.form.filename == "a.jpg"
    assert wire.taken == FILE


@pytest.mark.parametrize("cut", range(len(WHOLE), len(WHOLE + END) + 1))
def test_cuts_in_the_last_boundary(cut: int) -> None:
    """No byte of the boundary becomes one of the file."""
    form = WHOLE + END
    wire = Wire().send(form[:cut]).take().send(form[cut:]).end()
    assert wire.taken == FILE


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_sizes(size: int) -> None:
    """Files of any size, and empty ones."""
    wire = Wire().send(part("file", b"f" * size, "") + END, 10_000).take().end()
    assert wire.taken == b"f" * size


def test_empty_lines_before() -> None:
    """Line breaks before the first boundary are nothing."""
    assert Wire().send(b"\r\n\r\n" + WHOLE + END).take().end().taken == FILE


def test_headers_of_parts() -> None:
    """Headers in any case and order; names in UTF-8."""
    form = (
        b"--xYzZY\r\ncontent-type: text/plain\r\n"
        b'CONTENT-DISPOSITION: form-data; name="x-amz-meta-\xc3\xa9"\r\n\r\n\xc3\xa9\r\n'
    )
    wire = Wire().send(form + part("FILE", b"f", "päth/\\é.jpg", "Content-Type: image/jpeg\r\n"))
    assert wire.form.fields == {"x-amz-meta-é": "é"}
    assert wire.form.filename.endswith("é.jpg")


def test_fields_after_the_file() -> None:
    """They count for nothing, whatever they say."""
    after = part("key", b"other") + part("acl", b"\xff" * 50_000)
    wire = Wire().send(part("key", b"a") + part("file", FILE) + after + END, 1000).take().end()
    assert wire.form.fields == {"key": "a"}
    assert wire.taken == FILE


def test_bytes_after_the_form() -> None:
    """They are dropped, and kept nowhere."""
    wire = Wire().send(WHOLE + END).take()
    wire.send(b"junk\r\n--xYzZY\r\n" * 10_000, 1000).end()
    assert wire.taken == FILE


# -- pace -------------------------------------------------------------------------------------
def test_the_file_waits_until_it_is_wanted() -> None:
    """Until somebody takes the file the client is not read from."""
    wire = Wire().send(WHOLE[: -len(FILE)])
    assert wire.form.file.length is None
    assert not wire.reading
    wire.take()
    assert wire.reading


def test_pauses_reach_the_client() -> None:
    """A consumer that rests stops the reading, and starts it again."""
    wire = Wire().send(part("file", b"")[:-2])
    wire.take(paused=True)
    assert not wire.reading
    wire.sink.producer.resumeProducing()
    assert wire.reading
    wire.send(b"some")
    wire.sink.producer.pauseProducing()
    assert not wire.reading
    wire.send(b" more\r\n" + END).end()
    assert wire.file == []
    wire.sink.producer.resumeProducing()
    assert wire.taken == b"some more"


def test_the_file_ends_with_the_form() -> None:
    """As long as there may come something that spoils the form, the file is not whole."""
    wire = Wire().send(WHOLE).take()
    wire.send(b"--xYzZY\r\n")
    assert wire.reading and wire.file == []


# -- forms that are none ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        b"hello, world",
        b"--other\r\n\r\n",
        b"--xYzZYjunk\r\n",
        b"--xYzZY\r\nno header\r\n\r\n",
        b"--xYzZY\r\n: x\r\n\r\n",
        b"--xYzZY\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n" + END,
        b"--xYzZY\r\nContent-Type: text/plain\r\n\r\nvalue\r\n" + END,
        b"--xYzZY\r\n\r\nvalue\r\n" + END,
    ],
)
def test_no_forms(body: bytes) -> None:
    """What is no form, or has a part without name, is refused as such."""
    assert Wire().send(body).end().code() == "MalformedPOSTRequest"


@pytest.mark.parametrize("body", [b"", END, part("key", b"a") + END, part("key", b"a")])
def test_no_file(body: bytes) -> None:
    """A form without file is refused once it is over."""
    wire = Wire().send(body)
    if END in body:
        assert wire.opened  # nobody waits for what comes after it
    error = wire.end().refused()
    assert isinstance(error, InvalidArgument) and "file" in str(error)


def test_two_files() -> None:
    """Of two files neither is stored."""
    wire = Wire().send(WHOLE).take().send(part("file", b"2", "b.jpg") + END).end()
    assert wire.code() == "IncorrectNumberOfFilesInPostRequest"
    assert not wire.sink.ended


def test_fields_that_come_twice() -> None:
    """A field that says two things says nothing, also in another case."""
    error = Wire().send(part("key", b"a") + part("KEY", b"b") + WHOLE).refused()
    assert isinstance(error, InvalidArgument) and "twice" in str(error)


def test_fields_that_are_no_text() -> None:
    """Fields are UTF-8."""
    assert isinstance(Wire().send(part("key", b"\xff") + WHOLE).refused(), InvalidArgument)


@pytest.mark.parametrize("boundary", [b"", b"x" * 257])
def test_boundaries_that_are_none(boundary: bytes) -> None:
    """A boundary is neither empty nor endless."""
    with pytest.raises(S3Error) as error:
        FormReader(boundary)
    assert error.value.code == "MalformedPOSTRequest"


# -- forms that are too large -----------------------------------------------------------------
TOO_LARGE = "MaxPostPreDataLengthExceeded"


def test_fields_may_be_as_large_as_s3_has_them() -> None:
    """20 KiB of names and values, and no byte more."""
    full = part("key", b"k") + part("policy", b"p" * (MAX_FIELDS - len("keykpolicy")))
    assert Wire().send(full + WHOLE[len(part("key", b"cats/${filename}")) :]).code() == TOO_LARGE
    wire = Wire().send(full + part("file", FILE) + END, 1000).take().end()
    assert wire.taken == FILE
    assert Wire().send(full + part("a", b"") + part("file", FILE) + END).code() == TOO_LARGE


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (part("key", b"")[:-2], b"v" * 1000),  # a value that does not end
        (b"", b"\r\n" * 500),  # no boundary at all
        (b'--xYzZY\r\nContent-Disposition: form-data; name="', b"n" * 1000),
        (b"--xYzZY\r\n", b"h" * 1000),
        (b"--xYzZY\r\n", b"a: b\r\n" * 100),
    ],
)
def test_what_never_ends(start: bytes, more: bytes) -> None:
    """A form without end is refused after so much before its file."""
    wire = Wire().send(start)
    for _ in range(MAX_BEFORE // 500):
        if wire.opened:
            break
        wire.send(more)
    assert wire.code() in (TOO_LARGE, "MalformedPOSTRequest")


def test_many_small_fields() -> None:
    """What the boundaries of parts take is bounded, too."""
    wire = Wire()
    for number in range(10_000):
        wire.send(part(str(number), b""))
        if wire.opened:
            break
    assert wire.code() == TOO_LARGE


def test_headers_after_the_file_are_bounded() -> None:
    """Nor is there a header without end after the file."""
    wire = Wire().send(WHOLE).take().send(b"--xYzZY\r\nA: ")
    for _ in range(3 * MAX_HEADER // 1000):
        if not wire.file:
            wire.send(b"h" * 1000)
    assert wire.code() == "MalformedPOSTRequest"


# -- clients that leave -----------------------------------------------------------------------
@pytest.mark.parametrize("cut", [0, 10, len(WHOLE) - len(FILE), len(WHOLE) - 5])
def test_forms_that_break_off(cut: int) -> None:
    """A form that ends within a field or its file has no file."""
    wire = Wire().send(WHOLE[:cut])
    if wire.opened:
        wire.take()
    wire.end()
    assert isinstance(wire.refused(), InvalidArgument | IncompleteBody)
    assert not wire.sink.ended


@pytest.mark.parametrize("error", [IncompleteBody("gone"), BodyStalled("slow")])
@pytest.mark.parametrize("cut", [5, len(WHOLE) - 50, len(WHOLE)])
def test_clients_that_leave(cut: int, error: Exception) -> None:
    """Whoever waits, for the form or its file, is told why it does not come."""
    wire = Wire().send(WHOLE[:cut])
    if wire.opened:
        wire.take()
    wire.body.lose(error)
    wire.body.tell()
    assert wire.refused() is error
    assert not wire.sink.ended


def test_leaving_before_the_file_is_wanted() -> None:
    """A file whose client left fails when it is wanted."""
    wire = Wire().send(WHOLE[:-20])
    wire.body.lose(IncompleteBody("gone"))
    wire.body.tell()
    assert isinstance(wire.take().refused(), IncompleteBody)


def test_giving_up() -> None:
    """Who gives up waiting for the form leaves nothing behind."""
    wire = Wire().send(WHOLE[:5])
    wire.work.cancel()
    assert wire.opened[0].check(CancelledError)
    wire.body.discard()
    assert not wire.reading


def test_a_form_that_nobody_wants() -> None:
    """Once the request is answered nothing of the file is kept or read."""
    wire = Wire().send(WHOLE[: -len(FILE)])
    wire.body.discard()
    assert not wire.reading
    wire.send(FILE)
    assert isinstance(wire.take().refused(), IncompleteBody)


# -- which requests are forms -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        (None, None),
        (b"", None),
        (b"multipart/form-data", None),
        (b"application/x-www-form-urlencoded", None),
        (b"multipart/mixed; boundary=x", None),
        (b"multipart/form-data; boundary=x", b"x"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="x y"', b"x y"),
        (b"multipart/form-data; boundary=", b""),
    ],
)
def test_boundary_of(kind: bytes | None, boundary: bytes | None) -> None:
    """The Content-Type tells that it is a form, and its boundary."""
    assert boundary_of(kind) == boundary
