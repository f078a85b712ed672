"""What nodes say, when they are asked now, of the fragments of some blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from attrs import evolve, frozen
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.cluster.together import together
from godos.deferreds import deferred, within
from godos.model.blobs import Blob, Held, Placed
from godos.model.errors import FragmentDamaged, GodosError, NoSuchFragment
from godos.model.names import FragmentName

ASK = 5.0  # seconds for a node to answer
READ_BACK = 30.0  # seconds for a node to read a fragment, and
SLOWEST = 4 << 20  # bytes a second beyond that
AT_ONCE = 16  # fragments asked about at the same time
_LAST = 999  # no index is higher

T = TypeVar("T")


class Said(StrEnum):
    """What a node says of a fragment."""

    YES = "yes"
    NO = "no"
    DAMAGED = "damaged"
    SILENT = "no answer"


@frozen
class Told:
    """`verified`: since when it is known to be good, in seconds since the epoch; 0.0: not known."""

    present: Said
    trouble: str = ""
    verified: float = 0.0


@frozen
class Answers:
    """
    `told` is of fragments that layouts name; `held` is what nodes have of each blob, by
    `silent` ones nothing.
    """

    told: Mapping[tuple[str, Placed], Told]
    held: Mapping[str, Mapping[str, Sequence[int]]]
    silent: frozenset[str]

    def of(self, blob: Blob, placed: Placed) -> Told:
        """What was said of a fragment of the layout."""
        return self.told[blob.incarnation, placed]

    def good(self, blob: Blob) -> list[Placed]:
        """Fragments of the layout that are there."""
        return [placed for placed in blob.layout if self.of(blob, placed).present is Said.YES]

    def beside(self, blob: Blob) -> list[Placed]:
        """Fragments of its generation on nodes where the layout does not name them."""
        found = [
            Placed(index, node)
            for node, blobs in self.held.items()
            for index in blobs.get(blob.incarnation, ())
        ]
        ours = range(blob.generation, blob.generation + blob.policy.width)
        return sorted(
            (each for each in found if each not in blob.layout and each.index in ours),
            key=lambda placed: (placed.index, placed.node),
        )


class Interview:
    """Asks all nodes at once, and waits for none for long."""

    def __init__(self, members: IMembers, clock: IReactorTime) -> None:
        self._members = members
        self._clock = clock

    async def ask(self, blobs: Sequence[Blob], verify: bool = False) -> Answers:
        """
        Args:
            verify: let the nodes read the fragments back.
        """
        names = [blob.incarnation for blob in blobs]
        nodes = [node.id for node in self._members.registered()] if names else []
        answers = await together(self._holds(node, names) for node in nodes)
        held = {n: a for n, a in zip(nodes, answers, strict=True) if not isinstance(a, str)}
        troubles = {n: a for n, a in zip(nodes, answers, strict=True) if isinstance(a, str)}
        wanted = [(blob, placed) for blob in blobs for placed in blob.layout]

        def look(each: tuple[Blob, Placed]) -> Deferred[Told]:
            return self._told(*each, held, troubles, verify)

        told = await _in_turns(wanted, look)
        return Answers(
            {
                (blob.incarnation, placed): one
                for (blob, placed), one in zip(wanted, told, strict=True)
            },
            held,
            frozenset(troubles),
        )

    @deferred
    async def _holds(self, node: str, names: Sequence[str]) -> Mapping[str, Sequence[int]] | str:
        """What it has; or why it did not tell."""
        store = self._members.fragments(node)
        if store is None:
            return "the node is not registered"
        try:
            held: Mapping[str, Sequence[int]] = await within(ASK, store.holds(names), self._clock)
        except CancelledError:
            raise
        except TimeoutError:
            return f"no answer within {ASK:g} seconds"
        except GodosError as error:
            return str(error) or type(error).__name__
        return held

    @deferred
    async def _told(
        self,
        blob: Blob,
        placed: Placed,
        held: Mapping[str, Mapping[str, Sequence[int]]],
        troubles: Mapping[str, str],
        verify: bool,
    ) -> Told:
        if placed.node in troubles:
            return Told(Said.SILENT, troubles[placed.node])
        if placed.node not in held:
            return Told(Said.NO, "the node is not registered")
        if placed.index not in held[placed.node].get(blob.incarnation, ()):
            return Told(Said.NO, "the node does not have it")
        name = FragmentName(blob.incarnation, placed.index)
        since = await self._since(placed.node, name)
        return await self._read_back(blob, placed, name, since) if verify else since

    async def _since(self, node: str, name: FragmentName) -> Told:
        """Since when it is known to be good."""
        store = self._members.fragments(node)
        try:
            page: Sequence[Held] = await within(ASK, store.inventory(before(name), 1), self._clock)
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            return Told(Said.YES, f"when it was last read is not known: {_text(error)}")
        verified = page[0].verified if page and page[0].name == name else 0.0
        return Told(Said.YES, "", verified)

    async def _read_back(self, blob: Blob, placed: Placed, name: FragmentName, told: Told) -> Told:
        store = self._members.fragments(placed.node)
        patience = READ_BACK + blob.size / blob.policy.data / SLOWEST
        try:
            header = await within(patience, store.verify(name), self._clock)
        except CancelledError:
            raise
        except NoSuchFragment as error:
            return Told(Said.NO, str(error))
        except FragmentDamaged as error:
            return Told(Said.DAMAGED, str(error))
        except (GodosError, TimeoutError) as error:
            return Told(Said.SILENT, f"it was not read back: {_text(error)}")
        if (header.blob_size, header.blob_sha256) != (blob.size, blob.sha256):
            return Told(Said.DAMAGED, "its fragment belongs to other bytes")
        return evolve(told, verified=self._clock.seconds(), trouble="")


def before(name: FragmentName) -> FragmentName | None:
    """A name after which `name` comes, and none between them."""
    if name.index:
        return FragmentName(name.incarnation, name.index - 1)
    number = int(name.incarnation, 16)
    return FragmentName(f"{number - 1:032x}", _LAST) if number else None


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _in_turns(items: Sequence[T], act: Callable[[T], Deferred[Told]]) -> list[Told]:
    """The results in order; a few at once."""
    results: list[Told] = []
    for first in range(0, len(items), AT_ONCE):
        results += await together(_all(items[first : first + AT_ONCE], act))
    return results


def _all(items: Iterable[T], act: Callable[[T], Deferred[Told]]) -> list[Deferred[Told]]:
    return [act(item) for item in items]
