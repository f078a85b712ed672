"""Uploads in parts: which bytes move and stay, and what may happen meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    BadDigest,
    InvalidPart,
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
)
from godos.model.multipart import MIN_PART, MultipartUpload, Part
from godos.model.objects import (
    ChosenPart,
    CompleteRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    NewUpload,
    PutRequest,
)
from godos.model.versions import ObjectVersion, WriteCondition
from tests.unit.objects.meddling import HeldBody, SlowFragments, collect, just_before
from tests.unit.objects.stores import Body, Store, now, whole

BIG = b"0123456789abcdef" * (MIN_PART // 16)
ASK = GetRequest()


def begin(store: Store, key: str = "a", **new: Any) -> MultipartUpload:
    upload = now(store.objects.create_upload("objects", key, NewUpload("me", **new)))
    assert isinstance(upload, MultipartUpload)
    return upload


def sending(store: Store, upload: MultipartUpload, number: int, body: Body, **asked: Any) -> Any:
    place = "objects", upload.key, upload.id, number
    return store.objects.upload_part(*place, body, PutRequest(**asked))


def send(store: Store, upload: MultipartUpload, number: int, data: bytes) -> Part:
    part = now(sending(store, upload, number, Body(data)))
    assert isinstance(part, Part)
    return part


def completing(
    store: Store,
    upload: MultipartUpload,
    parts: Sequence[Part],
    condition: WriteCondition | None = None,
) -> Any:
    chosen = tuple(ChosenPart(part.number, part.etag) for part in parts)
    request = CompleteRequest(chosen, condition or WriteCondition())
    return store.objects.complete_upload("objects", upload.key, upload.id, request)


def abort(store: Store, upload: MultipartUpload) -> None:
    now(store.objects.abort_upload("objects", upload.key, upload.id))


def copy_part(store: Store, upload: MultipartUpload, number: int, source: str) -> Any:
    place = "objects", upload.key, upload.id, number
    return store.objects.copy_part(*place, CopySource("objects", source), PutRequest())


def get(store: Store, key: str = "a") -> bytes:
    return whole(now(store.objects.get("objects", key, ASK)))


# -- which bytes stay ---------------------------------------------------------------------------
def test_only_chosen_parts_stay() -> None:
    """Replaced parts and those that were not chosen are collected; the object keeps its own."""
    store = Store(1)
    upload = begin(store)
    send(store, upload, 1, b"old")
    parts = [send(store, upload, 1, BIG), send(store, upload, 2, b"end")]
    send(store, upload, 3, b"not wanted")
    now(completing(store, upload, parts))
    collect(store)
    assert store.fragments == 2
    assert get(store) == BIG + b"end"


def test_a_part_sent_again_with_equal_bytes() -> None:
    """The collector does not take the one for the other."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"same") for _ in range(3)]
    collect(store)
    now(completing(store, upload, parts[-1:]))
    collect(store)
    assert store.fragments == 1
    assert get(store) == b"same"


def test_an_aborted_upload_leaves_nothing() -> None:
    """Its parts are collected."""
    store = Store(1)
    upload = begin(store)
    send(store, upload, 1, BIG)
    abort(store, upload)
    collect(store)
    assert store.fragments == 0


def test_a_deleted_object_leaves_nothing() -> None:
    """All parts are collected with the object that they made."""
    store = Store(1)
    upload = begin(store)
    now(completing(store, upload, [send(store, upload, 1, BIG), send(store, upload, 2, b"end")]))
    now(store.objects.delete("objects", "a", DeleteRequest()))
    for _ in range(2):  # first the list of the parts, then the parts
        collect(store)
    assert store.fragments == 0


def test_whole_objects_become_parts_without_moving() -> None:
    """No fragment is added and none is read; the bytes outlive the object they came from."""
    node = SlowFragments("0" * 32)
    store = Store([node])
    now(store.objects.put("objects", "source", Body(BIG), PutRequest()))
    upload = begin(store)
    parts = [now(copy_part(store, upload, number, "source")) for number in (1, 2)]
    assert (store.fragments, node.reads) == (1, 0)
    now(completing(store, upload, parts))
    now(store.objects.delete("objects", "source", DeleteRequest()))
    collect(store)
    assert get(store) == BIG * 2


def test_the_source_of_a_part_is_collected_meanwhile() -> None:
    """A part never refers to bytes that are being removed."""
    store = Store(1)
    now(store.objects.put("objects", "source", Body(BIG), PutRequest()))
    upload = begin(store)

    def gone() -> None:
        now(store.objects.delete("objects", "source", DeleteRequest()))
        collect(store)

    just_before(store.catalog, "put_part", gone)
    with pytest.raises(NoSuchKey):
        now(copy_part(store, upload, 1, "source"))
    assert now(store.objects.parts("objects", "a", upload.id, 0, 10)).parts == ()


# -- races --------------------------------------------------------------------------------------
@pytest.mark.parametrize("data", [b"held", BIG])
@pytest.mark.parametrize("end", ["complete", "abort"])
def test_a_part_that_comes_too_late(data: bytes, end: str) -> None:
    """The upload ended while it came: it is refused, and its bytes are removed again."""
    store = Store(1)
    upload = begin(store)
    part = send(store, upload, 1, b"one")
    body = HeldBody(data)
    late = sending(store, upload, 2, body)
    assert body.asked_for
    if end == "abort":
        abort(store, upload)
    else:
        now(completing(store, upload, [part]))
    body.release()
    with pytest.raises(NoSuchUpload):
        now(late)
    assert store.fragments == 1
    assert store.nodes[0].staged == 0


def test_a_resent_part_that_finishes_last_counts() -> None:
    """Whichever comes to its end last is the part, whichever began first."""
    store = Store(1)
    upload = begin(store)
    body = HeldBody(b"first")
    first = sending(store, upload, 1, body)
    send(store, upload, 1, b"second")
    body.release()
    now(completing(store, upload, [now(first)]))
    assert get(store) == b"first"


def test_completed_twice_at_once() -> None:
    """Both hear of the same version, and there is one."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"one")]
    others: list[ObjectVersion] = []
    just_before(
        store.catalog,
        "complete",
        lambda: others.append(now(completing(store, upload, parts))),
    )
    version = now(completing(store, upload, parts))
    assert [version.reference] == [other.reference for other in others]
    collect(store)
    assert get(store) == b"one"


def test_aborted_while_it_is_completed() -> None:
    """One of them wins; here the abort, and no object appears."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"one")]
    just_before(store.catalog, "complete", lambda: abort(store, upload))
    with pytest.raises(NoSuchUpload):
        now(completing(store, upload, parts))
    collect(store)
    assert store.fragments == 0
    with pytest.raises(NoSuchKey):
        get(store)


def test_completed_while_it_is_aborted() -> None:
    """One of them wins; here the completion, and the object stays whole."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"one")]
    just_before(store.catalog, "abort", lambda: now(completing(store, upload, parts)))
    with pytest.raises(NoSuchUpload):
        abort(store, upload)
    collect(store)
    assert get(store) == b"one"


def test_a_part_is_sent_again_while_it_is_completed() -> None:
    """With the same bytes the object is made all the same, and of parts that stay."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"same")]
    just_before(store.catalog, "complete", lambda: send(store, upload, 1, b"same"))
    now(completing(store, upload, parts))
    collect(store)
    assert get(store) == b"same"


def test_a_part_is_replaced_while_it_is_completed() -> None:
    """With other bytes it is not the part that the client means."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"old")]
    just_before(store.catalog, "complete", lambda: send(store, upload, 1, b"new"))
    with pytest.raises(InvalidPart):
        now(completing(store, upload, parts))
    parts = list(now(store.objects.parts("objects", "a", upload.id, 0, 10)).parts)
    now(completing(store, upload, parts))
    assert get(store) == b"new"


def test_a_condition_holds_at_the_end() -> None:
    """Who writes the key first wins, and the upload can still be completed without."""
    store = Store(1)
    upload = begin(store)
    parts = [send(store, upload, 1, b"one")]

    def faster() -> None:
        now(store.objects.put("objects", "a", Body(b"faster"), PutRequest()))

    just_before(store.catalog, "complete", faster)
    with pytest.raises(PreconditionFailed):
        now(completing(store, upload, parts, WriteCondition(if_none_match_any=True)))
    assert get(store) == b"faster"
    now(completing(store, upload, parts))
    assert get(store) == b"one"


# -- what ends early ----------------------------------------------------------------------------
@pytest.mark.parametrize("data", [b"held", BIG])
def test_a_client_who_leaves(data: bytes) -> None:
    """A part that did not come whole is none, and leaves nothing on the nodes."""
    store = Store(1)
    upload = begin(store)
    body = HeldBody(data)
    part = sending(store, upload, 1, body)
    part.cancel()
    with pytest.raises(CancelledError):
        now(part)
    assert body.cancelled
    assert (store.fragments, store.nodes[0].staged) == (0, 0)
    assert now(store.objects.parts("objects", "a", upload.id, 0, 10)).parts == ()


def test_a_part_with_a_wrong_digest() -> None:
    """Leaves nothing on the nodes."""
    store = Store(1)
    upload = begin(store)
    for data in (b"small", BIG):
        with pytest.raises(BadDigest):
            now(sending(store, upload, 1, Body(data), md5=b"0" * 16))
    assert (store.fragments, store.nodes[0].staged) == (0, 0)


def test_encrypted_parts_have_one_data_key_and_blobs_of_their_own() -> None:
    """Equal parts are unequal on the nodes, and none holds the plain bytes."""
    store = Store(1)
    upload = begin(store, encryption=Encryption(Cipher.S3))
    parts = [send(store, upload, number, BIG) for number in (1, 2)]
    payloads = [bytes(kept.payload) for kept in store.nodes[0].fragments.values()]
    assert payloads[0] != payloads[1]
    assert not any(BIG[:64] in payload for payload in payloads)
    now(completing(store, upload, parts))
    assert get(store) == BIG * 2
