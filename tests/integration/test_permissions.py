"""What servers ask of AWS: the operations that docs/operating.rst grants, and no others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.integration.cluster import cluster, prepare
from tests.integration.contents import MIB, content
from tests.integration.gateway import Gateway, gateway
from tests.standins import StandIn

# TransactWriteItems is permitted by PutItem, DeleteItem and ConditionCheckItem.  Source: Amazon
# DynamoDB Developer Guide, "Using IAM with DynamoDB transactions".  Batches are permitted as
# single messages are.  Source: Amazon SQS Developer Guide, "Amazon SQS batch actions".
SERVERS = {
    "DynamoDB": {
        "DescribeTable",
        "GetItem",
        "BatchGetItem",
        "Query",
        "Scan",
        "TransactWriteItems",
    },
    "SQS": {
        "GetQueueUrl",
        "SendMessage",
        "SendMessageBatch",
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
    },
}
INIT = {
    "DynamoDB": {"CreateTable", "DescribeTimeToLive", "UpdateTimeToLive"},
    "SQS": {"CreateQueue"},
}


def test_operations(tmp_path: Path, dynamodb_local: StandIn, fauxqs: StandIn) -> None:
    """`godos state init` needs more than the servers, which need few."""
    with gateway(dynamodb_local) as dynamodb, gateway(fauxqs) as sqs:
        asked: Mapping[str, Gateway] = {"DynamoDB": dynamodb, "SQS": sqs}
        name = f"permitted{os.getpid()}"
        state, queue = f"dynamodb:{name}?endpoint={dynamodb.url}", f"sqs:{name}?endpoint={sqs.url}"
        prepare(state, queue)
        for service, gate in asked.items():
            assert gate.asked <= SERVERS[service] | INIT[service]
            assert gate.asked >= INIT[service]
            gate.asked.clear()

        with cluster(tmp_path, state, queue) as store:
            api = store.start(2)["api"]
            for size in (0, 10, 2 * MIB):
                for _ in range(2):
                    assert api.put("x", content("x", size=size)).status_code == 200
                assert api.get("x").status_code == 200
            assert api.names() == ["x"]
            assert len(api.locate_for_sure("x")["holders"]) == 2
            assert api.delete("x").status_code == 204
            for server in store.servers.values():
                assert server.end() == 0
    for service, gate in asked.items():
        assert gate.asked <= SERVERS[service]
    assert sqs.asked & {"SendMessage", "SendMessageBatch"}
    assert dynamodb.asked >= {"Query", "TransactWriteItems"}
