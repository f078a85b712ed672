"""Verified bytes on their way out of a node."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.deferreds import InThread
from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, Unavailable
from godos.model.fragments import BLOCK, CHUNK, IFragmentReader
from godos.storage.checks import first_bad_block
from godos.storage.counters import Counters
from godos.storage.files import IFiles
from godos.storage.footer import Trailer

T = TypeVar("T")


@implementer(IFragmentReader)
class HeldReader:
    """Bytes that were read and verified already."""

    def __init__(self, header: FragmentHeader, data: bytes) -> None:
        self.header = header
        self._data = data

    def read(self) -> Deferred[bytes]:
        """All of it, then nothing."""
        data, self._data = self._data, b""
        return succeed(data)

    def close(self) -> Deferred[None]:
        """Let go of the bytes."""
        self._data = b""
        return succeed(None)


class BlockFile:
    """
    The payload of a large fragment's file, read in whole blocks.  It blocks, and is used by
    one thread at a time.
    """

    def __init__(self, files: IFiles, fd: int, trailer: Trailer, counters: Counters) -> None:
        self.header = trailer.header
        self._files = files
        self._fd: int | None = fd
        self._checks = trailer.checks
        self._counters = counters
        self._lock = Lock()

    def read(self, start: int, stop: int) -> bytes:
        """
        Bytes [start, stop).

        Raises:
            FragmentDamaged: a block of them fails its check.
        """
        name, length = self.header.name, self.header.length
        first = start // BLOCK
        offset, end = first * BLOCK, min(length, -(-stop // BLOCK) * BLOCK)
        with self._lock:
            if self._fd is None:
                raise Unavailable("the reader was closed")
            try:
                data = self._files.read(self._fd, end - offset, offset)
            except OSError as error:
                self._counters.damaged += 1
                raise FragmentDamaged(f"fragment {name} cannot be read: {error}") from error
        bad = first_bad_block(name, first, data, self._checks)
        if bad is not None or len(data) != end - offset:
            self._counters.damaged += 1
            block = first if bad is None else bad
            raise FragmentDamaged(f"fragment {name} fails the check of its block {block}")
        return data if (start, stop) == (offset, end) else data[start - offset : stop - offset]

    def check(self, start: int, stop: int) -> None:
        """Read [start, stop) and throw it away.  Raises FragmentDamaged."""
        for offset in range(start, stop, CHUNK):
            self.read(offset, min(offset + CHUNK, stop))

    def expect_sequential(self) -> None:
        """Have the kernel read ahead further."""
        if self._fd is not None:
            self._files.expect_sequential(self._fd)

    def forget_cache(self) -> None:
        """Have the next reads ask the disk."""
        if self._fd is not None:
            self._files.forget(self._fd)

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        with self._lock:
            fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):  # nothing was written
                self._files.close(fd)


@implementer(IFragmentReader)
class FileReader:
    """
    Bytes [start, stop) of a large fragment, read `CHUNK` by `CHUNK` in a thread.

    The first chunk comes verified with it, so that the first `read` answers at once.
    """

    def __init__(self, file: BlockFile, start: int, stop: int, in_thread: InThread) -> None:
        self.header = file.header
        self._file = file
        self._position = start
        self._stop = stop
        self._in_thread = in_thread
        self._first: bytes | None = self._next()

    def _next(self) -> bytes:
        """The bytes up to where a chunk ends.  Blocks."""
        if self._position >= self._stop:
            return b""
        end = min(self._stop, (self._position // CHUNK + 1) * CHUNK)
        data = self._file.read(self._position, end)
        self._position = end
        return data

    def read(self) -> Deferred[bytes]:
        """The next verified bytes; see IFragmentReader."""
        first, self._first = self._first, None
        if first is not None:
            return succeed(first)
        if self._position >= self._stop:
            return succeed(b"")
        return self._in_thread(self._next)

    def close(self) -> Deferred[None]:
        """Let go of the file; see IFragmentReader."""
        self._first = None
        return self._in_thread(self._file.close)


def or_release(opening: Deferred[T], release: Callable[[T], object]) -> Deferred[T]:
    """
    The result of `opening`, which runs in a thread and cannot be stopped.

    When the caller cancels, `release` gets the result that nobody waits for any more.
    """
    cancelled = False

    def cancel(_: Deferred[T]) -> None:
        nonlocal cancelled
        cancelled = True

    outer: Deferred[T] = Deferred(cancel)

    def opened(result: T | Failure) -> None:
        if not cancelled:
            outer.callback(result)  # with a Failure this is errback
        elif not isinstance(result, Failure):
            release(result)

    opening.addBoth(opened)
    return outer
