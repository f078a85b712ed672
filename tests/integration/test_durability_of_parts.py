"""A 200 means durable for uploads in parts, copies and tags: a server killed under load."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import md5
from pathlib import Path
from urllib.parse import quote

import requests
from attrs import define, field

from tests.integration.cluster import PATIENCE, embedded, until
from tests.integration.contents import KIB, MIB, content

WRITERS = 3
KILLS = 5
FIRST = 5 * MIB  # bytes of a part that is not the last
LAST = (0, 1, 100 * KIB, 2 * MIB)


class Gone(Exception):
    """The server was killed under the request: nothing is known of it."""


@define
class Refused(Exception):
    """The server answered with an error."""

    status: int
    text: str


@define
class S3:
    """The few requests that are needed here, as any client makes them."""

    url: str
    session: requests.Session

    def ask(self, method: str, target: str, **more: object) -> requests.Response:
        """Raises: Gone; Refused: the answer was no success."""
        try:
            answer = self.session.request(
                method,
                f"{self.url}/objects/{target}",
                timeout=PATIENCE,
                **more,  # type: ignore[arg-type]
            )
        except requests.RequestException as error:
            raise Gone from error
        if not answer.ok or "<Error>" in answer.text[:200]:
            raise Refused(answer.status_code, answer.text[:500])
        return answer

    def begin(self, key: str) -> str:
        """The id of a new upload."""
        text = self.ask("POST", f"{key}?uploads").text
        found = re.search("<UploadId>(.*)</UploadId>", text)
        assert found is not None, text
        return found[1]

    def send(self, key: str, upload: str, number: int, body: bytes) -> None:
        target = f"{key}?partNumber={number}&uploadId={upload}"
        etag = self.ask("PUT", target, data=body).headers["ETag"]
        assert etag == etag_of(body)

    def copy_part(self, key: str, upload: str, number: int, source: str) -> None:
        target = f"{key}?partNumber={number}&uploadId={upload}"
        self.ask("PUT", target, headers={"x-amz-copy-source": f"/objects/{quote(source)}"})

    def complete(self, key: str, upload: str, parts: Sequence[bytes]) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag_of(body)}</ETag></Part>"
            for number, body in enumerate(parts, 1)
        )
        document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
        self.ask("POST", f"{key}?uploadId={upload}", data=document)

    def copy(self, key: str, source: str) -> None:
        self.ask("PUT", key, headers={"x-amz-copy-source": f"/objects/{quote(source)}"})

    def tag(self, key: str, value: int) -> None:
        tag = f"<Tag><Key>n</Key><Value>{value}</Value></Tag>"
        self.ask("PUT", f"{key}?tagging", data=f"<Tagging><TagSet>{tag}</TagSet></Tagging>")

    def tagged(self, key: str) -> int:
        """What `tag` wrote last; 0 for nothing."""
        found = re.search("<Value>(.*)</Value>", self.ask("GET", f"{key}?tagging").text)
        return 0 if found is None else int(found[1])


def etag_of(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


@define
class Name:
    """A name: what it may hold, and what of that was acknowledged last."""

    key: str
    may: list[bytes] = field(factory=list)  # the oldest of them was acknowledged
    sure: bool = False

    def trying(self, body: bytes) -> None:
        self.may.append(body)

    def done(self) -> None:
        """The last try was acknowledged."""
        self.may, self.sure = self.may[-1:], True

    def check(self, url: str) -> None:
        """It holds, whole, what was acknowledged last or what was on its way since."""
        got = requests.get(f"{url}/objects/{self.key}", timeout=PATIENCE)
        if got.status_code == 404 and not self.sure:
            return
        assert got.status_code == 200, (self.key, got.status_code, got.text[:500])
        assert got.content in self.may, f"{self.key} holds what it never should"
        self.may, self.sure = [got.content], True


@define
class Writer:
    """Makes objects of parts, copies and tags them, until the server is gone."""

    number: int
    generation: int = 0
    done: int = 0
    tag: int = 0  # acknowledged last
    tried: int = 0
    whole: Name = field(init=False)
    copied: Name = field(init=False)
    joined: Name = field(init=False)
    tags: Name = field(init=False)
    open: list[tuple[str, list[bytes]]] = field(factory=list)  # uploads whose parts are all there
    refusals: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.whole, self.copied, self.joined, self.tags = (
            Name(f"{what}-{self.number}") for what in ("whole", "copied", "joined", "tags")
        )

    @property
    def names(self) -> Iterator[Name]:
        return iter((self.whole, self.copied, self.joined, self.tags))

    def run(self, url: str) -> None:
        with requests.Session() as session:
            s3 = S3(url, session)
            try:
                while True:
                    self._round(s3)
            except Gone:
                return
            except Refused as refused:
                self.refusals.append(repr(refused))

    def _round(self, s3: S3) -> None:
        self.generation += 1
        first = content(f"{self.number}", self.generation, FIRST)
        last = content(f"last {self.number}", self.generation, random.choice(LAST))
        self._go_on(s3)
        upload = s3.begin(self.whole.key)
        s3.send(self.whole.key, upload, 2, b"sent again")
        s3.send(self.whole.key, upload, 1, first)
        s3.send(self.whole.key, upload, 2, last)
        self.open.append((upload, [first, last]))
        self._go_on(s3)
        self._write(self.copied, first + last, lambda: s3.copy(self.copied.key, self.whole.key))
        self.tag = self.tried = 0  # a new object has no tags
        self._write(self.tags, last, lambda: s3.ask("PUT", self.tags.key, data=last))
        self._tag(s3)
        upload = s3.begin(self.joined.key)
        s3.send(self.joined.key, upload, 1, first)
        s3.copy_part(self.joined.key, upload, 2, self.tags.key)
        parts = [first, last]
        self._write(self.joined, first + last, lambda: s3.complete(self.joined.key, upload, parts))

    def _go_on(self, s3: S3) -> None:
        """Complete what was sent: after a kill the parts that were acknowledged are there."""
        while self.open:
            upload, parts = self.open[-1]
            body = b"".join(parts)
            self._write(self.whole, body, partial(s3.complete, self.whole.key, upload, parts))
            self.open.pop()

    def _write(self, name: Name, body: bytes, work: Callable[[], object]) -> None:
        name.trying(body)
        work()
        name.done()
        self.done += 1

    def _tag(self, s3: S3) -> None:
        for self.tried in (1, 2):
            s3.tag(self.tags.key, self.tried)
            self.tag = self.tried
            self.done += 1

    def check(self, url: str) -> None:
        for name in self.names:
            name.check(url)
        if self.tag:
            with requests.Session() as session:
                assert self.tag <= S3(url, session).tagged(self.tags.key) <= self.tried


def test_killed_under_uploads_in_parts_and_copies(tmp_path: Path) -> None:
    """
    Acknowledged parts can be completed after a kill, acknowledged completions, copies and
    tags are there, and of those that were under way the old object or the new one is, whole.
    """
    writers = [Writer(number) for number in range(WRITERS)]
    with embedded(tmp_path) as server, ThreadPoolExecutor(WRITERS) as threads:
        for _ in range(KILLS):
            url = server.start().await_announced().url
            for writer in writers:
                writer.check(url)
            wanted = sum(writer.done for writer in writers) + random.randrange(3, 25)
            work = [threads.submit(writer.run, url) for writer in writers]
            until(lambda wanted=wanted: _done(writers) >= wanted)
            server.kill()
            for one in work:
                one.result(PATIENCE)
        url = server.start().await_announced().url
        for writer in writers:
            writer.check(url)
        assert server.end() == 0
    assert [refusal for writer in writers for refusal in writer.refusals] == []


def _done(writers: Sequence[Writer]) -> int:
    refusals = [refusal for writer in writers for refusal in writer.refusals]
    assert not refusals, refusals
    return sum(writer.done for writer in writers)
