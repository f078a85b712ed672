"""Many small writes that need not happen together, in few transactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from godos.catalog.items import MAX_ACTIONS, Action, Put
from godos.catalog.places import Place
from godos.catalog.writing import Writer


async def write_in_bulk(writer: Writer, groups: Iterable[Sequence[Action]]) -> bool:
    """
    Write groups of actions, in order, each of them whole; where two groups write one place
    the first does.

    Tells whether all was written; it stops at the first refusal.
    """
    gathered: dict[Place, Action] = {}
    for group in groups:
        more = {_place(action): action for action in group}
        if len(gathered.keys() | more.keys()) > MAX_ACTIONS:
            if not await _written(writer, gathered):
                return False
            gathered = {}
        gathered = more | gathered
    return not gathered or await _written(writer, gathered)


async def _written(writer: Writer, actions: dict[Place, Action]) -> bool:
    refusal = await writer.write(list(actions.values()))
    if refusal is None:
        return True
    refusal.or_unknown()
    return False


def _place(action: Action) -> Place:
    return (action.item.p, action.item.s) if isinstance(action, Put) else (action.p, action.s)
