"""Tells twistd of `godos-api`; importing this imports none of it."""

from twisted.application.service import ServiceMaker

api = ServiceMaker(
    "godos API server",
    "godos.service.api",
    "API server of a godos cluster: clients connect to it.",
    "godos-api",
)
