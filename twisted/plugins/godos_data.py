"""Tells twistd of `godos-data`; importing this imports none of it."""

from twisted.application.service import ServiceMaker

data = ServiceMaker(
    "godos data server",
    "godos.service.data",
    "Data server of a godos cluster: it keeps objects on its disks.",
    "godos-data",
)
