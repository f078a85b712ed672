"""What a person sees on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from godos import __version__
from godos.messaging.addresses import SqsAddress
from godos.service.values import State

OPEN = (
    "  NO CREDENTIALS ARE SET: everybody who can connect may read and write everything "
    "(--allow-anonymous)."
)
CLOSED = (
    "  No credentials are set, so it is open to this machine only: everybody on it may read and "
    "write everything, and nobody else can connect."
)


def welcome_embedded(url: str, storage: Sequence[Path], loopback_only: bool) -> list[str]:
    """For the server that is all in one process."""
    return [
        f"godos {__version__} runs.",
        f"  listens on  {url}",
        *(f"  stores in   {path}" for path in storage),
        CLOSED if loopback_only else OPEN,
        f"  Try:  curl -T README.rst {url}/objects/README.rst",
        f"        curl {url}/objects/README.rst",
    ]


def welcome_api(url: str, state: State, queue: SqsAddress | None, loopback_only: bool) -> list[str]:
    """For an API server."""
    return [
        f"godos-api {__version__} runs.",
        f"  listens on  {url}",
        f"  catalog     {state}",
        f"  asks over   {_middleware(queue)}",
        CLOSED if loopback_only else OPEN,
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
