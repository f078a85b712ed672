"""
Clients that write, read and delete all the time, and know what they must see.

Each client owns its keys, so it knows what each of them may hold: one version, or, while
nobody told whether a write happened, one of several.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import requests
from attrs import define, field

from bench.chaos.contents import PIECE, Body, Content, size_of

RETRIES_FOR = 120.0  # seconds within which a retry must cure what failed
TIMEOUT = (5.0, 60.0)  # seconds to connect, and for the next bytes
_ABSENT = None


@define
class Tally:
    """What all clients saw."""

    done: Counter[str] = field(factory=Counter)  # operations that went well
    cured: Counter[str] = field(factory=Counter)  # errors that a retry cured, by kind
    wrong: list[str] = field(factory=list)  # what must never happen
    moved: int = 0  # bytes up and down
    lock: Any = field(factory=threading.Lock)

    def count(self, what: str, size: int = 0) -> None:
        with self.lock:
            self.done[what] += 1
            self.moved += size

    def failed(self, why: str) -> None:
        with self.lock:
            self.cured[why] += 1

    def violation(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)


class _Broken(Exception):
    """A request failed in a way that a client repeats; says how."""


class Client:
    """
    One thread's worth of load.

    `held` is what each key may hold: a set of Contents, None among them for "no object".
    """

    def __init__(self, number: int, seed: int, base: Callable[[], str], tally: Tally, largest: int):
        self._chance = random.Random(f"{seed}/{number}")
        self._seed, self._prefix = seed, f"c{number}/"
        self._base, self._tally, self._largest = base, tally, largest
        self._session = requests.Session()
        self._generation = 0
        self.held: dict[str, set[Content | None]] = {}

    # -- what it does -------------------------------------------------------------------
    def fill(self, objects: int, stop: threading.Event) -> None:
        """Write `objects` new ones."""
        for number in range(objects):
            if stop.is_set():
                return
            self.put(f"{self._prefix}{number:05d}")

    def run(self, stop: threading.Event) -> None:
        """A mixture of everything, until `stop` is set."""
        while not stop.is_set():
            key = self._chance.choice(sorted(self.held))
            draw = self._chance.random()
            if draw < 0.25:
                self.put(key)
            elif draw < 0.30:
                self.delete(key)
            elif draw < 0.65:
                self.get(key)
            elif draw < 0.95:
                self.get_range(key)
            else:
                self.listing()

    def check(self, stop: threading.Event) -> None:
        """Read everything whole."""
        for key in sorted(self.held):
            if stop.is_set():
                return
            self.get(key)

    # -- requests -----------------------------------------------------------------------
    def put(self, key: str) -> None:
        self._generation += 1
        size = size_of(self._chance, self._largest)
        new = Content(self._seed, key, self._generation, size)
        self.held.setdefault(key, {_ABSENT}).add(new)  # until it is known, it may be this

        def attempt() -> None:
            self._expect(self._request("PUT", key, data=Body(new) if size else b""), 200)

        if self._until_done(f"PUT {key} ({size} bytes)", attempt):
            self.held[key] = {new}
            self._tally.count("PUT", size)

    def delete(self, key: str) -> None:
        self.held[key].add(_ABSENT)
        if self._until_done(
            f"DELETE {key}", lambda: self._expect(self._request("DELETE", key), 204)
        ):
            self.held[key] = {_ABSENT}
            self._tally.count("DELETE")

    def get(self, key: str) -> None:
        self._read(key, None)

    def get_range(self, key: str) -> None:
        sizes = [content.size for content in self.held[key] if content is not None]
        least = min(sizes, default=0)
        if len(self.held[key]) > 1 or least < 2:
            self._read(key, None)
            return
        start = self._chance.randrange(least)
        stop = min(least, start + 1 + int(2 ** self._chance.uniform(0, 22)))
        self._read(key, (start, stop))

    def _read(self, key: str, span: tuple[int, int] | None) -> None:
        start, stop = span or (0, None)
        headers = {} if span is None else {"Range": f"bytes={start}-{stop - 1}"}

        def attempt() -> None:
            answer = self._request("GET", key, headers=headers, stream=True)
            with answer:
                if answer.status_code == 404:
                    self._saw(key, _ABSENT)
                    return
                self._expect(answer, 200 if span is None else 206)
                self._judge(key, span, *_digest(answer))

        what = f"GET {key}" + ("" if span is None else f" [{start}, {stop})")
        if self._until_done(what, attempt):
            self._tally.count("GET" if span is None else "GET range")

    def _judge(self, key: str, span: tuple[int, int] | None, size: int, digest: str) -> None:
        for content in self.held[key]:
            if content is None:
                continue
            start, stop = span or (0, content.size)
            if stop - start == size and content.digest(start, stop) == digest:
                self._tally.count("verified", size)
                self._saw(key, content)
                return
        self._tally.violation(f"WRONG BYTES: {key} {span}: {size} bytes, SHA-256 {digest}")

    def _saw(self, key: str, content: Content | None) -> None:
        """What a read shows is what it is from now on: no write of ours is under way."""
        if content not in self.held[key]:
            self._tally.violation(f"LOST: {key} is not there")
            return
        self.held[key] = {content}

    def listing(self) -> None:
        """All keys that must be there are listed, and none that must not."""
        found: set[str] = set()

        def attempt() -> None:
            found.clear()
            token = ""
            while True:
                page = {"list-type": "2", "prefix": self._prefix, "format": "json"}
                if token:
                    page["continuation-token"] = token
                answer = self._request("GET", "", params=page)
                self._expect(answer, 200)
                document = answer.json()
                found.update(entry["Key"] for entry in document["Contents"])
                if not document["IsTruncated"]:
                    return
                token = document["NextContinuationToken"]

        if self._until_done(f"LIST {self._prefix}", attempt):
            must = {key for key, held in self.held.items() if _ABSENT not in held}
            may = {key for key, held in self.held.items() if held != {_ABSENT}}
            for key in must - found:
                self._tally.violation(f"NOT LISTED: {key}")
            for key in found - may:
                self._tally.violation(f"LISTED, and deleted: {key}")
            self._tally.count("LIST")

    # -- how ----------------------------------------------------------------------------
    def _request(self, method: str, key: str, **more: Any) -> requests.Response:
        try:
            url = f"{self._base()}/objects/{key}" if key else f"{self._base()}/objects"
            return self._session.request(method, url, timeout=TIMEOUT, **more)
        except requests.RequestException as error:
            raise _Broken(f"{method}: {_innermost(error)}") from error

    @staticmethod
    def _expect(answer: requests.Response, status: int) -> None:
        if answer.status_code == status:
            return
        if answer.status_code >= 500:
            raise _Broken(f"{answer.request.method}: {answer.status_code} {_code(answer)}")
        raise AssertionError(f"{answer.status_code} for {answer.request.method}: {answer.text}")

    def _until_done(self, what: str, attempt: Callable[[], None]) -> bool:
        """Repeat it as a client does; tells whether it was done in time."""
        end = time.monotonic() + RETRIES_FOR
        pause = 0.1
        while True:
            try:
                attempt()
            except _Broken as error:
                why = str(error)
            except (AssertionError, ValueError, KeyError) as error:
                self._tally.violation(f"NOT UNDERSTOOD: {what}: {error}")
                return False
            else:
                return True
            self._tally.failed(why)
            if time.monotonic() > end:
                self._tally.violation(f"NOT CURED by retries for {RETRIES_FOR:g} s: {what}: {why}")
                return False
            time.sleep(pause)
            pause = min(2.0, 2 * pause)


def _digest(answer: requests.Response) -> tuple[int, str]:
    running, size = hashlib.sha256(), 0
    try:
        for piece in answer.iter_content(PIECE):
            running.update(piece)
            size += len(piece)
    except requests.RequestException as error:
        raise _Broken(f"GET broken off: {_innermost(error)}") from error
    if size != int(answer.headers["Content-Length"]):
        raise _Broken("GET broken off: short")
    return size, running.hexdigest()


def _innermost(error: BaseException) -> str:
    """What was at the bottom of it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return f"{type(error).__name__} {error}"[:80]


def _code(answer: requests.Response) -> str:
    text = answer.text
    return text.partition("<Code>")[2].partition("</Code>")[0] or text[:60]


class Load:
    """Clients in threads."""

    def __init__(self, clients: list[Client]) -> None:
        self.clients = clients
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[Client, threading.Event], None]) -> None:
        """Let every client do this, in a thread of its own."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=work, args=(client, self._stop), daemon=True)
            for client in self.clients
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all are done."""
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Let each finish its request."""
        self._stop.set()
        self.join()

    @property
    def held(self) -> Mapping[str, set[Content | None]]:
        """What all keys may hold."""
        return {key: held for client in self.clients for key, held in client.held.items()}
