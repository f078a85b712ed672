"""
Ask duckdb about Parquet files in a bucket, and let it write some.

    python parquet_of_duckdb.py BUCKET ENDPOINT path|vhost ROWS

The bucket has `one.parquet` of so many rows and the data set `set`, as pyarrow makes them.
The key comes from the environment; the third word says where the bucket's name goes.
"""

import os
import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

bucket, endpoint, style, rows = sys.argv[1:]
database = duckdb.connect()
folder = Path(next(iter(duckdb_extension_httpfs.__path__)))
(extension,) = folder.glob("extensions/*/httpfs.duckdb_extension")
database.execute(f"LOAD '{extension}'")
database.execute(
    f"""
    CREATE SECRET (
        TYPE s3, REGION 'us-east-1', USE_SSL false, ENDPOINT '{endpoint}', URL_STYLE '{style}',
        KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}', SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}'
    )
    """
)


def ask(question: str) -> list[tuple]:
    """The rows of an answer."""
    return database.execute(question).fetchall()


one = f"s3://{bucket}/one.parquet"
total = int(rows) * (int(rows) - 1) // 2
assert ask(f"SELECT count(*), sum(number) FROM '{one}'") == [(int(rows), total)]
found = f"SELECT count(*) FROM read_parquet('s3://{bucket}/set/*/*.parquet') WHERE \"group\" = 'g1'"
assert ask(found) == [(10_000,)]

# One large file that goes up in parts, and a folder of them.
database.execute(
    f"COPY (FROM '{one}') TO 's3://{bucket}/duck.parquet' (COMPRESSION 'uncompressed')"
)
same = f"SELECT count(*) FROM (FROM '{one}' EXCEPT FROM 's3://{bucket}/duck.parquet')"
assert ask(same) == [(0,)]
folder_of_them = 'FORMAT parquet, PARTITION_BY ("group")'
database.execute(f"COPY (FROM '{one}' LIMIT 30_000) TO 's3://{bucket}/ducks' ({folder_of_them})")
ducks = f"read_parquet('s3://{bucket}/ducks/**/*.parquet')"
counted = ask(f'SELECT "group", count(*) FROM {ducks} GROUP BY 1 ORDER BY 1')
assert counted == [("g0", 10_000), ("g1", 10_000), ("g2", 10_000)]
database.execute(f"COPY (SELECT 1 AS a, 'x' AS b) TO 's3://{bucket}/small.csv'")
assert ask(f"FROM 's3://{bucket}/small.csv'") == [(1, "x")]
