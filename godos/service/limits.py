"""How many files and connections this process may have open."""

from __future__ import annotations

import resource

from twisted.logger import Logger

WANTED = 65_536  # of files and sockets; each connection is one

_log = Logger()


def raise_open_files() -> int:
    """
    Lift the soft limit of open files as far as the hard one allows; answers what it is.

    Distributions set 1024 for programs that use `select`; a busy server needs more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:
            _log.warn("open files stay limited to {soft}: {error}", soft=soft, error=error)
            return soft
        return wanted
    return soft
