"""What the writer of the volume log is asked to do."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import NodeFull, Unavailable
from godos.model.names import FragmentName
from godos.storage.requests import Remove

NAME = FragmentName("ab" * 16, 0)


class RequestTests(SynchronousTestCase):
    def test_what_nobody_settled_was_not_done(self) -> None:
        """A writer that forgets a request acknowledges nothing by that."""
        request = Remove(NAME)
        request.answer()
        self.failureResultOf(request.done, Unavailable)

    def test_an_outcome_stays(self) -> None:
        """A later failure of the group is not that of what is durable already."""
        request = Remove(NAME)
        request.succeed(True)
        request.fail(NodeFull("too late"))
        request.answer()
        self.assertIs(True, self.successResultOf(request.done))
