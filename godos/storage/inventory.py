"""All fragments of a node in the order of their names, page by page.  All of it blocks."""

from __future__ import annotations

from bisect import bisect_right
from threading import Lock

from attrs import frozen

from godos.model.names import FragmentName
from godos.storage.index import key_of, name_of
from godos.storage.ledger import Ledger
from godos.storage.object_files import ObjectFiles


@frozen
class _Listed:
    """What one shelf held when it had changed so many times."""

    shelf: str
    changes: int
    names: list[FragmentName]


class Inventory:
    """
    Lists small and large fragments as one.

    A page costs as much as it gives: the index has the small ones in order, and of the large
    ones one shelf is read, and kept until the walk leaves it or it changes.  Whoever asks for
    the next page behind the last name gets each fragment that is there all the time once.
    """

    def __init__(self, ledger: Ledger, objects: ObjectFiles) -> None:
        self._ledger = ledger
        self._objects = objects
        self._listed: _Listed | None = None
        self._lock = Lock()

    def page(self, after: FragmentName | None, limit: int) -> list[FragmentName]:
        """The next `limit` names behind `after`; fewer only at the end."""
        start = b"" if after is None else key_of(after) + b"\0"
        small = [name_of(key) for key in self._ledger.page(start, None, limit)]
        # Behind the last small one of a full page no large one is wanted either.
        last = small[-1] if len(small) == limit else None
        large = self._large(after, last, limit)
        return sorted({*small, *large}, key=_order)[:limit] if large else small

    def _large(
        self, after: FragmentName | None, last: FragmentName | None, limit: int
    ) -> list[FragmentName]:
        """The next `limit` large ones, perhaps more, up to `last`."""
        found: list[FragmentName] = []
        first = "00" if after is None else after.incarnation[:2]
        end = "ff" if last is None else last.incarnation[:2]
        for shelf in self._objects.shelves():
            if not first <= shelf <= end:
                continue
            names = self._shelf(shelf, after)
            begin = 0 if after is None else bisect_right(names, _order(after), key=_order)
            found += names[begin : begin + limit]
            if len(found) >= limit:
                break
        return found

    def _shelf(self, shelf: str, after: FragmentName | None) -> list[FragmentName]:
        """
        The names in one shelf, read anew for each walk.

        A listing of before is good for a walk that is in this shelf already, unless something
        came or went since.
        """
        inside = after is not None and after.incarnation.startswith(shelf)
        changes = self._objects.changes(shelf)
        with self._lock:
            listed = self._listed
        if inside and listed is not None and (listed.shelf, listed.changes) == (shelf, changes):
            return listed.names
        names = self._objects.names(shelf)
        if names:
            with self._lock:
                self._listed = _Listed(shelf, changes, names)
        return names


def _order(name: FragmentName) -> tuple[str, int]:
    return name.incarnation, name.index
