"""Uploads in parts on one API server, three data servers and DynamoDB, while data servers die."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import requests

from tests.integration.cluster import PATIENCE, cluster, prepare, until
from tests.integration.contents import MIB, content
from tests.integration.test_durability_of_parts import S3, Refused
from tests.standins import StandIn

T = TypeVar("T")
PARTS = 6


def tried(work: Callable[[], T]) -> T:
    """What clients do: repeat what was answered with 5xx or broken off, until it is done."""
    results: list[T] = []

    def done() -> bool:
        try:
            results.append(work())
        except Refused as refused:
            assert refused.status >= 500, refused
            return False
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return False
        return True

    until(done, "it was refused for too long")
    return results[0]


def test_a_data_server_dies_under_an_upload_in_parts(
    tmp_path: Path, dynamodb_local: StandIn
) -> None:
    """
    A data server that is killed between the parts, and one that is between the last part and
    the end, lose nothing: the object and its copy are whole, and stay so for other survivors.
    """
    state = f"dynamodb:parts{os.getpid()}?endpoint={dynamodb_local.url}"
    prepare(state)
    bodies = [content("part", number, 5 * MIB) for number in range(PARTS)]
    with cluster(tmp_path, state) as store, requests.Session() as session:
        store.start()
        api = store["api"]
        s3 = S3(api.url, session)
        upload = s3.begin("k")
        for number, body in enumerate(bodies, 1):
            if number == PARTS // 2:
                store["data-1"].kill()
            tried(lambda number=number, body=body: s3.send("k", upload, number, body))
        store["data-1"].start().await_announced()
        store["data-2"].kill()
        tried(lambda: s3.complete("k", upload, bodies))
        tried(lambda: s3.copy("copy", "k"))
        whole = b"".join(bodies)
        assert tried(lambda: api.get("k").content) == whole
        assert api.delete("k").status_code == 204
        store["data-2"].start().await_announced()
        store["data-3"].kill()
        got = tried(lambda: requests.get(api.at("copy"), timeout=PATIENCE))
        assert got.status_code == 200
        assert got.content == whole
