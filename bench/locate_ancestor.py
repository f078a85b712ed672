"""
The ancestor's protocol, as far as it can be measured: `python -m bench.locate_ancestor JSON`.

A data server that receives a question for something it does not hold leaves it hidden for
30 seconds; an API server that receives another's answer does the same; nobody says "no".
Description and commands are those of `bench.locate_server`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config

HIDDEN = 30  # seconds: the visibility time-out of the ancestor's queues
GIVE_UP = 5.0  # seconds


class Queues:
    """Both queues, with a count of requests."""

    def __init__(self, what: Mapping[str, Any]) -> None:
        config = Config(read_timeout=25, max_pool_connections=64)
        self.sqs: Any = boto3.client(
            "sqs", endpoint_url=what["endpoint"], region_name="us-east-1", config=config
        )
        self.requests = 0
        self._latency = what["latency"]
        self.sqs.meta.events.register("request-created.sqs", self._created)
        self.queries = self.sqs.get_queue_url(QueueName=what["name"])["QueueUrl"]
        self.replies = self.sqs.get_queue_url(QueueName=f"{what['name']}-located")["QueueUrl"]

    def _created(self, **_: Any) -> None:
        self.requests += 1
        time.sleep(self._latency)

    def send(self, url: str, message: Mapping[str, str]) -> None:
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))

    def take(self, url: str, wanted: Callable[[Any], bool]) -> None:
        """Receive once; what is wanted is deleted, and all else stays hidden."""
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20, VisibilityTimeout=HIDDEN
        )
        for message in answer.get("Messages", ()):
            if wanted(json.loads(message["Body"])):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def forever(work: Callable[[], None]) -> None:
    """Repeat `work` in a thread."""

    def repeat() -> None:
        while True:
            work()

    threading.Thread(target=repeat, daemon=True).start()


def data_server(what: Mapping[str, Any], queues: Queues) -> Mapping[str, Any]:
    """Answers questions for what it holds."""
    held, address = frozenset(what["held"].get(what["me"], ())), what["nodes"][what["me"]]

    def wanted(query: Mapping[str, str]) -> bool:
        if query["name"] in held:
            queues.send(queues.replies, {**query, "addr": address})
        return query["name"] in held

    forever(lambda: queues.take(queues.queries, wanted))
    return {}


def api_server(what: Mapping[str, Any], queues: Queues) -> Mapping[str, Any]:
    """Asks, and waits for an answer that has its uid."""
    waiting: dict[str, tuple[threading.Event, list[str]]] = {}
    nodes = {address: node for node, address in what["nodes"].items()}

    def wanted(reply: Mapping[str, str]) -> bool:
        event, addresses = waiting.get(reply["uid"], (None, []))
        if event is not None:
            addresses.append(reply["addr"])
            event.set()
        return event is not None

    def one(name: str) -> Mapping[str, Any]:
        started, uid = time.monotonic(), uuid.uuid4().hex
        event, addresses = waiting[uid] = threading.Event(), []
        queues.send(queues.queries, {"uid": uid, "addr": "", "name": name})
        event.wait(GIVE_UP)
        del waiting[uid]
        holders = [{"node": nodes[address], "address": address} for address in addresses]
        return {"holders": holders, "complete": False, "took": time.monotonic() - started}

    def ask(names: Sequence[str]) -> Mapping[str, Any]:
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(one, names), strict=True))

    forever(lambda: queues.take(queues.replies, wanted))
    return {"ask": ask}


def main() -> None:
    """Run until killed."""
    what = json.loads(sys.argv[1])
    queues = Queues(what)
    kind = data_server if what["me"] in what["nodes"] else api_server
    routes = {**kind(what, queues), "requests": lambda _: queues.requests}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(routes[self.path.rpartition("/")[2]](question)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    host, _, port = {**what["nodes"], **what["apis"]}[what["me"]].rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
