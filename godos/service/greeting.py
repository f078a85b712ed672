"""The data servers that `--dps` names: asked once, so that a wrong address is noticed."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from godos.deferreds import Background, deferred
from godos.model.errors import GodosError
from godos.service.lifecycle import Step
from godos.service.talk import Talk

_log = Logger()


def greeting_step(talk: Talk, addresses: Sequence[str]) -> Step:
    """
    Ask each of these data servers whether it is there, without waiting for the answers.

    Which nodes they have, and where, is in the catalog, as of all data servers.
    """
    background = Background()

    def start() -> Deferred[None]:
        for address in addresses:
            background.run(f"asking {address}", _greet(talk, address))
        return succeed(None)

    def stop() -> Deferred[None]:
        background.cancel()
        return background.idle()

    return Step("asking the data servers of --dps", start, stop)


@deferred
async def _greet(talk: Talk, address: str) -> None:
    try:
        nodes = await talk.ask(address, [])
    except GodosError as error:
        _log.warn("--dps: {address} is no help now: {error}", address=address, error=error)
    else:
        _log.info("--dps: {address} has {count} nodes", address=address, count=len(nodes))
