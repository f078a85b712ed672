"""
CPU of the S3 API: what a signature costs, and listings, parts, deletes and encryption.

    python -m bench.s3 [--rounds 5] [--count 1000]

Two servers run side by side: one without users, whose requests are not signed, and one
with a user who owns the bucket.  The cases take turns, round by round, so that whatever
else the machine does meets all of them; of the rounds the median counts, after one to warm
up.  CPU is user and system time of all processes of the server, in ms for each operation.
"""

from __future__ import annotations

import argparse
import base64
import secrets
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from hashlib import md5
from pathlib import Path
from zlib import crc32

from attrs import define, evolve, field, frozen

from bench.processes import cpu_seconds
from bench.s3_load import Loaded, answer, load
from bench.s3_requests import Requests
from bench.s3_suite import random_key, secret_file
from bench.servers import Server, embedded

KIB, MIB = 1 << 10, 1 << 20
SMALL = b"x" * (4 * KIB)
PART = secrets.token_bytes(5 * MIB)
BUCKET, LISTED = "/bench/", "/listed"  # where objects go; a bucket of exactly LIST_KEYS
LIST_KEYS = 1000
ENCRYPTED = {"x-amz-server-side-encryption": "AES256"}
CHECKED = {
    "x-amz-checksum-crc32": base64.b64encode(crc32(SMALL).to_bytes(4)).decode(),
    "x-amz-sdk-checksum-algorithm": "CRC32",
}
USERS = """\
[[user]]
id = "bench"
name = "bench"
access_key = "{}"
secret_key = "{}"
"""


@frozen
class Place:
    """A server, and how it is asked."""

    server: Server
    requests: Requests

    def put(self, name: str, headers: dict[str, str] | None = None, body: bytes = SMALL) -> bytes:
        """A PUT of an object, or of a part."""
        return self.requests.of("PUT", BUCKET + name, body, headers or {})

    def get(self, name: str) -> bytes:
        """A GET of an object."""
        return self.requests.of("GET", BUCKET + name)

    def list(self) -> bytes:
        """One page of LIST_KEYS."""
        return self.requests.of("GET", f"{LISTED}?list-type=2&max-keys={LIST_KEYS}")

    def delete(self, names: Sequence[str]) -> bytes:
        """A delete of many objects."""
        keys = "".join(f"<Object><Key>{name}</Key></Object>" for name in names)
        body = f"<Delete><Quiet>true</Quiet>{keys}</Delete>".encode()
        digest = base64.b64encode(md5(body).digest()).decode()
        return self.requests.of("POST", "/bench?delete", body, {"Content-MD5": digest})


@define(eq=False)
class Case:
    """
    One line of the table.

    `make` is given a round and a number, from 0 to `count`, and makes a request;
    `cpu` are the ms of each operation, `loaded` what the load saw, round by round.
    """

    what: str
    place: Place
    make: Callable[[int, int], bytes]
    count: int
    connections: int = 32
    cpu: list[float] = field(factory=list)
    loaded: list[Loaded] = field(factory=list)

    def run(self, turn: int) -> None:
        """One round."""
        requests = [self.make(turn, number) for number in range(self.count)]
        before = cpu_seconds(self.place.server.pids)
        loaded = load(self.place.requests.address, requests, self.connections)
        used = cpu_seconds(self.place.server.pids) - before
        if loaded.refused:
            raise SystemExit(f"{self.what}: {loaded.refused[0].decode('latin-1')}")
        if turn:  # the first is to warm up
            self.cpu.append(used / self.count * 1e3)
            self.loaded.append(loaded)

    @property
    def ms(self) -> float:
        """CPU of an operation."""
        return statistics.median(self.cpu)

    def row(self) -> str:
        """A line for people."""
        rate = statistics.median(self.count / each.duration for each in self.loaded)
        p50, p99 = (
            statistics.median(each.percentile(part) for each in self.loaded) * 1e3
            for part in (0.5, 0.99)
        )
        spread = f"{min(self.cpu):.3f}-{max(self.cpu):.3f}"
        return f"{self.what:<38} {rate:>9.1f} {p50:>8.2f} {p99:>8.2f} {self.ms:>10.3f}  {spread}"


HEAD = f"{'what':<38} {'ops/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms/op':>10}  of rounds"


def small_cases(plain: Place, signed: Place, count: int) -> dict[str, Case]:
    """PUT and GET of 4 KiB in all ways; each GET reads what its round's PUT wrote."""
    ways = {
        "unsigned": (plain, {}),
        "signed": (signed, {}),
        "signed, CRC32": (signed, CHECKED),
        "signed, encrypted": (signed, ENCRYPTED),
    }
    cases = {}
    for way, (place, headers) in ways.items():
        name = way.replace(", ", "-")

        def put(
            turn: int,
            number: int,
            place: Place = place,
            name: str = name,
            headers: dict[str, str] = headers,
        ) -> bytes:
            return place.put(f"{name}-{turn}-{number}", headers)

        def get(turn: int, number: int, place: Place = place, name: str = name) -> bytes:
            return place.get(f"{name}-{turn}-{number}")

        cases[f"PUT {way}"] = Case(f"PUT 4 KiB {way}", place, put, count)
        if headers is not CHECKED:
            cases[f"GET {way}"] = Case(f"GET 4 KiB {way}", place, get, count)
    return cases


def bulk_cases(plain: Place, signed: Place, upload: str, count: int) -> dict[str, Case]:
    """Listings, parts and deletes, of which one operation is much work."""

    def part(body: bytes, first: int, many: int) -> Callable[[int, int], bytes]:
        # a new number each time: parts that are sent anew wait for each other
        return lambda turn, number: signed.put(
            f"parts?partNumber={first + turn * many + number}&uploadId={upload}", body=body
        )

    def delete(turn: int, _: int) -> bytes:
        return signed.delete([f"signed-{turn}-{number}" for number in range(count)])

    def listing(place: Place) -> Callable[[int, int], bytes]:
        return lambda _turn, _number: place.list()

    keys, parts = f"{LIST_KEYS} keys", min(count, 500)
    return {
        "LIST unsigned": Case(f"LIST {keys} unsigned", plain, listing(plain), 50, 4),
        "LIST signed": Case(f"LIST {keys} signed", signed, listing(signed), 50, 4),
        "UploadPart": Case("UploadPart 4 KiB signed", signed, part(SMALL, 1, parts), parts),
        "UploadPart 5 MiB": Case("UploadPart 5 MiB signed", signed, part(PART, 9000, 16), 16, 4),
        "DELETE many": Case(f"multi-delete of {count} signed", signed, delete, 1, 1),
    }


# What is promised: a case, the one it is compared with (or none), and the most it may cost more.
MARKS = (
    ("GET signed", "GET unsigned", 0.12),
    ("PUT signed", "PUT unsigned", 0.12),
    ("LIST signed", None, 8.0),
)


def verdicts(cases: dict[str, Case]) -> list[str]:
    """How the marks are kept, in sentences."""
    told = []
    for name, base, mark in MARKS:
        case = cases[name]
        if base is None:
            cost, what = case.ms, case.what
        else:
            # pairs of one round saw the same machine
            pairs = zip(case.cpu, cases[base].cpu, strict=True)
            cost = statistics.median(one - other for one, other in pairs)
            what = f"{case.what}, beyond an unsigned one"
        told.append(f"{what}: {cost:.3f} ms (mark {mark}: {'kept' if cost <= mark else 'MISSED'})")
    return told


def prepared(place: Place) -> str:
    """Make buckets, fill the one that is listed, begin an upload; answers the upload's id."""
    requests = place.requests
    for bucket in (BUCKET.rstrip("/"), LISTED):
        answer(requests.address, requests.of("PUT", bucket))
    keys = [
        requests.of("PUT", f"{LISTED}/photos/2026/{number:08}.jpg", SMALL)
        for number in range(LIST_KEYS)
    ]
    load(requests.address, keys, 32)
    begun = answer(requests.address, requests.of("POST", BUCKET + "parts?uploads"))
    return begun.partition(b"<UploadId>")[2].partition(b"<")[0].decode()


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--count", type=int, default=1000, help="small operations of a round")
    parser.add_argument("--only", default="", help="measure only cases with this in their name")
    parser.add_argument("--dir", type=Path, default=Path("bench-data"), help="where data goes")
    return parser.parse_args()


def measure(options: argparse.Namespace, stack: ExitStack, place: Path) -> dict[str, Case]:
    """Start both servers and run all cases."""
    key = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
    files = [
        *("--credentials", secret_file(place / "users.toml", USERS.format(*key))),
        *("--master-key", secret_file(place / "master.key", random_key() + "\n")),
    ]
    open_server = stack.enter_context(embedded(place / "open"))
    closed = stack.enter_context(embedded(place / "users", *files))
    plain = Place(evolve(open_server, name="open"), Requests(open_server.base))
    signed = Place(evolve(closed, name="users"), Requests(closed.base, key))
    prepared(plain)
    upload = prepared(signed)
    cases = small_cases(plain, signed, options.count)
    cases |= bulk_cases(plain, signed, upload, options.count)
    chosen = {name: case for name, case in cases.items() if options.only in name}
    for turn in range(options.rounds + 1):
        for case in chosen.values():
            case.run(turn)
    return chosen


def main() -> int:
    """Measure, and print a table and how the marks are kept."""
    options = arguments()
    options.dir.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=options.dir.resolve()))
    try:
        with ExitStack() as stack:
            cases = measure(options, stack, place)
    finally:
        shutil.rmtree(place)
    print("\n".join([HEAD, *(case.row() for case in cases.values())]))
    if not options.only:
        print("\n".join(verdicts(cases)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
