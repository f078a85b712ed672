"""At which address other servers reach this one."""

from __future__ import annotations

from collections.abc import Callable

from godos.service.binding import EVERYWHERE, Binding, own_address
from godos.service.values import joined

_ALL = (EVERYWHERE, "0.0.0.0", "::")


def advertised(
    told: str | None, binding: Binding, port: int, own: Callable[[], str] = own_address
) -> str:
    """
    `host:port` for the catalog.

    Args:
        told: what `--advertise` says; it wins.
        port: that was really taken.
    """
    if told is not None:
        return told
    if binding.interface in _ALL:
        return joined(own(), port)
    return binding.reach(port)
