"""Names: buckets, keys, fragments.  Text is parsed here once and trusted from there on."""

from __future__ import annotations

import os
import re

from attrs import field, frozen

from godos.model.errors import InvalidBucketName, InvalidKey, KeyTooLong

MAX_KEY = 1024  # bytes of UTF-8.  Source: Amazon S3 User Guide, "Object key names"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_INCARNATION = re.compile(r"[0-9a-f]{32}")
_FRAGMENT = re.compile(r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,2})")


# Ids drawn ahead: asking the kernel for each costs 30 µs on a busy server, and each
# request needs several.
_drawn: list[str] = []
_AHEAD = 256


def new_id() -> str:
    """
    128 random bits as 32 hex digits: incarnations, revs, boot ids, reference ids.

    They come from the kernel's generator and are never given twice by one process.
    """
    try:
        return _drawn.pop()
    except IndexError:
        fresh = os.urandom(16 * _AHEAD).hex()
        _drawn.extend(fresh[at : at + 32] for at in range(32, len(fresh), 32))
        return fresh[:32]


# A child of a fork must not give the ids that its parent gives.
os.register_at_fork(after_in_child=_drawn.clear)


def is_id(text: str) -> bool:
    """Tell whether `text` has the form of a `new_id`."""
    return _INCARNATION.fullmatch(text) is not None


def bucket_name(raw: str) -> str:
    """
    Check a bucket name.

    Raises:
        InvalidBucketName: it breaks a rule.  Source: Amazon S3 User Guide, "General
            purpose bucket naming rules".
    """
    if (
        _BUCKET.fullmatch(raw) is None
        or ".." in raw
        or _ADDRESS.fullmatch(raw) is not None
        or raw.startswith("xn--")
        or raw.endswith("-s3alias")
    ):
        raise InvalidBucketName(
            f"{raw[:80]!r} is no bucket name: 3 to 63 lower-case letters, digits, dots and "
            "hyphens, starting and ending with a letter or digit"
        )
    return raw


def object_key(raw: bytes) -> str:
    """
    Check an object name, given as the bytes after percent-decoding once.

    Every sequence of 1 to 1024 bytes of UTF-8 is a name, and none is normalised.

    Raises:
        InvalidKey: it is empty or not UTF-8.
        KeyTooLong: it has more than 1024 bytes.
    """
    if not raw:
        raise InvalidKey("an object name has at least one byte")
    if len(raw) > MAX_KEY:
        raise KeyTooLong(f"an object name has at most {MAX_KEY} bytes of UTF-8, not {len(raw)}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidKey("an object name is UTF-8, percent-encoded once") from error


@frozen(order=True)
class FragmentName:
    """
    The name of what one node stores of a blob: `<incarnation>.<index>`.

    It is also the file's name on disk, and so made only of hex digits and an index.
    """

    incarnation: str
    index: int = field()

    def __str__(self) -> str:
        return f"{self.incarnation}.{self.index}"

    @classmethod
    def parse(cls, text: str) -> FragmentName:
        """
        Read `<incarnation>.<index>`.

        Raises:
            ValueError: `text` is not of that form.
        """
        match = _FRAGMENT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:80]!r} is no fragment name")
        return cls(match[1], int(match[2]))
