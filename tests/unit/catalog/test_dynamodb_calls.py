"""Patience with DynamoDB, on a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.dynamodb import DynamoDBItems
from godos.catalog.dynamodb_calls import PATIENCE, Calls
from godos.catalog.items import Absent, ConditionFailed, Item, Put, TokenReused
from godos.model.errors import CatalogUnavailable
from tests.unit.catalog.cranked import Cranked
from tests.unit.catalog.test_dynamodb_errors import cancelled, said

TOKEN = "0" * 32
CREATE = [Put(Item("shelf", b"k", {}), Absent())]


class Script:
    """A client that answers what it was told, one after another, and remembers what was asked."""

    def __init__(self, answers: Iterable[Any]) -> None:
        self.answers = iter(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.asked.append((operation, request))
            answer = next(self.answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def close(self) -> None:
        self.closed = True


def forever(error: Exception) -> Iterable[Exception]:
    """The same error again and again."""
    while True:
        yield error


class PatienceTests(SynchronousTestCase):
    """With threads that work at once, unless a test says otherwise."""

    def open(self, answers: Iterable[Any], threads: Any = maybeDeferred) -> DynamoDBItems:
        self.clock, self.client = Clock(), Script(answers)
        calls = Calls(self.client, threads, self.clock, chance=lambda: 1.0)  # type: ignore[arg-type]
        return DynamoDBItems(calls, "table")

    def wait(self, result: Deferred[Any], longest: float) -> None:
        """Let time pass until the result is there."""
        for _ in range(int(longest * 100)):
            if result.called:
                return
            self.clock.advance(0.01)

    def test_reads_are_strong(self) -> None:
        """Reads see what was acknowledged before, unless a caller asks for less."""
        nothing = {"Responses": {}, "Items": []}
        items = self.open([nothing] * 5)
        for asked in (
            items.get("p", b"s"),
            items.get_many([("p", b"a"), ("p", b"b")]),
            items.query("p"),
            items.scan(),
            items.query("p", strong=False),
        ):
            self.successResultOf(asked)
        strong = [
            request.get("ConsistentRead")
            if operation != "batch_get_item"
            else request["RequestItems"]["table"]["ConsistentRead"]
            for operation, request in self.client.asked
        ]
        self.assertEqual([True, True, True, True, False], strong)

    def test_a_conflict_is_tried_again_with_the_same_words(self) -> None:
        """What another transaction hindered is sent again unchanged, and then happens."""
        trouble = [
            cancelled("TransactionConflict"),
            said("ProvisionedThroughputExceededException"),
            said("InternalServerError", 500),
            ReadTimeoutError(endpoint_url="http://x"),
            said("TransactionInProgressException"),
        ]
        items = self.open([*trouble, {}])
        done = items.transact(CREATE, TOKEN)
        self.assertNoResult(done)
        self.wait(done, 5)
        self.successResultOf(done)
        self.assertEqual(6, len(self.client.asked))
        self.assertEqual([self.client.asked[0]] * 6, self.client.asked)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_pauses_grow(self) -> None:
        """Each pause is longer than the one before, up to a second."""
        items = self.open(forever(cancelled("TransactionConflict")))
        done = items.transact(CREATE, TOKEN)
        times = []
        while not done.called:
            times.append(self.clock.seconds())
            tries = len(self.client.asked)
            while not done.called and len(self.client.asked) == tries:
                self.clock.advance(0.005)
        self.failureResultOf(done, CatalogUnavailable)
        pauses = [after - before for before, after in itertools.pairwise(times)]
        for before, after in itertools.pairwise(pauses):
            self.assertGreaterEqual(after, before - 0.01)
        self.assertLess(pauses[0], 0.05)
        self.assertLess(max(pauses), 1.1)

    def test_patience_ends(self) -> None:
        """Without a definite answer the call fails in time, and says what the last one was."""
        items = self.open(forever(said("ThrottlingException")))
        for asked in (items.transact(CREATE, TOKEN), items.get("shelf", b"k")):
            self.wait(asked, PATIENCE)
            failure = self.failureResultOf(asked, CatalogUnavailable)
            self.assertIn("ThrottlingException", failure.getErrorMessage())
        self.assertLessEqual(self.clock.seconds(), 2 * PATIENCE)

    def test_a_refusal_is_definite(self) -> None:
        """A condition that did not hold is answered at once, also after a lost answer."""
        items = self.open([cancelled("ConditionalCheckFailed")])
        self.failureResultOf(items.transact(CREATE, TOKEN), ConditionFailed)
        items = self.open([cancelled("TransactionConflict"), cancelled("ConditionalCheckFailed")])
        refused = items.transact(CREATE, TOKEN)
        self.wait(refused, 1)
        self.failureResultOf(refused, ConditionFailed)

    def test_a_bug_is_loud(self) -> None:
        """A token of another transaction, or nonsense, is neither repeated nor hidden."""
        items = self.open([said("IdempotentParameterMismatchException")])
        self.failureResultOf(items.transact(CREATE, TOKEN), TokenReused)
        items = self.open([said("ValidationException")])
        self.failureResultOf(items.transact(CREATE, TOKEN), ClientError)

    def test_no_free_thread(self) -> None:
        """When all threads are stuck the caller is told in time."""
        items = self.open([], threads=Cranked())
        asked = items.get("shelf", b"k")
        self.wait(asked, PATIENCE + 1)
        self.failureResultOf(asked, CatalogUnavailable)

    def test_what_was_given_up_is_not_sent_later(self) -> None:
        """A call that is cancelled, or too old, while it waits for a thread is never made."""
        threads = Cranked()
        items = self.open([{}, {}, {}], threads)
        cancelled_, late = items.transact(CREATE, TOKEN), items.transact(CREATE, "1" * 32)
        cancelled_.addErrback(lambda _: None)
        cancelled_.cancel()
        self.wait(late, PATIENCE + 1)
        self.failureResultOf(late, CatalogUnavailable)
        threads.turn_all()
        self.assertEqual([], self.client.asked)

    def test_closing_waits_for_what_runs(self) -> None:
        """The client is let go of when its last call has ended, repetitions included."""
        threads = Cranked()
        items = self.open([said("ThrottlingException"), {}], threads)
        asked = items.get("shelf", b"k")
        closing = items.close()
        self.failureResultOf(items.get("shelf", b"l"), CatalogUnavailable)
        threads.turn()
        self.clock.advance(1)
        self.assertFalse(self.client.closed)
        threads.turn()
        self.assertIsNone(self.successResultOf(asked))
        threads.turn()
        self.successResultOf(closing)
        self.assertTrue(self.client.closed)

    def test_a_caller_that_leaves_stops_the_repetitions(self) -> None:
        """Cancelling a call that waits for its next attempt ends it."""
        items = self.open(forever(said("ThrottlingException")))
        asked = items.get("shelf", b"k")
        asked.addErrback(lambda _: None)
        asked.cancel()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(1, len(self.client.asked))

    def test_what_dynamodb_had_no_room_for_is_asked_again(self) -> None:
        """Several items come in parts when they are large or the table is busy."""

        def answer(*keys: bytes, left: Iterable[bytes] = ()) -> dict[str, Any]:
            found = [{"p": {"S": "p"}, "s": {"B": s}, "j": {"S": "{}"}} for s in keys]
            unprocessed = [{"p": {"S": "p"}, "s": {"B": s}} for s in left]
            return {
                "Responses": {"table": found},
                "UnprocessedKeys": {"table": {"Keys": unprocessed}} if unprocessed else {},
            }

        items = self.open(
            [answer(b"b", left=[b"c", b"a"]), answer(left=[b"c", b"a"]), answer(b"a")]
        )
        asked = items.get_many([("p", b"a"), ("p", b"b"), ("p", b"c"), ("p", b"a")])
        self.wait(asked, 1)
        found = self.successResultOf(asked)
        self.assertEqual([b"a", b"b", None, b"a"], [one and one.s for one in found])
        keys = [len(r["RequestItems"]["table"]["Keys"]) for _, r in self.client.asked]
        self.assertEqual([3, 2, 2], keys)

    def test_a_table_that_never_has_room(self) -> None:
        """When no item of several comes for long, the caller is told."""
        left = {"table": {"Keys": [{"p": {"S": "p"}, "s": {"B": s}} for s in (b"a", b"b")]}}
        busy = {"Responses": {}, "UnprocessedKeys": left}
        items = self.open(forever(busy))  # type: ignore[arg-type]
        asked = items.get_many([("p", b"a"), ("p", b"b")])
        self.wait(asked, PATIENCE + 1)
        self.failureResultOf(asked, CatalogUnavailable)
