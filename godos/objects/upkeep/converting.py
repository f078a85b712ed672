"""Storing a blob under another policy."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import Conflict
from godos.model.policy import Policy
from godos.objects.sources import Sources
from godos.objects.upkeep.clearing import Clearing
from godos.objects.upkeep.examining import Examiner
from godos.objects.upkeep.filling import Effort, Filler
from godos.objects.upkeep.rebuilding import Goal, next_generation


class Converter:
    """
    Writes all fragments anew, as another generation, and reads them back; then policy and
    layout change at once, and the old fragments go.

    Readers that are at those find the new ones in the row.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        sources: Sources,
        clock: IReactorTime,
        examiner: Examiner,
        filler: Filler,
    ) -> None:
        self._catalog = catalog
        self._sources = sources
        self._examiner = examiner
        self._filler = filler
        self._clearing = Clearing(catalog, members, clock)

    async def convert(self, blob: Blob, policy: Policy, effort: Effort) -> Blob | None:
        """
        One attempt: the row as it stands then; None when others changed it meanwhile.

        It is unchanged, and says so in the effort's troubles, when the new fragments cannot
        all be written.
        """
        generation = next_generation(blob.generation, policy)
        goal = Goal(blob, policy, generation, confirm=lambda: self._confirm(blob))
        layout = await self._written(goal, effort)
        if layout is None:
            await self._clearing.unused(blob, effort.written)
            effort.written.clear()
            effort.unreadable = False
            standing: Blob | None = await self._catalog.blob(blob.incarnation)
            return blob if standing is not None and standing.rev == blob.rev else None
        converted: Blob | None = await self._catalog.converted(blob, policy, layout)
        self._sources.rows.forget(blob.incarnation)
        return None if converted is None else await self._let_go(blob, converted)

    async def _confirm(self, blob: Blob) -> None:
        """Raises Conflict when somebody else has converted the blob, or removes it."""
        standing: Blob | None = await self._catalog.blob(blob.incarnation)
        if standing is None or (standing.state, standing.policy, standing.generation) != (
            BlobState.LIVE,
            blob.policy,
            blob.generation,
        ):
            raise Conflict("the blob was converted or removed by others meanwhile")

    async def _written(self, goal: Goal, effort: Effort) -> tuple[Placed, ...] | None:
        """Where all fragments of the goal are, read back; None: some could not be written."""
        shards = range(goal.policy.width)
        findings = await self._examiner.elsewhere(goal.target, goal.generation, shards)
        wanted = effort.seating(goal.target, findings).wants
        if len(self._filler.chosen(goal, findings, effort)) < len(wanted):
            effort.troubles.append(
                f"{goal.policy} needs {goal.policy.width} nodes that take new data"
            )
            return None
        origin = await self._examiner.origin(goal.blob, goal.blob.layout)
        findings = await self._filler.fill(evolve(goal, origin=origin), findings, effort)
        plan = effort.seating(goal.target, findings)
        return None if plan.wants else plan.kept

    async def _let_go(self, before: Blob, converted: Blob) -> Blob | None:
        """
        Remove the old fragments, once it is sure that the new ones still are what they were.

        Another server that held the lease before us, and does not know that it has lost it,
        may have written over them or removed them; then the old ones count again.  Answers
        the row that stands.
        """
        if await self._examiner.stand(converted):
            await self._clearing.converted(before)
            return converted
        self._log.warn(
            "blob {incarnation} was converted by two at once: it stays as it was",
            incarnation=before.incarnation,
        )
        reverted: Blob | None = await self._catalog.converted(
            converted, before.policy, before.layout
        )
        self._sources.rows.forget(before.incarnation)
        await self._catalog.want_repair(before.incarnation, "converted by two at once")
        return reverted
