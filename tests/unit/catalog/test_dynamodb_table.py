"""Making the table, and checking it at the start."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import NoCredentialsError
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.dynamodb_calls import PATIENCE, Calls
from godos.catalog.dynamodb_table import Table
from godos.model.errors import CannotStart, CatalogUnavailable
from tests.unit.catalog.test_dynamodb_calls import Script
from tests.unit.catalog.test_dynamodb_errors import cancelled, said

ACTIVE: dict[str, Any] = {
    "Table": {
        "TableStatus": "ACTIVE",
        "KeySchema": [
            {"AttributeName": "p", "KeyType": "HASH"},
            {"AttributeName": "s", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "B"},
        ],
    }
}
TTL_ON = {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"}}
TTL_OFF = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
NOTHING: dict[str, Any] = {}
REFUSED = cancelled(*["ConditionalCheckFailed"] * 3)


def table(**changes: Any) -> dict[str, Any]:
    """A description of the table with these differences."""
    changed = copy.deepcopy(ACTIVE)
    changed["Table"] |= changes
    return changed


class TableTests(SynchronousTestCase):
    """With a client that answers by a script."""

    def open(self, *answers: Any) -> Table:
        self.clock, self.client = Clock(), Script(answers)
        calls = Calls(self.client, maybeDeferred, self.clock)  # type: ignore[arg-type]
        return Table(calls, "godos")

    def asked(self) -> list[str]:
        return [operation for operation, _ in self.client.asked]

    def refusal(self, result: Deferred[None]) -> str:
        text = str(self.failureResultOf(result, CannotStart).value)
        self.assertNotIn("\n", text)
        return text

    def test_a_good_table_passes(self) -> None:
        """The check tries each kind of request that the catalog makes, and writes nothing."""
        checked = self.open(ACTIVE, NOTHING, NOTHING, NOTHING, NOTHING, REFUSED)
        self.assertIsNone(self.successResultOf(checked.check()))
        self.assertEqual(
            [
                "describe_table",
                "get_item",
                "batch_get_item",
                "query",
                "scan",
                "transact_write_items",
            ],
            self.asked(),
        )
        _, transaction = self.client.asked[-1]
        conditions = [
            action["ConditionExpression"]
            for item in transaction["TransactItems"]
            for action in item.values()
        ]
        self.assertEqual(["attribute_exists(#a)"] * 3, conditions)

    def test_a_missing_table_is_told_with_what_to_do(self) -> None:
        """The message names the table and the command that makes it."""
        text = self.refusal(self.open(said("ResourceNotFoundException")).check())
        self.assertIn("'godos'", text)
        self.assertIn("godos state init", text)

    def test_other_keys_are_told(self) -> None:
        """A table of another program, or with text for sort keys, is refused with its keys."""
        text_keys = table(
            AttributeDefinitions=[
                {"AttributeName": "p", "AttributeType": "S"},
                {"AttributeName": "s", "AttributeType": "S"},
            ]
        )
        no_range = table(KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}])
        for wrong in (text_keys, no_range):
            self.assertIn("type B", self.refusal(self.open(wrong).check()))

    def test_a_missing_permission_is_named(self) -> None:
        """Whichever permission is missing, the message is the one that names it."""
        answers = [ACTIVE, NOTHING, NOTHING, NOTHING, NOTHING]
        for passed in range(6):
            denied = said("AccessDeniedException")
            denied.response["Error"]["Message"] = "not authorized to perform: dynamodb:Some"
            text = self.refusal(self.open(*answers[:passed], denied).check())
            self.assertIn("dynamodb:Some", text)
            self.assertIn("'godos'", text)

    def test_missing_credentials_are_told(self) -> None:
        """Without any credentials the message says where they are looked for."""
        text = self.refusal(self.open(NoCredentialsError()).check())
        self.assertIn("AWS_ACCESS_KEY_ID", text)

    def test_a_table_that_is_being_deleted(self) -> None:
        """A table on its way out is not used."""
        self.assertIn("DELETING", self.refusal(self.open(table(TableStatus="DELETING")).check()))

    def test_a_new_table_is_waited_for(self) -> None:
        """A table that is just being made is used once it is ready."""
        new = table(TableStatus="CREATING")
        checking = self.open(new, new, ACTIVE, *[NOTHING] * 4, REFUSED).check()
        self.assertNoResult(checking)
        self.clock.pump([0.5, 0.5, 0.5])
        self.successResultOf(checking)

    def test_a_silent_service_is_an_outage(self) -> None:
        """When DynamoDB does not answer, that is no fault of the table."""

        def silence() -> Iterable[Exception]:
            while True:
                yield said("InternalServerError", 500)

        checked = self.open()
        self.client.answers = iter(silence())
        result = checked.check()
        self.clock.pump([1.0] * int(PATIENCE + 1))
        self.failureResultOf(result, CatalogUnavailable)

    def test_the_table_is_made(self) -> None:
        """A new table has our keys, costs by use, is hard to delete, and lets rows expire."""
        made = self.open(NOTHING, table(TableStatus="CREATING"), ACTIVE, TTL_OFF, NOTHING).create()
        self.clock.pump([0.5, 0.5])
        self.successResultOf(made)
        operation, definition = self.client.asked[0]
        self.assertEqual("create_table", operation)
        self.assertEqual(ACTIVE["Table"]["KeySchema"], definition["KeySchema"])
        self.assertEqual(
            ACTIVE["Table"]["AttributeDefinitions"], definition["AttributeDefinitions"]
        )
        self.assertEqual("PAY_PER_REQUEST", definition["BillingMode"])
        self.assertTrue(definition["DeletionProtectionEnabled"])
        _, ttl = self.client.asked[-1]
        self.assertEqual(
            {"Enabled": True, "AttributeName": "expires"}, ttl["TimeToLiveSpecification"]
        )

    def test_making_it_twice_is_fine(self) -> None:
        """A table that is there already is left as it is."""
        made = self.open(said("ResourceInUseException"), ACTIVE, TTL_ON).create()
        self.assertIsNone(self.successResultOf(made))
        self.assertEqual("describe_time_to_live", self.asked()[-1])

    def test_making_it_over_another_programs_table(self) -> None:
        """A table of that name with other keys is refused, and not changed."""
        no_range = table(KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}])
        made = self.open(said("ResourceInUseException"), no_range).create()
        self.assertIn("type B", self.refusal(made))

    def test_making_it_without_permission(self) -> None:
        """Each step that is not allowed is told."""
        for answers in ([], [NOTHING, ACTIVE], [NOTHING, ACTIVE, TTL_OFF]):
            made = self.open(*answers, said("AccessDeniedException")).create()
            self.assertIn("AccessDenied", self.refusal(made))
