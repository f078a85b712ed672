"""Tells twistd of `godos`; importing this imports none of it."""

from twisted.application.service import ServiceMaker

embedded = ServiceMaker(
    "godos, all in one process",
    "godos.service.embedded",
    "An object store in one process: nothing else is needed.",
    "godos",
)
