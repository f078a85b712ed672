"""A request from the wire, put to an item store; and what its answer means to who asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from godos.catalog.items import ConditionFailed, IItemStore, TokenReused
from godos.catalog.sqlite_wire import (
    pack,
    pack_item,
    unpack,
    unpack_action,
    unpack_item,
)
from godos.model.errors import CatalogUnavailable

DONE, REFUSED, UNAVAILABLE, REUSED, WRONG = "done", "refused", "unavailable", "reused", "wrong"

log = Logger()


async def answer(items: IItemStore, verb: str, arguments: Sequence[Any]) -> tuple[str, Any]:
    """The outcome of a request and its value, ready for the wire.  Fails only when cancelled."""
    try:
        return DONE, await _ask(items, verb, arguments)
    except ConditionFailed as refused:
        standing = refused.standing.items()
        return REFUSED, [[index, pack_item(item)] for index, item in standing]
    except CatalogUnavailable as error:
        return UNAVAILABLE, str(error)
    except TokenReused as error:
        return REUSED, str(error)
    except (ValueError, TypeError) as error:
        return WRONG, str(error)
    except CancelledError:
        raise
    except Exception as error:
        log.failure("answering {verb} for another process", verb=verb)
        return UNAVAILABLE, f"the catalog's owner failed: {error!r}"


async def _ask(items: IItemStore, verb: str, arguments: Sequence[Any]) -> Any:
    match verb, arguments:
        case "get", [str(p), str(s)]:
            return pack_item(await items.get(p, unpack(s)))
        case "get_many", [list(places)]:
            found = await items.get_many([(p, unpack(s)) for p, s in places])
            return [pack_item(item) for item in found]
        case "query", [str(p), str(start), stop, int(limit), bool(reverse)]:
            upto = None if stop is None else unpack(stop)
            page = await items.query(p, unpack(start), upto, limit, reverse)
            cursor = None if page.cursor is None else pack(page.cursor)
            return [cursor, *map(pack_item, page.items)]
        case "transact", [list(actions), str(token)]:
            return await items.transact([unpack_action(action) for action in actions], token)
        case "scan", [cursor, int(limit)]:
            scanned = await items.scan(cursor, limit)
            return [scanned.cursor, *map(pack_item, scanned.items)]
    raise ValueError(f"the catalog's owner knows no request {verb!r} like this")


def failure(outcome: str, value: Any) -> Exception:
    """The error that `answer` wrote down, for any outcome but `DONE`."""
    if outcome == REFUSED:
        return ConditionFailed({index: unpack_item(packed) for index, packed in value})
    if outcome == REUSED:
        return TokenReused(value)
    if outcome == WRONG:
        return ValueError(value)
    return CatalogUnavailable(str(value))
