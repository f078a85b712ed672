"""Where the bytes of blobs are read."""

from __future__ import annotations

from godos.model.blobs import Blob
from godos.objects.blob_read import BlobRead
from godos.objects.reach import Reach


class Sources(Reach):
    """What reading blobs needs; shared by all reads of a server."""

    def read(self, blob: Blob, start: int, stop: int) -> BlobRead:
        """
        Bytes [start, stop) of a blob's stored bytes, 0 <= start <= stop <= `blob.size`.

        Nothing is asked for before the first `read`; whoever calls closes it.
        """
        return BlobRead(self, blob, start, stop)
