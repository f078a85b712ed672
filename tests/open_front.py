"""The S3 API of a server without users, over any store."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import maybeDeferred

from godos.objects.credentials import FileCredentials
from godos.service.s3 import S3Front, s3_front
from godos.service.s3_settings import S3Settings
from godos.web.counters import Counters


def open_front(clock: Any, objects: Any, counters: Counters) -> S3Front:
    """Put together as the daemons do it; documents and digests are read at once."""
    return s3_front(
        clock,
        objects,
        FileCredentials(()),
        S3Settings((), "us-east-1", (), (), None, None, 86400.0),
        None,
        maybeDeferred,
        counters,
        None,
        clock.seconds,
    )
