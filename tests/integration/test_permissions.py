"""What servers ask of AWS: the operations that docs/operating.rst grants, and no others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from tests.integration.cluster import cluster, prepare
from tests.integration.contents import MIB, content
from tests.standins import StandIn

# TransactWriteItems is permitted by PutItem, DeleteItem and ConditionCheckItem.  Source: Amazon
# DynamoDB Developer Guide, "Using IAM with DynamoDB transactions".  Batches are permitted as
# single messages are.  Source: Amazon SQS Developer Guide, "Amazon SQS batch actions".
SERVERS = {
    "DynamoDB": {"DescribeTable", "GetItem", "BatchGetItem", "Query", "TransactWriteItems"},
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


class Recorder(ThreadingHTTPServer):
    """Passes requests on to a stand-in, and notes the operations in `asked`."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind).netloc
        self.asked: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one segment
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.add(self.headers["X-Amz-Target"].rpartition(".")[2])
        behind = HTTPConnection(self.server.behind, timeout=60)
        behind.request("POST", self.path, body, dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """The stand-ins' operations are not news."""


@contextmanager
def recorded(stand_in: StandIn) -> Iterator[Recorder]:
    """A recorder before a stand-in."""
    recorder = Recorder(stand_in.url)
    Thread(target=recorder.serve_forever, daemon=True).start()
    try:
        yield recorder
    finally:
        recorder.shutdown()
        recorder.server_close()


def test_operations(tmp_path: Path, dynamodb_local: StandIn, fauxqs: StandIn) -> None:
    """`godos state init` needs more than the servers, which need few."""
    with recorded(dynamodb_local) as dynamodb, recorded(fauxqs) as sqs:
        asked: Mapping[str, Recorder] = {"DynamoDB": dynamodb, "SQS": sqs}
        name = f"permitted{os.getpid()}"
        state, queue = f"dynamodb:{name}?endpoint={dynamodb.url}", f"sqs:{name}?endpoint={sqs.url}"
        prepare(state, queue)
        for service, recorder in asked.items():
            assert recorder.asked <= SERVERS[service] | INIT[service]
            assert recorder.asked >= INIT[service]
            recorder.asked.clear()

        with cluster(tmp_path, state, queue) as store:
            api = store.start(2)["api"]
            for size in (0, 10, 2 * MIB):
                for _ in range(2):
                    assert api.put("x", content("x", size=size)).status_code == 200
                assert api.get("x").status_code == 200
            assert api.names() == ["x"]
            assert api.locate("x")["complete"] is True
            assert api.delete("x").status_code == 204
            for server in store.servers.values():
                assert server.end() == 0
    for service, recorder in asked.items():
        assert recorder.asked <= SERVERS[service]
    assert sqs.asked & {"SendMessage", "SendMessageBatch"}
    assert dynamodb.asked >= {"Query", "TransactWriteItems"}
