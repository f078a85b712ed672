"""The files that twistd leaves in the folder it was started in."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def name_files(twistd: MutableMapping[str, Any] | None, name: str) -> tuple[str, str] | None:
    """
    Give pid file and log the daemon's own name, so that two in one folder do not clash.

    What was named on the command line stays.  In the foreground there is no pid file: the
    folder may not be writable, and who started the process knows it.

    Args:
        twistd: the options of twistd, changed here; None stands for none.

    Returns:
        the names of log and pid file, or None in the foreground.
    """
    if twistd is None:
        return None
    foreground = twistd["nodaemon"] or twistd["debug"]
    # Not ==: `--pidfile twistd.pid` is a name that somebody wrote, though the same text.
    if twistd["pidfile"] is _default(twistd, "pidfile"):
        twistd["pidfile"] = "" if foreground else f"{name}.pid"
    if foreground:
        return None
    if not twistd["logfile"]:
        twistd["logfile"] = f"{name}.log"
    return "syslog" if twistd["syslog"] else twistd["logfile"], twistd["pidfile"]


def _default(twistd: MutableMapping[str, Any], option: str) -> object:
    return getattr(twistd, "defaults", {}).get(option)
