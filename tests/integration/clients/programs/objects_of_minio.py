"""
Keep objects in a bucket with minio-py.

    python objects_of_minio.py BUCKET FILE BACK

`FILE` is put into the bucket as `large`, and read back into `BACK`.  The endpoint and the key
come from the environment.
"""

import io
import os
import sys
from datetime import timedelta
from urllib.request import Request, urlopen

from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

PART = 5 << 20  # bytes
bucket, path, back = sys.argv[1:]
minio = Minio(
    os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"),
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=False,
)


def read(key: str, **more: object) -> bytes:
    """A whole object, or a range of it."""
    answer = minio.get_object(bucket, key, **more)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


# A file in parts, a stream of unknown length, a copy and a composition on the server.
minio.fput_object(bucket, "large", path, part_size=PART, metadata={"colour": "blue"})
minio.fget_object(bucket, "large", back)
with open(path, "rb") as file:
    whole = file.read()
minio.put_object(bucket, "stream", io.BytesIO(whole), -1, part_size=PART)
assert read("stream") == whole
assert read("stream", offset=PART - 5, length=10) == whole[PART - 5 : PART + 5]
minio.copy_object(bucket, "copy", CopySource(bucket, "large"))
assert minio.stat_object(bucket, "copy").metadata["x-amz-meta-colour"] == "blue"
sources = [ComposeSource(bucket, "large"), ComposeSource(bucket, "stream")]
minio.compose_object(bucket, "composed", sources)
assert read("composed") == whole + whole

# Links.
link = minio.presigned_put_object(bucket, "by link", expires=timedelta(minutes=1))
with urlopen(Request(link, b"through a link", method="PUT"), timeout=20) as answer:
    assert answer.status == 200
with urlopen(minio.presigned_get_object(bucket, "by link"), timeout=20) as answer:
    assert answer.read() == b"through a link"

# Tags, of the object and of the bucket.
tags = Tags.new_object_tags()
tags["a"] = "1 + 1"
minio.set_object_tags(bucket, "by link", tags)
assert minio.get_object_tags(bucket, "by link") == tags
minio.delete_object_tags(bucket, "by link")
assert not minio.get_object_tags(bucket, "by link")

# Versions.
minio.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
first = minio.put_object(bucket, "versions/a", io.BytesIO(b"1"), 1)
minio.put_object(bucket, "versions/a", io.BytesIO(b"22"), 2)
minio.remove_object(bucket, "versions/a")
assert read("versions/a", version_id=first.version_id) == b"1"
listed = list(minio.list_objects(bucket, "versions/", include_version=True))
assert sorted((one.is_delete_marker, one.size or 0) for one in listed) == [
    (False, 1),
    (False, 2),
    (True, 0),
]
doomed = [DeleteObject(one.object_name, one.version_id) for one in listed]
assert list(minio.remove_objects(bucket, doomed)) == []
assert list(minio.list_objects(bucket, "versions/", include_version=True)) == []

# A listing in folders, and what is not there.
names = [one.object_name for one in minio.list_objects(bucket)]
assert names == ["by link", "composed", "copy", "large", "stream"]
try:
    minio.stat_object(bucket, "nothing")
except S3Error as error:
    assert error.code == "NoSuchKey"
else:
    raise AssertionError("an object that is not there was found")

# A bucket of its own; minio-py says in which region it shall be.
minio.make_bucket("minio-made", location="us-east-1")
assert "minio-made" in [one.name for one in minio.list_buckets()]
minio.remove_bucket("minio-made")
assert not minio.bucket_exists("minio-made")
