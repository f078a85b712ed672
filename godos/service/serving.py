"""From parsed options to the service that twistd runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from godos.model.errors import CannotStart
from godos.service.announce import going_to_background
from godos.service.daemon import Assembly, Daemon, Tuning, say
from godos.service.ending import Ending
from godos.service.limits import raise_open_files
from godos.service.listening import bound
from godos.service.logs import log_observer
from godos.service.memory import reuse_buffers, spare_the_collector
from godos.service.options import DaemonOptions

TUNING = Tuning(lambda: (raise_open_files(), reuse_buffers()), spare_the_collector)

Assemble = Callable[[Any, Any], Assembly]


def daemon_service(options: DaemonOptions, assemble: Assemble, reactor: Any = None) -> Daemon:
    """
    The daemon of these options; nothing is started.

    Args:
        assemble: puts the parts together, given `options.parsed` and the reactor.

    Raises:
        SystemExit: the log cannot be written, or the port not be had, and nobody would see it
            in the background; its text is the line that says so.
    """
    if reactor is None:
        from twisted.internet import reactor
    try:
        if options.background is not None:
            bound(options.parsed.binding).close()
        observer = log_observer(options.parent, options["log-level"])
    except CannotStart as error:
        raise SystemExit(f"{options.daemon}: {error}") from error
    except OSError as error:
        raise SystemExit(f"{options.daemon}: cannot write the log: {error}") from error
    if options.background is not None:
        binding = options.parsed.binding
        where = binding.reach(binding.port)
        for line in going_to_background(options.daemon, where, *options.background):
            say(line)
    return Daemon(
        assemble(options.parsed, reactor), reactor, Ending(reactor), observer, tuning=TUNING
    )
