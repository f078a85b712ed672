"""SQS queues: what is asked of boto3, and what becomes of its errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from godos.messaging.addresses import SqsAddress
from godos.messaging.orphans import GRACE, Orphans
from godos.messaging.queues import QueueUnavailable, Received
from godos.messaging.sqs import MAX_REQUEST, Clients, SqsQueue, reason
from godos.messaging.sqs_queues import SqsQueues
from godos.model.errors import CannotStart

DATE = "Thu, 01 Jan 2026 00:00:07 GMT"
SENT = "1767225604500"  # milliseconds: 2.5 seconds before that


def refused(code: str, operation: str = "X") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, operation)


class Client:
    """Stands for boto3's: answers what the test says, and notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self.answers.get(name, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def asked(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


class OneClient(Clients):
    def __init__(self, client: Any) -> None:
        self.client = client

    def sender(self) -> Any:
        return self.client

    def poller(self) -> Any:
        return self.client


class AtOnce:
    """A reactor whose threads are done at once."""

    def callFromThread(self, function: Callable[..., None], *args: Any) -> None:
        function(*args)


class Base(SynchronousTestCase):
    def setUp(self) -> None:
        self.client = Client()
        self.logged: list[tuple[LogLevel, str]] = []
        globalLogPublisher.addObserver(self.note)
        self.addCleanup(globalLogPublisher.removeObserver, self.note)

    def note(self, event: Any) -> None:
        if event["log_namespace"].startswith("godos.messaging"):
            self.logged.append((event["log_level"], event["log_format"].format(**event)))


class SqsQueueTests(Base):
    def setUp(self) -> None:
        super().setUp()
        self.queue = SqsQueue(AtOnce(), maybeDeferred, OneClient(self.client), "q", "http://q")
        self.queue._long_poll.run = maybeDeferred  # type: ignore[assignment, method-assign]

    def test_a_receive_asks_for_what_the_rules_need(self) -> None:
        """R6: hidden for five seconds, never 0; R4: with the time of sending."""
        self.client.answers["receive_message"] = {
            "ResponseMetadata": {"HTTPHeaders": {"date": DATE}},
            "Messages": [
                {"Body": "b", "ReceiptHandle": "r", "Attributes": {"SentTimestamp": SENT}}
            ],
        }
        self.assertEqual([Received("b", "r", 2.5)], self.successResultOf(self.queue.receive(20)))
        self.assertEqual(
            {
                "QueueUrl": "http://q",
                "MaxNumberOfMessages": 10,
                "WaitTimeSeconds": 20,
                "VisibilityTimeout": 5,
                "MessageSystemAttributeNames": ["SentTimestamp"],
            },
            self.client.asked("receive_message")[0],
        )

    def test_a_message_from_the_future_has_no_age(self) -> None:
        """R4: the Date has whole seconds, and so may be a little behind."""
        self.client.answers["receive_message"] = {
            "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:04 GMT"}},
            "Messages": [
                {"Body": "b", "ReceiptHandle": "r", "Attributes": {"SentTimestamp": SENT}},
                {"Body": "b", "ReceiptHandle": "r"},
            ],
        }
        received = self.successResultOf(self.queue.receive(0))
        self.assertEqual([0.0, 0.0], [message.waited for message in received])

    def test_requests_keep_to_the_limits(self) -> None:
        """Ten messages, and not too many bytes, in one request."""
        bodies = ["x"] * 25 + ["y" * (MAX_REQUEST // 3)] * 4
        self.successResultOf(self.queue.send(bodies))
        batches = [a["Entries"] for a in self.client.asked("send_message_batch")]
        self.assertEqual(bodies, [e["MessageBody"] for batch in batches for e in batch])
        for batch in batches:
            self.assertLessEqual(len(batch), 10)
            self.assertLessEqual(sum(len(e["MessageBody"]) for e in batch), MAX_REQUEST)
            self.assertEqual(len(batch), len({e["Id"] for e in batch}))
        self.successResultOf(self.queue.delete([str(n) for n in range(11)]))
        sizes = [len(a["Entries"]) for a in self.client.asked("delete_message_batch")]
        self.assertEqual([10, 1], sizes)

    def test_a_message_that_was_refused_is_an_error(self) -> None:
        """A request may succeed and say that one of its messages did not."""
        self.client.answers["send_message_batch"] = {"Failed": [{"Id": "0", "Code": "Throttled"}]}
        self.failureResultOf(self.queue.send(["x"]), QueueUnavailable)

    def test_a_stale_receipt_is_none(self) -> None:
        """Somebody else has the message now."""
        failed = [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}]
        self.client.answers["delete_message_batch"] = {"Failed": failed}
        self.successResultOf(self.queue.delete(["r"]))
        failed[0]["Code"] = "InternalError"
        self.failureResultOf(self.queue.delete(["r"]), QueueUnavailable)

    def test_an_outage_is_logged_when_it_begins_and_when_it_ends(self) -> None:
        """Once each, with AWS's reason, for each verb by itself."""
        self.client.answers["send_message_batch"] = refused("AccessDenied")
        for _ in range(5):
            self.failureResultOf(self.queue.send(["x"]), QueueUnavailable)
        self.client.answers["delete_message_batch"] = EndpointConnectionError(endpoint_url="u")
        self.failureResultOf(self.queue.delete(["x"]), QueueUnavailable)
        self.client.answers.clear()
        for _ in range(5):
            self.successResultOf(self.queue.send(["x"]))
        self.assertEqual(
            [
                (LogLevel.warn, "cannot send to queue q: AccessDenied: because"),
                (
                    LogLevel.warn,
                    'cannot delete from queue q: Could not connect to the endpoint URL: "u"',
                ),
                (LogLevel.info, "can send to queue q again"),
            ],
            self.logged,
        )

    def test_a_bug_is_not_an_outage(self) -> None:
        """What is no error of boto3 comes out as it is."""
        self.client.answers["send_message_batch"] = ZeroDivisionError()
        self.failureResultOf(self.queue.send(["x"]), ZeroDivisionError)
        self.assertEqual([], self.logged)


class StartTests(Base):
    """What a server checks before it starts."""

    def setUp(self) -> None:
        super().setUp()
        self.client.answers["get_queue_url"] = {"QueueUrl": "http://q"}
        for verb in ("send_message_batch", "receive_message", "delete_message_batch"):
            self.client.answers[verb] = refused("InvalidParameterValue")

    def queues(self, **options: Any) -> SqsQueues:
        return SqsQueues(
            SqsAddress("q", **options), AtOnce(), maybeDeferred, OneClient(self.client)
        )

    def test_only_four_permissions_are_used(self) -> None:
        """SendMessage, ReceiveMessage, DeleteMessage, GetQueueUrl; nothing is sent or taken."""
        self.successResultOf(self.queues().for_api("a1", "c"))
        self.successResultOf(self.queues().for_nodes(["n1"], "c"))
        self.assertEqual(
            {"get_queue_url", "send_message_batch", "receive_message", "delete_message_batch"},
            {name for name, _ in self.client.calls},
        )
        self.assertTrue(all(a["Entries"] == [] for a in self.client.asked("send_message_batch")))
        asked = self.client.asked("receive_message")
        self.assertTrue(all(a["MaxNumberOfMessages"] == 0 for a in asked))

    def test_a_missing_permission_is_named(self) -> None:
        """With the queue it is missing for."""
        for verb, said in (
            ("send_message_batch", "cannot send on queue q"),
            ("receive_message", "cannot receive on queue q"),
            ("delete_message_batch", "cannot delete on queue q"),
            ("get_queue_url", "cannot look up queue q"),
        ):
            kept, self.client.answers[verb] = self.client.answers[verb], refused("AccessDenied")
            failure = self.failureResultOf(self.queues().for_api("a1", "c"), CannotStart)
            self.assertIn(said, str(failure.value))
            self.assertIn("AccessDenied", str(failure.value))
            self.client.answers[verb] = kept

    def test_an_endpoint_out_of_reach_is_named(self) -> None:
        """One line that a person can act on."""
        self.client.answers["get_queue_url"] = EndpointConnectionError(endpoint_url="http://e")
        failure = self.failureResultOf(self.queues().for_nodes(["n1"], "c"), CannotStart)
        self.assertIn("http://e", str(failure.value))

    def test_own_queues_need_the_permission_to_make_them(self) -> None:
        """Which is said when it is missing."""
        self.client.answers["get_queue_url"] = refused("QueueDoesNotExist")
        self.client.answers["create_queue"] = refused("AccessDenied")
        failure = self.failureResultOf(self.queues(own=True).for_api("a1", "c"), CannotStart)
        self.assertIn("cannot create queue q-api-a1", str(failure.value))

    def test_a_queue_that_disappears_while_running_is_unavailable(self) -> None:
        """No reason to stop."""
        self.client.answers["get_queue_url"] = refused("QueueDoesNotExist")
        self.failureResultOf(self.queues().reply_queue("a1"), QueueUnavailable)
        self.client.answers["get_queue_url"] = refused("AccessDenied")
        self.failureResultOf(self.queues(own=True).node_queue("n1"), QueueUnavailable)


class ClientsTests(SynchronousTestCase):
    def test_a_person_need_not_give_a_region_for_a_service_of_his_own(self) -> None:
        """AWS's own endpoints need one."""
        clients = Clients(SqsAddress("q", endpoint="http://127.0.0.1:1"))
        self.assertIs(clients.sender(), clients.sender())
        self.assertIsNot(clients.poller(), clients.poller())

    def test_the_time_outs_are_those_that_were_measured(self) -> None:
        """A poll outlasts 20 seconds and is not repeated; a send gives up after five."""
        clients = Clients(SqsAddress("q", endpoint="http://127.0.0.1:1", region="eu-west-1"))
        poll, send = clients.poller().meta, clients.sender().meta
        self.assertEqual("eu-west-1", poll.region_name)
        self.assertEqual((25, 1), (poll.config.read_timeout, attempts(poll)))
        self.assertEqual((5, 3), (send.config.read_timeout, attempts(send)))

    def test_what_is_missing_is_told_with_what_to_do(self) -> None:
        """Somebody who never used AWS can go on from the one line that he sees."""
        self.assertRegex(reason(NoRegionError()), r"\?region=.* AWS_DEFAULT_REGION")
        self.assertRegex(reason(NoCredentialsError()), "AWS_ACCESS_KEY_ID")


def attempts(meta: Any) -> int:
    return int(meta.config.retries["total_max_attempts"])


class Strangers:
    """Stands for `SqsQueues`: queues without a server, some of which get removed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.removed: list[str] = []
        self.broken = False

    def strangers(self, live: Any, cluster_id: str) -> Deferred[Any]:
        assert cluster_id == "c"
        if self.broken:
            return fail(QueueUnavailable("denied"))
        return succeed([name for name in self.names if name not in live])

    def remove(self, name: str) -> Deferred[None]:
        self.names.remove(name)
        return succeed(self.removed.append(name))


class OrphansTests(Base):
    def setUp(self) -> None:
        super().setUp()
        self.clock, self.strangers = Clock(), Strangers()
        self.lease = True
        self.live = ["alive"]
        self.orphans = Orphans(
            self.clock,
            self.strangers,  # type: ignore[arg-type]
            "c",
            lambda: succeed(self.lease),
            lambda: self.live,
        )
        self.strangers.names = ["dead", "alive"]

    def sweep(self) -> Any:
        return self.successResultOf(self.orphans.sweep())

    def test_a_queue_goes_when_its_server_is_gone_for_long(self) -> None:
        """And not before: a server may make its queue before it is known."""
        self.assertEqual([], self.sweep())
        self.clock.advance(GRACE - 1)
        self.assertEqual([], self.sweep())
        self.clock.advance(1)
        self.assertEqual(["dead"], self.sweep())
        self.assertEqual(["alive"], self.strangers.names)

    def test_a_server_that_comes_back_starts_anew(self) -> None:
        """The time without a server is counted in one piece."""
        self.sweep()
        self.clock.advance(GRACE - 1)
        self.live.append("dead")
        self.sweep()
        self.live.remove("dead")
        self.clock.advance(1)
        self.assertEqual([], self.sweep())

    def test_only_the_holder_of_the_lease_sweeps(self) -> None:
        """Who loses it counts from the start when he has it again."""
        self.sweep()
        self.lease = False
        self.clock.advance(GRACE)
        self.assertEqual((), self.sweep())
        self.lease = True
        self.assertEqual([], self.sweep())

    def test_when_nobody_is_known_nobody_is_gone(self) -> None:
        """An empty list of members is no reason to remove all queues."""
        self.sweep()
        self.live.clear()
        self.clock.advance(GRACE)
        self.assertEqual((), self.sweep())

    def test_without_permission_nothing_goes_and_the_log_says_so_once(self) -> None:
        """The operator may not have granted it."""
        self.strangers.broken = True
        self.sweep()
        self.sweep()
        self.assertEqual([LogLevel.warn], [level for level, _ in self.logged])


@pytest.fixture(autouse=True)
def _made_up_credentials(aws_environment: None) -> None:
    """No real account is ever reached."""
