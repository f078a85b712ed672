"""What every `IObjects` promises of uploads in parts; used as `ObjectsContract` is."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Sequence
from hashlib import md5, sha256
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    BadDigest,
    EntityTooSmall,
    GodosError,
    InvalidEncryption,
    InvalidPart,
    InvalidPartNumber,
    InvalidPartOrder,
    InvalidRange,
    InvalidRequest,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
)
from godos.model.multipart import MIN_PART, MultipartUpload, Part
from godos.model.objects import (
    ByteRange,
    ChosenPart,
    CompleteRequest,
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    NewUpload,
    PutRequest,
)
from godos.model.versions import (
    Attributes,
    ChecksumType,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from tests.unit.objects.meddling import HeldBody
from tests.unit.objects.stores import Body, now, whole

TEXT = b"hello, world"
BIG = b"0123456789abcdef" * (MIN_PART // 16)  # the least that a part but the last may have
SAID = Attributes({"content-type": "a/b"}, {"author": "Zoë"})
CUSTOMER = Encryption(Cipher.CUSTOMER, b"k" * 32)
SSE_S3 = Encryption(Cipher.S3)
PLAIN = GetRequest()


def base64(raw: bytes) -> str:
    """As checksums are written."""
    return b64encode(raw).decode("ascii")


def crc32(data: bytes) -> str:
    """The checksum of some bytes."""
    return base64(zlib.crc32(data).to_bytes(4, "big"))


def etag_of(pieces: Sequence[bytes]) -> str:
    """The ETag of an object that was uploaded in these pieces."""
    return f"{md5(b''.join(md5(piece).digest() for piece in pieces)).hexdigest()}-{len(pieces)}"


class UploadsContract:
    """Tests of any `IObjects`; what waits must be able to fire at once."""

    def begin(self, objects: Any, key: str = "a", **new: Any) -> MultipartUpload:
        upload = now(objects.create_upload("objects", key, NewUpload("ann", **new)))
        assert isinstance(upload, MultipartUpload)
        return upload

    def part(
        self, objects: Any, upload: MultipartUpload, number: int, data: bytes, **asked: Any
    ) -> Part:
        part = now(
            objects.upload_part(
                "objects", upload.key, upload.id, number, Body(data), PutRequest(**asked)
            )
        )
        assert isinstance(part, Part)
        return part

    def fill(self, objects: Any, upload: MultipartUpload, pieces: Sequence[bytes]) -> list[Part]:
        return [
            self.part(objects, upload, number, piece)
            for number, piece in enumerate(pieces, start=1)
        ]

    def complete(
        self, objects: Any, upload: MultipartUpload, parts: Sequence[Part], **asked: Any
    ) -> ObjectVersion:
        chosen = tuple(ChosenPart(part.number, part.etag) for part in parts)
        request = CompleteRequest(chosen, **asked)
        version = now(objects.complete_upload("objects", upload.key, upload.id, request))
        assert isinstance(version, ObjectVersion)
        return version

    def get(self, objects: Any, key: str = "a", request: GetRequest = PLAIN) -> bytes:
        return whole(now(objects.get("objects", key, request)))

    # -- a whole upload ---------------------------------------------------------------------
    def test_upload(self, objects: Any) -> None:
        """The object has the bytes of its parts in order, and what the upload began with."""
        upload = self.begin(objects, attributes=SAID)
        assert (upload.key, upload.initiator, upload.attributes) == ("a", "ann", SAID)
        assert now(objects.upload("objects", "a", upload.id)) == upload
        last = self.part(objects, upload, 2, TEXT)
        first = self.part(objects, upload, 1, BIG)
        assert (first.number, first.size, first.etag) == (1, MIN_PART, md5(BIG).hexdigest())
        with pytest.raises(NoSuchKey):
            self.get(objects)
        version = self.complete(objects, upload, [first, last])
        assert version.etag == etag_of([BIG, TEXT])
        assert (version.size, version.parts) == (len(BIG) + len(TEXT), 2)
        assert version.attributes == SAID
        assert self.get(objects) == BIG + TEXT
        assert now(objects.head("objects", "a", PLAIN)) == version

    def test_parts_of_the_object(self, objects: Any) -> None:
        """The parts of an object can be listed, read by number, and reached by range."""
        upload = self.begin(objects)
        parts = self.fill(objects, upload, [BIG, TEXT])
        version = self.complete(objects, upload, parts)
        page = now(objects.parts_of(version, 0, 1))
        assert ([part.number for part in page.parts], page.next) == ([1], 1)
        page = now(objects.parts_of(version, 1, 10))
        assert ([part.size for part in page.parts], page.next) == ([len(TEXT)], None)
        for number, data, start in ((1, BIG, 0), (2, TEXT, len(BIG))):
            read = now(objects.get("objects", "a", GetRequest(part=number)))
            assert (read.start, read.stop) == (start, start + len(data))
            assert read.part.number == number
            assert whole(read) == data
        with pytest.raises(InvalidPartNumber):
            now(objects.get("objects", "a", GetRequest(part=3)))
        across = GetRequest(range=ByteRange(MIN_PART - 2, MIN_PART + 1))
        assert self.get(objects, request=across) == BIG[-2:] + TEXT[:2]

    def test_a_plain_object_is_one_part(self, objects: Any) -> None:
        """Part 1 of what was not uploaded in parts is the whole."""
        put = now(objects.put("objects", "a", Body(TEXT), PutRequest()))
        read = now(objects.get("objects", "a", GetRequest(part=1)))
        assert (read.part, whole(read)) == (None, TEXT)
        assert now(objects.parts_of(put, 0, 10)).parts == ()
        with pytest.raises(InvalidPartNumber):
            now(objects.get("objects", "a", GetRequest(part=2)))

    def test_one_small_part(self, objects: Any) -> None:
        """One part may be small, and even empty."""
        for data in (TEXT, b""):
            upload = self.begin(objects)
            version = self.complete(objects, upload, self.fill(objects, upload, [data]))
            assert version.etag == etag_of([data])
            assert self.get(objects) == data

    def test_versions(self, objects: Any) -> None:
        """With versioning on a completed upload is a version of its own."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        now(objects.put("objects", "a", Body(b"old"), PutRequest()))
        upload = self.begin(objects)
        version = self.complete(objects, upload, self.fill(objects, upload, [TEXT]))
        assert not version.is_null
        assert len(now(objects.list_versions("objects", "", "", "", "", 10)).versions) == 2
        now(objects.delete("objects", "a", DeleteRequest(version.version_id)))
        assert self.get(objects) == b"old"

    def test_completing_again(self, objects: Any) -> None:
        """Who did not hear the answer asks again and is answered alike; it is made once."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        upload = self.begin(objects)
        parts = self.fill(objects, upload, [TEXT])
        version = self.complete(objects, upload, parts)
        again = self.complete(objects, upload, parts)
        assert (again.version_id, again.etag, again.checksums) == (
            version.version_id,
            version.etag,
            version.checksums,
        )
        assert len(now(objects.list_versions("objects", "", "", "", "", 10)).versions) == 1

    # -- parts ------------------------------------------------------------------------------
    def test_parts(self, objects: Any) -> None:
        """Parts so far are listed by number, in pages."""
        upload = self.begin(objects)
        for number in (7, 1, 30):
            self.part(objects, upload, number, b"%d" % number)
        found: list[tuple[int, int]] = []
        after: int | None = 0
        while after is not None:
            page = now(objects.parts("objects", "a", upload.id, after, 2))
            found += [(part.number, part.size) for part in page.parts]
            after = page.next
        assert found == [(1, 1), (7, 1), (30, 2)]

    def test_a_part_sent_again(self, objects: Any) -> None:
        """The last one sent counts; the same bytes again are as good as the first."""
        upload = self.begin(objects)
        old = self.part(objects, upload, 1, b"old")
        new = [self.part(objects, upload, 1, data) for data in (TEXT, TEXT)]
        with pytest.raises(InvalidPart):
            self.complete(objects, upload, [old])
        self.complete(objects, upload, new[:1])
        assert self.get(objects) == TEXT

    def test_parts_that_are_not_chosen(self, objects: Any) -> None:
        """Only the chosen parts make the object."""
        upload = self.begin(objects)
        _, second = self.fill(objects, upload, [b"one", b"two"])
        self.complete(objects, upload, [second])
        assert self.get(objects) == b"two"

    def test_digests_of_a_part(self, objects: Any) -> None:
        """A part with another digest than announced is not stored."""
        upload = self.begin(objects)
        for asked in (
            {"md5": md5(b"x").digest()},
            {"sha256": sha256(b"x").digest()},
            {"checksums": {"crc32": b"1234"}},
        ):
            with pytest.raises(BadDigest):
                self.part(objects, upload, 1, TEXT, **asked)
        assert now(objects.parts("objects", "a", upload.id, 0, 10)).parts == ()

    def test_no_such_upload(self, objects: Any) -> None:
        """An upload is known by its bucket, key and id; no body is asked for without one."""
        upload = self.begin(objects)
        part = self.part(objects, upload, 1, TEXT)
        chosen = CompleteRequest((ChosenPart(1, part.etag),))
        now(objects.create_bucket("photos", "ann"))
        now(objects.put("objects", "source", Body(TEXT), PutRequest()))
        source = CopySource("objects", "source")
        for bucket, key, id_, error in (
            ("objects", "a", "no-such-upload", NoSuchUpload),
            ("objects", "b", upload.id, NoSuchUpload),
            ("photos", "a", upload.id, NoSuchUpload),
            ("nothing", "a", upload.id, NoSuchBucket),
        ):
            body = Body(TEXT)
            at = (bucket, key, id_)
            for work in (
                lambda at=at: objects.upload(*at),
                lambda at=at, body=body: objects.upload_part(*at, 1, body, PutRequest()),
                lambda at=at: objects.copy_part(*at, 1, source, PutRequest()),
                lambda at=at: objects.parts(*at, 0, 10),
                lambda at=at: objects.complete_upload(*at, chosen),
                lambda at=at: objects.abort_upload(*at),
            ):
                with pytest.raises(error):
                    now(work())
            assert not body.asked_for
        with pytest.raises(NoSuchBucket):
            now(objects.create_upload("nothing", "a", NewUpload("ann")))

    def test_after_the_end(self, objects: Any) -> None:
        """A completed or aborted upload takes no more parts, and is listed no more."""
        done, given_up = self.begin(objects), self.begin(objects)
        self.complete(objects, done, self.fill(objects, done, [TEXT]))
        self.part(objects, given_up, 1, TEXT)
        now(objects.abort_upload("objects", "a", given_up.id))
        for upload in (done, given_up):
            for work in (
                lambda upload=upload: self.part(objects, upload, 1, b"x"),
                lambda upload=upload: now(objects.parts("objects", "a", upload.id, 0, 10)),
                lambda upload=upload: now(objects.abort_upload("objects", "a", upload.id)),
            ):
                with pytest.raises(NoSuchUpload):
                    work()
        assert now(objects.uploads("objects", "", "", ("", ""), 10)).uploads == ()
        assert self.get(objects) == TEXT

    @pytest.mark.parametrize("end", ["complete", "abort"])
    @pytest.mark.parametrize("data", [TEXT, BIG])
    def test_a_part_that_comes_too_late(self, objects: Any, end: str, data: bytes) -> None:
        """The upload ended while the part was on its way: it is refused."""
        upload = self.begin(objects)
        part = self.part(objects, upload, 1, TEXT)
        body = HeldBody(data)
        at = "objects", "a", upload.id
        late = objects.upload_part(*at, 2, body, PutRequest())
        assert body.asked_for
        if end == "abort":
            now(objects.abort_upload(*at))
        else:
            self.complete(objects, upload, [part])
        body.release()
        with pytest.raises(NoSuchUpload):
            now(late)

    def test_parts_of_one_number_at_once(self, objects: Any) -> None:
        """Whichever came whole last counts, whichever began first."""
        upload = self.begin(objects)
        body = HeldBody(b"first")
        first = objects.upload_part("objects", "a", upload.id, 1, body, PutRequest())
        second = self.part(objects, upload, 1, b"second")
        body.release()
        with pytest.raises(InvalidPart):
            self.complete(objects, upload, [second])
        self.complete(objects, upload, [now(first)])
        assert self.get(objects) == b"first"

    @pytest.mark.parametrize("data", [TEXT, BIG])
    def test_a_client_who_leaves(self, objects: Any, data: bytes) -> None:
        """What did not come whole is neither a part nor an object."""
        upload = self.begin(objects)
        part, put = HeldBody(data), HeldBody(data)
        for body, work in (
            (part, objects.upload_part("objects", "a", upload.id, 1, part, PutRequest())),
            (put, objects.put("objects", "a", put, PutRequest())),
        ):
            work.cancel()
            with pytest.raises(CancelledError):
                now(work)
            assert body.cancelled
        assert now(objects.parts("objects", "a", upload.id, 0, 10)).parts == ()
        with pytest.raises(NoSuchKey):
            self.get(objects)

    # -- what is refused at the end ---------------------------------------------------------
    def test_wrong_choices(self, objects: Any) -> None:
        """A choice of parts that makes no sense makes no object, and the upload stays open."""
        upload = self.begin(objects)
        one, two = self.fill(objects, upload, [b"one", b"two"])
        three = evolve(two, number=3)
        cases: list[tuple[list[Part], type[GodosError]]] = [
            ([], InvalidRequest),
            ([two, one], InvalidPartOrder),
            ([one, one], InvalidPartOrder),
            ([one, three], InvalidPart),
            ([evolve(one, etag=two.etag)], InvalidPart),
            ([one, two], EntityTooSmall),
        ]
        for parts, error in cases:
            with pytest.raises(error):
                self.complete(objects, upload, parts)
        with pytest.raises(InvalidRequest):
            self.complete(objects, upload, [one], size=4)
        with pytest.raises(NoSuchKey):
            self.get(objects)
        self.complete(objects, upload, [one], size=3)

    def test_conditions(self, objects: Any) -> None:
        """A completed upload replaces only what the client wants it to, and stays open else."""
        with pytest.raises(NoSuchKey):
            upload = self.begin(objects)
            any_ = WriteCondition(if_match="*")
            self.complete(objects, upload, self.fill(objects, upload, [TEXT]), condition=any_)
        now(objects.put("objects", "a", Body(b"old"), PutRequest()))
        upload = self.begin(objects)
        parts = self.fill(objects, upload, [TEXT])
        for condition in (WriteCondition(if_none_match_any=True), WriteCondition(if_match="x")):
            with pytest.raises(PreconditionFailed):
                self.complete(objects, upload, parts, condition=condition)
        assert self.get(objects) == b"old"
        condition = WriteCondition(if_match=md5(b"old").hexdigest())
        self.complete(objects, upload, parts, condition=condition)
        assert self.get(objects) == TEXT

    # -- checksums --------------------------------------------------------------------------
    def test_composite_checksum(self, objects: Any) -> None:
        """The checksum of the parts' checksums, which the client may compare."""
        upload = self.begin(objects, checksum="sha256")
        parts = self.fill(objects, upload, [BIG, TEXT])
        digests = [sha256(piece).digest() for piece in (BIG, TEXT)]
        assert [dict(part.checksums) for part in parts] == [
            {"sha256": base64(digest)} for digest in digests
        ]
        expected = base64(sha256(b"".join(digests)).digest()) + "-2"
        with pytest.raises(BadDigest):
            self.complete(objects, upload, parts, checksums={"sha256": base64(digests[0])})
        version = self.complete(objects, upload, parts, checksums={"sha256": expected})
        assert dict(version.checksums) == {"sha256": expected}
        assert version.checksum_type is ChecksumType.COMPOSITE

    def test_full_checksum(self, objects: Any) -> None:
        """A CRC of all bytes follows from those of the parts."""
        full = ChecksumType.FULL_OBJECT
        upload = self.begin(objects, checksum="crc32", checksum_type=full)
        parts = self.fill(objects, upload, [BIG, TEXT])
        expected = crc32(BIG + TEXT)
        with pytest.raises(BadDigest):
            self.complete(objects, upload, parts, checksums={"crc32": crc32(TEXT)})
        with pytest.raises(InvalidRequest):
            self.complete(objects, upload, parts, checksum_type=ChecksumType.COMPOSITE)
        version = self.complete(
            objects, upload, parts, checksums={"crc32": expected}, checksum_type=full
        )
        assert dict(version.checksums) == {"crc32": expected}
        assert version.checksum_type is full

    def test_checksum_of_a_chosen_part(self, objects: Any) -> None:
        """A part that has another checksum than the client names is not the one meant."""
        upload = self.begin(objects, checksum="crc32")
        part = self.part(objects, upload, 1, TEXT)
        for told, error in ((crc32(b"x"), InvalidPart), (crc32(TEXT), None)):
            chosen = CompleteRequest((ChosenPart(1, part.etag, {"crc32": told}),))
            if error is None:
                now(objects.complete_upload("objects", "a", upload.id, chosen))
                continue
            with pytest.raises(error):
                now(objects.complete_upload("objects", "a", upload.id, chosen))

    def test_nobody_asked_for_a_checksum(self, objects: Any) -> None:
        """The object has the one that its parts have all the same, of all its bytes."""
        plain = now(objects.put("objects", "b", Body(BIG + TEXT), PutRequest()))
        upload = self.begin(objects)
        version = self.complete(objects, upload, self.fill(objects, upload, [BIG, TEXT]))
        assert version.checksums == plain.checksums
        assert version.checksum_type is ChecksumType.FULL_OBJECT

    # -- encryption -------------------------------------------------------------------------
    def test_encrypted(self, objects: Any) -> None:
        """All parts are encrypted as the upload began, and read as one object."""
        upload = self.begin(objects, encryption=SSE_S3)
        encryption = upload.attributes.encryption
        assert encryption is not None and encryption["cipher"] == Cipher.S3
        version = self.complete(objects, upload, self.fill(objects, upload, [BIG, TEXT]))
        assert version.attributes.encryption == encryption
        assert version.size == len(BIG) + len(TEXT)
        assert self.get(objects) == BIG + TEXT
        across = GetRequest(range=ByteRange(MIN_PART - 70_000, MIN_PART + 1))
        assert self.get(objects, request=across) == BIG[-70_000:] + TEXT[:2]

    def test_customers_key_at_the_end(self, objects: Any) -> None:
        """An upload is ended with the key that it began with, or without any; not by another."""
        for checksum in ("", "sha256"):
            upload = self.begin(objects, encryption=CUSTOMER, checksum=checksum)
            part = self.part(objects, upload, 1, TEXT, encryption=CUSTOMER)
            with pytest.raises(InvalidEncryption):
                self.complete(objects, upload, [part], customer_key=b"w" * 32)
            if checksum:
                with pytest.raises(InvalidEncryption):
                    self.complete(objects, upload, [part])
            key = CUSTOMER.key if checksum else None
            assert self.complete(objects, upload, [part], customer_key=key).size == len(TEXT)
        plain = self.begin(objects)
        part = self.part(objects, plain, 1, TEXT)
        with pytest.raises(InvalidEncryption):
            self.complete(objects, plain, [part], customer_key=CUSTOMER.key)

    def test_customers_key(self, objects: Any) -> None:
        """Each part is sent, and the object read, with the key that the upload began with."""
        upload = self.begin(objects, encryption=CUSTOMER)
        with pytest.raises(InvalidEncryption):
            self.part(objects, upload, 1, TEXT)
        with pytest.raises(InvalidEncryption):
            wrong = Encryption(Cipher.CUSTOMER, b"w" * 32)
            self.part(objects, upload, 1, TEXT, encryption=wrong)
        part = self.part(objects, upload, 1, TEXT, encryption=CUSTOMER)
        self.complete(objects, upload, [part])
        with pytest.raises(InvalidEncryption):
            self.get(objects)
        assert self.get(objects, request=GetRequest(customer_key=CUSTOMER.key)) == TEXT
        plain = self.begin(objects)
        with pytest.raises(InvalidEncryption):
            self.part(objects, plain, 1, TEXT, encryption=CUSTOMER)

    # -- copies -----------------------------------------------------------------------------
    def copy_part(
        self,
        objects: Any,
        upload: MultipartUpload,
        number: int,
        source: str,
        asked: GetRequest = PLAIN,
        **request: Any,
    ) -> Part:
        origin = CopySource("objects", source, asked)
        part = now(
            objects.copy_part(
                "objects", upload.key, upload.id, number, origin, PutRequest(**request)
            )
        )
        assert isinstance(part, Part)
        return part

    def test_parts_of_other_objects(self, objects: Any) -> None:
        """Whole objects and ranges of them are parts; none is needed any more afterwards."""
        now(objects.put("objects", "big", Body(BIG), PutRequest()))
        now(objects.put("objects", "text", Body(TEXT), PutRequest()))
        upload = self.begin(objects)
        parts = [
            self.copy_part(objects, upload, 1, "big"),
            self.copy_part(objects, upload, 2, "text", GetRequest(range=ByteRange(7, 11))),
        ]
        assert [part.etag for part in parts] == [
            md5(BIG).hexdigest(),
            md5(b"world").hexdigest(),
        ]
        for key in ("big", "text"):
            now(objects.delete("objects", key, DeleteRequest()))
        self.complete(objects, upload, parts)
        assert self.get(objects) == BIG + b"world"

    def test_a_part_of_the_old_object(self, objects: Any) -> None:
        """An object can be a part of the one that replaces it."""
        now(objects.put("objects", "a", Body(BIG), PutRequest()))
        upload = self.begin(objects)
        parts = [self.copy_part(objects, upload, 1, "a"), self.part(objects, upload, 2, TEXT)]
        self.complete(objects, upload, parts)
        assert self.get(objects) == BIG + TEXT

    def test_an_object_of_parts_as_a_part(self, objects: Any) -> None:
        """Its ETag is the MD5 of its bytes then, as of any part."""
        upload = self.begin(objects, "source")
        self.complete(objects, upload, self.fill(objects, upload, [BIG, TEXT]))
        upload = self.begin(objects)
        part = self.copy_part(objects, upload, 1, "source")
        assert part.etag == md5(BIG + TEXT).hexdigest()
        self.complete(objects, upload, [part])
        assert self.get(objects) == BIG + TEXT

    def test_a_range_beyond_the_source(self, objects: Any) -> None:
        """A range that is not wholly in the source is refused."""
        now(objects.put("objects", "text", Body(TEXT), PutRequest()))
        upload = self.begin(objects)
        for wanted in (ByteRange(0, 12), ByteRange(12, 13)):
            with pytest.raises(InvalidRange):
                self.copy_part(objects, upload, 1, "text", GetRequest(range=wanted))

    def test_a_part_with_the_uploads_checksum(self, objects: Any) -> None:
        """A copied part has the checksum that the upload was begun with."""
        now(objects.put("objects", "text", Body(TEXT), PutRequest()))
        upload = self.begin(objects, checksum="crc32")
        part = self.copy_part(objects, upload, 1, "text")
        assert dict(part.checksums) == {"crc32": crc32(TEXT)}
        self.complete(objects, upload, [part])

    def test_a_part_of_an_encrypted_object(self, objects: Any) -> None:
        """It is read with the source's key and stored with the upload's."""
        put = PutRequest(encryption=CUSTOMER)
        now(objects.put("objects", "secret", Body(TEXT), put))
        upload = self.begin(objects, encryption=SSE_S3)
        asked = GetRequest(customer_key=CUSTOMER.key)
        self.complete(objects, upload, [self.copy_part(objects, upload, 1, "secret", asked)])
        assert self.get(objects) == TEXT

    def test_copies_of_the_object(self, objects: Any) -> None:
        """A copy of an object of parts does not need its source."""
        upload = self.begin(objects)
        version = self.complete(objects, upload, self.fill(objects, upload, [BIG, TEXT]))
        request = CopyRequest(lambda found: found.attributes)
        _, copy = now(objects.copy(CopySource("objects", "a"), "objects", "b", request))
        now(objects.delete("objects", "a", DeleteRequest()))
        assert self.get(objects, "b") == BIG + TEXT
        assert copy.size == version.size

    # -- listings ---------------------------------------------------------------------------
    @pytest.mark.parametrize("limit", [1, 2, 3, 1000])
    def test_uploads(self, objects: Any, limit: int) -> None:
        """Open uploads by key, in pages of any size; those of a prefix as one."""
        begun = [
            self.begin(objects, key)
            for key in ("c", "b/1", "a", "b/2", "c", "é", "\uffff", "\U00010000")
        ]
        now(objects.abort_upload("objects", "a", begun[2].id))

        def walk(prefix: str, delimiter: str) -> tuple[list[str], list[str]]:
            found, prefixes, after = [], [], ("", "")
            while True:
                page = now(objects.uploads("objects", prefix, delimiter, after, limit))
                found += page.uploads
                prefixes += page.common_prefixes
                if page.next is None:
                    break
                assert len(page.uploads) + len(page.common_prefixes) == limit
                after = page.next
            assert len({upload.id for upload in found}) == len(found)
            return [upload.key for upload in found], prefixes

        rest = ["c", "c", "é", "\uffff", "\U00010000"]
        assert walk("", "") == (["b/1", "b/2", *rest], [])
        assert walk("", "/") == (rest, ["b/"])
        assert walk("b/", "/") == (["b/1", "b/2"], [])
        assert walk("x", "") == ([], [])
