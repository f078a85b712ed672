"""
Keep tables in a bucket as Parquet files, with pyarrow.

    python parquet_of_pyarrow.py BUCKET ENDPOINT path|host

The key comes from the environment; the third word says where the bucket's name goes.
"""

import sys

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileType, S3FileSystem

ROWS = 1_500_000
bucket, endpoint, style = sys.argv[1:]
files = S3FileSystem(
    scheme="http",
    endpoint_override=endpoint,
    force_virtual_addressing=style == "host",
)

# One large file, which goes up in parts, and of which single columns are read.
table = pa.table(
    {
        "number": pa.array(range(ROWS), pa.int64()),
        "mixed": pa.array(((n * 2654435761) % (1 << 40) for n in range(ROWS)), pa.int64()),
        "group": pa.array(f"g{n % 3}" for n in range(ROWS)),
    }
)
pq.write_table(table, f"{bucket}/one.parquet", filesystem=files, compression="none")
assert files.get_file_info(f"{bucket}/one.parquet").size > 12 << 20  # more than one part
assert pq.read_table(f"{bucket}/one.parquet", filesystem=files).equals(table)
column = pq.read_table(f"{bucket}/one.parquet", columns=["mixed"], filesystem=files)
assert column.equals(table.select(["mixed"]))

# A data set of several files, of which those are read that matter.
ds.write_dataset(
    table.slice(0, 30_000),
    f"{bucket}/set",
    filesystem=files,
    format="parquet",
    partitioning=["group"],
    partitioning_flavor="hive",
)
parts = ds.dataset(f"{bucket}/set", filesystem=files, partitioning="hive")
assert parts.count_rows() == 30_000
assert parts.count_rows(filter=ds.field("group") == "g1") == 10_000

# Files and folders.
files.copy_file(f"{bucket}/one.parquet", f"{bucket}/folder/copy")
files.move(f"{bucket}/folder/copy", f"{bucket}/folder/moved")
inside = files.get_file_info(FileSelector(f"{bucket}/folder", recursive=True))
assert [entry.path for entry in inside] == [f"{bucket}/folder/moved"]
files.create_dir(f"{bucket}/empty/folder")
assert files.get_file_info(f"{bucket}/empty/folder").type == FileType.Directory
files.delete_dir(f"{bucket}/folder")
files.delete_dir(f"{bucket}/empty")
with files.open_output_stream(f"{bucket}/text", metadata={"Content-Type": "text/plain"}) as text:
    text.write(b"hello")
with files.open_input_stream(f"{bucket}/text") as text:
    assert (text.metadata()["Content-Type"], text.read()) == (b"text/plain", b"hello")
files.delete_file(f"{bucket}/text")
left = {entry.path for entry in files.get_file_info(FileSelector(bucket))}
assert left == {f"{bucket}/one.parquet", f"{bucket}/set"}
