"""
What txaws 0.5.0 can ask of a server: run by Python 2.7, started by `test_txaws.py`.

    python2.7 txaws_client.py URL ACCESS_KEY SECRET_KEY

Writes one line of JSON for each call: its name, whether it succeeded, and what came.
"""

import hashlib
import json
import sys

from twisted.internet import defer, task
from txaws.credentials import AWSCredentials
from txaws.s3.client import S3Client
from txaws.service import AWSServiceEndpoint

PATIENCE = 20  # seconds


def calls(client):
    """Each with its name, in order."""
    large = b"x" * (5 << 20)
    etag = hashlib.md5(large).hexdigest()
    yield "create_bucket", lambda: client.create_bucket("txaws")
    yield "list_buckets", lambda: client.list_buckets()
    yield "put_object", lambda: client.put_object("txaws", "a key/1", b"hello", "text/plain")
    yield "get_object", lambda: client.get_object("txaws", "a key/1")
    yield "get_bucket", lambda: client.get_bucket("txaws", prefix="a")
    yield "init_multipart_upload", lambda: client.init_multipart_upload("txaws", "parts")
    yield "upload_part", lambda: client.upload_part("txaws", "parts", upload[0], 1, large)
    yield (
        "complete_multipart_upload",
        lambda: client.complete_multipart_upload("txaws", "parts", upload[0], [(1, etag)]),
    )
    yield "unsigned metadata", lambda: client.put_object("txaws", "m", b"", None, {"a": "b"})
    yield (
        "unsigned copy source",
        lambda: client.copy_object("txaws", "a key/1", dest_object_name="copy"),
    )
    yield "delete_object", lambda: client.delete_object("txaws", "a key/1")
    yield "delete parts", lambda: client.delete_object("txaws", "parts")
    yield "delete_bucket", lambda: client.delete_bucket("txaws")


upload = [""]  # its id


def text_of(result):
    if hasattr(result, "upload_id"):
        upload[0] = result.upload_id
    if hasattr(result, "contents"):
        return [item.key for item in result.contents]
    if isinstance(result, (list, tuple)) and result and hasattr(result[0], "name"):
        return [bucket.name for bucket in result]
    return result.decode("latin-1") if isinstance(result, bytes) else ""


@defer.inlineCallbacks  # Python 2.7 has no other way
def main(reactor, url, access_key, secret_key):
    credentials = AWSCredentials(access_key, secret_key)
    client = S3Client(creds=credentials, endpoint=AWSServiceEndpoint(url))
    for name, call in calls(client):
        try:
            result = yield defer.maybeDeferred(call).addTimeout(PATIENCE, reactor)
            line = [name, True, text_of(result)]
        except Exception as error:
            line = [name, False, str(getattr(error, "response", None) or error)]
        sys.stdout.write(json.dumps(line) + "\n")


task.react(main, sys.argv[1:])
