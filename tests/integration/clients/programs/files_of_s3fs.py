"""
Keep files in a bucket with s3fs.

    python files_of_s3fs.py BUCKET HERE BACK

`HERE` is a folder that is put into the bucket, and `BACK` the one that is made from it.  The
endpoint and the key come from the environment.
"""

import sys
from pathlib import Path

import s3fs

PART = 5 << 20  # bytes
bucket, here, back = sys.argv[1:]
files = s3fs.S3FileSystem(default_block_size=PART)

# A folder, up and down.
files.put(f"{here}/", f"{bucket}/tree/", recursive=True)
names = [path.relative_to(here).as_posix() for path in Path(here).rglob("*") if path.is_file()]
assert sorted(files.find(f"{bucket}/tree")) == sorted(f"{bucket}/tree/{name}" for name in names)
files.get(f"{bucket}/tree/", f"{back}/", recursive=True)

# A file that is written bit by bit, and read from its middle.
line = b"a line of a file that is written in parts, one after the other\n"
lines = 3 * PART // len(line)
with files.open(f"{bucket}/written", "wb") as file:
    for _ in range(lines):
        file.write(line)
assert files.size(f"{bucket}/written") == lines * len(line)
with files.open(f"{bucket}/written", "rb") as file:
    file.seek(1000 * len(line))
    assert file.read(2 * len(line)) == 2 * line
with files.open(f"{bucket}/written", "ab") as file:  # copies what is there as a part
    file.write(b"and one more")
assert files.cat(f"{bucket}/written") == line * lines + b"and one more"
assert files.cat_file(f"{bucket}/written", start=-4) == b"more"

# Small things, in the words of fsspec.
small = {f"{bucket}/d/a": b"a", f"{bucket}/d/e/b": b"b"}
files.pipe(small)
assert files.cat(list(small)) == small
assert files.ls(f"{bucket}/d", refresh=True) == [f"{bucket}/d/a", f"{bucket}/d/e"]
assert files.isdir(f"{bucket}/d/e") and files.isfile(f"{bucket}/d/e/b")
assert not files.exists(f"{bucket}/d/nothing")
files.mv(f"{bucket}/d/a", f"{bucket}/d/c")
assert files.du(f"{bucket}/d") == 2
files.setxattr(f"{bucket}/d/c", colour="blue")
assert files.getxattr(f"{bucket}/d/c", "colour") == "blue"
files.put_tags(f"{bucket}/d/c", {"a": "1"})
assert files.get_tags(f"{bucket}/d/c") == {"a": "1"}
files.rm(f"{bucket}/d", recursive=True)
assert files.glob(f"{bucket}/d/**") == []

# A bucket of its own; with a region s3fs says where it shall be.
files.mkdir("s3fs-made", region_name="us-east-1")
assert "s3fs-made" in files.ls("")
files.rmdir("s3fs-made")
