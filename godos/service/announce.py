"""What a person sees on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from godos import __version__
from godos.messaging.addresses import SqsAddress
from godos.service.s3_settings import S3Settings
from godos.service.values import State

OPEN = (
    "  NO CREDENTIALS ARE SET: everybody who can connect may read and write everything "
    "(--allow-anonymous)."
)
CLOSED = (
    "  No credentials are set, so it is open to this machine only: everybody on it may read and "
    "write everything, and nobody else can connect."
)
SIGNED = "  Requests must be signed ({signers})."
SIGNED_CLOSED = (
    "  Requests must be signed ({signers}); they can come from this machine only, unless "
    "--address says more."
)
NOBODY = "  Nobody can sign yet: add somebody with  godos user add NAME --root --state '{state}'"


@frozen
class Signers:
    """Who can sign when a server starts, in words; `none`: nobody."""

    said: str
    none: bool = False


def signers(s3: S3Settings, catalog_users: int) -> Signers | None:
    """Who can sign requests; None when they need not be signed yet."""
    if s3.users_file:
        return Signers(f"{_users(len(s3.users))} in {s3.users_file}, and those of the catalog")
    if not s3.signed and not catalog_users:
        return None
    return Signers(f"{_users(catalog_users)} in the catalog", not catalog_users)


def _users(number: int) -> str:
    return "1 user" if number == 1 else f"{number} users"


def welcome_embedded(
    url: str,
    storage: Sequence[Path],
    state: State,
    loopback_only: bool,
    signed: Signers | None,
) -> list[str]:
    """
    For the server that is all in one process.

    Args:
        loopback_only: only this machine can connect.
        signed: who can sign; None when requests need no signature.
    """
    return [
        f"godos {__version__} runs.",
        f"  listens on  {url}",
        *(f"  stores in   {path}" for path in storage),
        *_who(state, loopback_only, signed),
        *_try(url, signed),
    ]


def _who(state: State, loopback_only: bool, signed: Signers | None) -> list[str]:
    """Who may use it."""
    if signed is None:
        return [CLOSED if loopback_only else OPEN]
    line = (SIGNED_CLOSED if loopback_only else SIGNED).format(signers=signed.said)
    return [line, NOBODY.format(state=state)] if signed.none else [line]


def _try(url: str, signed: Signers | None) -> list[str]:
    """Commands that work against it as it is."""
    if signed is not None:
        return [f"  Try:  aws --endpoint-url {url} s3 mb s3://mine"]
    return [
        f"  Try:  curl -T README.rst {url}/objects/README.rst",
        f"        curl {url}/objects/README.rst",
    ]


def welcome_api(
    url: str, state: State, queue: SqsAddress | None, loopback_only: bool, signed: Signers | None
) -> list[str]:
    """For an API server; see `welcome_embedded`."""
    return [
        f"godos-api {__version__} runs.",
        f"  listens on  {url}",
        f"  catalog     {state}",
        f"  asks over   {_middleware(queue)}",
        *_who(state, loopback_only, signed),
    ]


def _middleware(queue: SqsAddress | None) -> str:
    if queue is None:
        return "HTTP"
    return (
        "SQS, a queue for each server"
        if queue.own
        else f"SQS queues {queue.queries}, {queue.replies}"
    )


def welcome_data(address: str, storage: Sequence[Path], state: State) -> list[str]:
    """For a data server; its callers prove that they belong to the cluster."""
    return [
        f"godos-data {__version__} runs.",
        f"  reached at  {address}",
        *(f"  stores in   {path}" for path in storage),
        f"  catalog     {state}",
    ]


def going_to_background(name: str, address: str, log: str, pid_file: str) -> list[str]:
    """Said before the terminal is let go of; what follows is in the log."""
    return [
        f"{name} goes on in the background, at {address}; its log says more: {log}",
        f"  stop it with  kill $(cat {pid_file})",
    ]
