"""Libraries for Python beside boto3: each program uses one of them as its users do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import from_clients, run
from tests.integration.clients.store import (
    Store,
    content,
    odd_tree,
    read_tree,
    running,
    write_tree,
)

PROGRAMS = Path(__file__).parent / "programs"
ROWS = 1_500_000  # of the table that parquet_of_pyarrow.py makes
Program = Callable[..., str]


def programs(store: Store, folder: Path) -> Program:
    """Runs a program against a store."""
    python, home = from_clients("python"), folder / "home"
    home.mkdir()
    variables = {**store.key.variables, "AWS_ENDPOINT_URL": store.url}

    def command(name: str, *words: str | Path) -> str:
        return run(python, PROGRAMS / name, *words, variables=variables, home=home)

    return command


@pytest.fixture
def program(store: Store, tmp_path: Path) -> Program:
    """Runs a program against the store of all tests."""
    return programs(store, tmp_path)


def test_s3fs(store: Store, program: Program, bucket: str, tmp_path: Path) -> None:
    """s3fs keeps a folder, files that grow, and all that fsspec can do with them."""
    files = odd_tree()
    here, back = write_tree(tmp_path / "here", files), tmp_path / "back"
    program("files_of_s3fs.py", bucket, here, back)
    assert read_tree(back) == files
    kept = store.content(bucket)
    del kept["written"]
    assert kept == {f"tree/{name}": data for name, data in files.items()}


def test_minio(store: Store, program: Program, bucket: str, tmp_path: Path) -> None:
    """minio-py keeps files, streams, copies, links, tags and versions."""
    data = content(11 << 20)
    here, back = write_tree(tmp_path, {"here": data}) / "here", tmp_path / "back"
    program("objects_of_minio.py", bucket, here, back)
    assert back.read_bytes() == data
    assert store.content(bucket) == {
        "by link": b"through a link",
        "composed": data + data,
        "copy": data,
        "large": data,
        "stream": data,
    }


def test_parquet(store: Store, program: Program, bucket: str) -> None:
    """pyarrow writes tables, duckdb reads them and writes its own."""
    program("parquet_of_pyarrow.py", bucket, store.netloc, "path")
    program("parquet_of_duckdb.py", bucket, store.netloc, "path", str(ROWS))


def test_buckets_as_host_names(tmp_path: Path) -> None:
    """The same with http://BUCKET.localhost instead of http://localhost/BUCKET."""
    with running(tmp_path, "--domain", "localhost", "--log-level", "debug") as store:
        program = programs(store, tmp_path)
        store.client().create_bucket(Bucket="mine")
        host = f"localhost:{store.port}"  # these clients know where *.localhost is
        program("parquet_of_pyarrow.py", "mine", host, "host")
        program("parquet_of_duckdb.py", "mine", host, "vhost", str(ROWS))
        asked = store.server.log
    assert "PUT /small.csv" in asked or "POST /small.csv" in asked
    assert " /mine/" not in asked
