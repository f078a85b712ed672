"""
Checksums, from a request's members and back.

Source: Amazon S3 User Guide, "Checking object integrity in Amazon S3".
"""

from __future__ import annotations

from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from godos.model.errors import BadDigest, InvalidRequest
from godos.model.versions import ChecksumType
from godos.web import digests
from godos.web.errors import InvalidArgument, UnsupportedFeature
from godos.web.exchange import IExchange
from godos.web.s3.call import Call, Request

# By the name in records -> bytes of a digest.
LENGTHS: Mapping[str, int] = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
_MEMBERS = {name: "Checksum" + name.upper() for name in LENGTHS}
_BY_MEMBER = {member: name for name, member in _MEMBERS.items()}
_NOT_KEPT = frozenset(
    "Checksum" + name for name in ("SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
)
_OF_PARTS = frozenset(("sha1", "sha256"))  # cannot be put together from those of the parts
_PREFIX = "x-amz-checksum-"
_STANDARD = {name: digests.READERS[name] for name in (b"digest", b"content-digest", b"repr-digest")}
_NOTHING: Mapping[str, bytes] = {}


@frozen
class Announced:
    """What a client says of a body's digests; as in `PutRequest`."""

    md5: bytes | None = None
    sha256: bytes | None = None
    checksums: Mapping[str, bytes] = field(factory=dict)
    checksum: str = ""
    in_trailer: bool = False


def algorithm_of(text: str) -> str:
    """
    The record's name for S3's name of an algorithm, such as CRC64NVME.

    Raises:
        InvalidRequest: there is no such algorithm here.
    """
    name = text.lower()
    if name not in LENGTHS:
        raise InvalidRequest(
            f"{text[:40]} is no checksum algorithm here; use one of "
            + ", ".join(known.upper() for known in LENGTHS)
        )
    return name


def announced(call: Call, request: Request) -> Announced:
    """
    The digests that the body must have, and the checksum that is to be kept.

    Raises:
        InvalidDigest, BadDigest: a digest is none, or two contradict each other.
        InvalidRequest: several checksums, or headers that do not fit each other.
        UnsupportedFeature: an algorithm that would not be checked.
    """
    given = [name for member, name in _BY_MEMBER.items() if member in request]
    if not _NOT_KEPT.isdisjoint(request):
        unknown = ", ".join(sorted(_NOT_KEPT & request.keys()))
        raise UnsupportedFeature(f"{unknown} is not there; use CRC64NVME, CRC32, SHA256, …")
    if len(given) > 1:
        raise InvalidRequest("more than one x-amz-checksum- header came; send one")
    trailer = _trailing(call.caller.trailer_names)
    if trailer and given and trailer != given[0]:
        raise InvalidRequest("header and trailer name different checksums; send one")
    checksum = given[0] if given else trailer
    _check_algorithm(request, checksum)
    checksums = {name: raw_digest(name, request[_MEMBERS[name]]) for name in given}
    md5, sha256 = _standard_digests(call.exchange)
    if md5 is sha256 is None and not checksum:
        return _NONE
    return Announced(md5, sha256, checksums, checksum, bool(trailer))


_NONE = Announced()


def _check_algorithm(request: Request, checksum: str) -> None:
    """`x-amz-sdk-checksum-algorithm` says which checksum comes: then that one comes."""
    text = request.get("ChecksumAlgorithm")
    if text is None:
        return
    algorithm = algorithm_of(text)
    if not checksum:
        raise InvalidRequest(
            f"x-amz-sdk-checksum-algorithm is {text[:40]}, but neither the header "
            f"{_PREFIX}{algorithm} nor a trailer of that name came"
        )
    if algorithm != checksum:
        raise InvalidRequest("x-amz-sdk-checksum-algorithm names another checksum than came")


def _trailing(names: Sequence[bytes]) -> str:
    """The checksum that comes after the body, "" for none."""
    if not names:
        return ""
    name = names[0].decode("latin-1")
    algorithm = name.removeprefix(_PREFIX)
    if len(names) > 1 or not name.startswith(_PREFIX) or algorithm not in LENGTHS:
        raise InvalidRequest(f"x-amz-trailer takes one checksum, such as {_PREFIX}crc32")
    return algorithm


def trailing_digests(call: Call) -> Mapping[str, bytes]:
    """
    The checksums that came after the body, once it has ended.

    Raises:
        BadDigest: one of them is no digest.
    """
    found = {}
    for name, value in call.caller.trailers.items():
        algorithm = name.decode("latin-1").removeprefix(_PREFIX)
        if algorithm in LENGTHS:
            found[algorithm] = raw_digest(algorithm, value.decode("latin-1").strip())
    return found


def _standard_digests(exchange: IExchange) -> tuple[bytes | None, bytes | None]:
    """MD5 and SHA-256 of the headers that HTTP has for them."""
    found: dict[str, bytes | None] = {"md5": None, "sha256": None}
    for name, value in exchange.headers():
        reader = digests.READERS.get(name)
        if reader is None:
            continue
        for algorithm, digest in reader(name, value):
            if found[algorithm] not in (None, digest):
                raise BadDigest(f"two headers announce different {algorithm} digests")
            found[algorithm] = digest
    return found["md5"], found["sha256"]


def raw_digest(algorithm: str, text: str) -> bytes:
    """
    The digest in `x-amz-checksum-<algorithm>`.

    Raises:
        BadDigest: it is none, and so no body has it.
    """
    digest = _decoded(text)
    if len(digest) != LENGTHS[algorithm]:
        raise BadDigest(f"{_PREFIX}{algorithm} is not the base64 of {LENGTHS[algorithm]} bytes")
    return digest


def _decoded(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (NotBase64, ValueError):
        return b""


def told_checksums(request: Request) -> Mapping[str, str]:
    """The checksums among the members, as they were sent: of parts and whole uploads."""
    return {name: request[member] for member, name in _BY_MEMBER.items() if member in request}


def checksum_type(request: Request) -> ChecksumType | None:
    """
    The type that a request names, None when it names none.

    Raises:
        InvalidArgument: there is no such type.
    """
    kind = request.get("ChecksumType")
    if kind is not None and kind not in ChecksumType.__members__:
        raise InvalidArgument("x-amz-checksum-type is COMPOSITE or FULL_OBJECT")
    return None if kind is None else ChecksumType[kind]


def upload_checksum(request: Request) -> tuple[str, ChecksumType]:
    """
    Algorithm ("" for none) and type of the checksum of an upload in parts.

    Raises:
        InvalidRequest: a type without an algorithm, or one that it cannot have.
        InvalidArgument: there is no such type.
    """
    text, chosen = request.get("ChecksumAlgorithm"), checksum_type(request)
    if text is None:
        if chosen is not None:
            raise InvalidRequest("x-amz-checksum-type needs x-amz-checksum-algorithm")
        return "", ChecksumType.COMPOSITE
    algorithm = algorithm_of(text)
    if chosen is None:
        whole = algorithm == "crc64nvme"
        return algorithm, ChecksumType.FULL_OBJECT if whole else ChecksumType.COMPOSITE
    impossible = {"crc64nvme"} if chosen is ChecksumType.COMPOSITE else _OF_PARTS
    if algorithm in impossible:
        raise InvalidRequest(f"{text} has no checksum of the type {chosen.value}")
    return algorithm, chosen


def checksum_members(
    checksums: Mapping[str, str], kind: ChecksumType | None = None
) -> Mapping[str, Any]:
    """Kept checksums as the members of an answer; with `kind` their type is told, too."""
    if not checksums:
        return _NOTHING
    told = {_MEMBERS[name]: value for name, value in checksums.items() if name in _MEMBERS}
    if kind is not None:
        told["ChecksumType"] = kind.value
    return told
