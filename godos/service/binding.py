"""Where a daemon listens: which port, which interface, and who may not be let in yet."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from attrs import frozen

from godos.service.settings import Chosen, SettingError
from godos.service.values import Address, joined

LOOPBACK = "127.0.0.1"
EVERYWHERE = ""  # as reactor.listenTCP takes it: all IPv4 interfaces
Resolve = Callable[[str], list[str]]


@frozen
class Binding:
    """The interface (an IP address, `EVERYWHERE` for all) and port to listen on."""

    interface: str
    port: int

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.interface)

    def reach(self, port: int) -> str:
        """`host:port` for a client on this machine, given the port that was really taken."""
        everywhere = {EVERYWHERE: LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}
        return joined(everywhere.get(self.interface, self.interface), port)


def is_loopback(interface: str) -> bool:
    """Whether an IP address is this machine's own; `EVERYWHERE` is not."""
    return interface != EVERYWHERE and ip_address(interface).is_loopback


def addresses_of(host: str) -> list[str]:
    """
    The IP addresses of a host name.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def bind_guarded(
    chosen: Mapping[str, Chosen], allow_anonymous: bool, resolve: Resolve = addresses_of
) -> Binding:
    """
    Where a server without credentials listens: on loopback, unless everybody may come.

    Raises:
        SettingError: another interface was asked for without `--allow-anonymous`.
    """
    address = chosen["address"].value or Address(None, 0)
    port = chosen_port(chosen)
    if address.host is None:
        asked = chosen["address"].value is not None
        return Binding(EVERYWHERE if asked and allow_anonymous else LOOPBACK, port)
    interfaces = _interfaces(chosen["address"], resolve)
    if not allow_anonymous and not all(is_loopback(one) for one in interfaces):
        raise SettingError(
            f"{chosen['address'].origin}: no credentials are set, so only a loopback address such "
            f"as {LOOPBACK}:{port} is served; --credentials FILE, or --credentials catalog, makes "
            "people sign, and --allow-anonymous lets everybody read and write"
        )
    return Binding(interfaces[0], port)


def bind_clients(
    chosen: Mapping[str, Chosen],
    allow_anonymous: bool,
    signed: bool,
    resolve: Resolve = addresses_of,
) -> Binding:
    """
    Where a server for clients listens: with credentials where it is told, by default on
    loopback; without them, see `bind_guarded`.

    Args:
        signed: requests must be signed.

    Raises:
        SettingError: see `bind_guarded`; or the host is unknown.
    """
    return bind_guarded(chosen, allow_anonymous or signed, resolve)


def bind_open(chosen: Mapping[str, Chosen], resolve: Resolve = addresses_of) -> Binding:
    """
    Where a server listens whose callers prove who they are: everywhere unless told otherwise.

    Raises:
        SettingError: the host is unknown.
    """
    address = chosen["address"].value
    named = address is not None and address.host is not None
    interface = _interfaces(chosen["address"], resolve)[0] if named else EVERYWHERE
    return Binding(interface, chosen_port(chosen))


def chosen_port(chosen: Mapping[str, Chosen]) -> int:
    """
    The port: of `--port` and the port in `--address` the one from the stronger source.

    Raises:
        SettingError: both were said in the same place, and differ.
    """
    port, address = chosen["port"], chosen["address"]
    if address.value is None or port.source > address.source:
        return int(port.value)
    if port.source == address.source and port.value != address.value.port:
        raise SettingError(
            f"{address.origin}: port {address.value.port} contradicts {port.origin} {port.value}"
        )
    return int(address.value.port)


def own_address(connect: Callable[[], str] | None = None) -> str:
    """
    The IP address by which other machines most likely know this one.

    It is the source address of the default route; without one, loopback.  No packet is
    sent: connecting a datagram socket only looks the route up.
    """
    try:
        return (connect or _route)()
    except OSError:
        return LOOPBACK


def _route() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # Source: RFC 5737, an address that nobody has
        return str(probe.getsockname()[0])


def _interfaces(address: Chosen, resolve: Resolve) -> list[str]:
    """The IP addresses that the host of `--address` stands for."""
    host = address.value.host
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass  # a name
    try:
        return resolve(host)
    except OSError as error:
        raise SettingError(f"{address.origin}: no such host: {host}") from error
