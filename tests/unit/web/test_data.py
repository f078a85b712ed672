"""The data server's side of fragments: what is let in, what is done, what is answered."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from godos.deferreds import Background
from godos.model.blobs import FragmentHeader
from godos.model.errors import NodeFailed
from godos.model.fragments import BLOCK, CHUNK
from godos.model.names import FragmentName
from godos.protocol.fragment_header import to_fields, to_frame
from godos.protocol.fragment_wire import Unframer
from godos.protocol.server_auth import (
    NO_BOOT,
    STREAMED,
    Guard,
    Signature,
    Signer,
    of_bytes,
    of_fragment,
    of_header,
    of_length,
)
from godos.web.data import DataServer
from godos.web.server_gate import ServerGate
from tests.memory_fragments import MemoryFragments
from tests.unit.web.streaming_wire import START, Answer, Wire, chunked, read_answers, request

NODE, OTHER = "1" * 32, "2" * 32
SECRET, BOOT = b"s" * 32, b"b" * 32
NAME = FragmentName("0123456789abcdef" * 2, 0)
PATH = f"/nodes/{NODE}/fragments/{NAME}"
INVENTORY = f"/nodes/{NODE}/inventory"
UPLOAD = f"{PATH}/uploads/{'5' * 32}"


def header_of(payload: bytes) -> FragmentHeader:
    digest = sha256(payload).hexdigest()
    return FragmentHeader(NAME, len(payload), len(payload), digest, "copies=2", origin=b"{}")


@define
class Said:
    """An answer whose signature was checked."""

    answer: Answer
    request_mac: bytes

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def json(self) -> Any:
        return json.loads(self.answer.body)


class DataCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.signer = Signer(SECRET)
        self.node = MemoryFragments(NODE)
        self.background = Background()
        self.wire = Wire(verbs=None)  # type: ignore[arg-type]
        gate = ServerGate(Guard(SECRET, BOOT.decode()), self.wire.clock.seconds, maybeDeferred)
        self.data = DataServer({NODE: self.node}, gate, self.wire.clock, self.background)
        site = self.wire.site
        site.verbs, site.is_verb = self.data.verbs, self.data.is_verb
        site.resource = self.data.app.resource()

    def sign(self, method: str, target: str, body: bytes, **more: Any) -> Signature:
        fields = {"boot": BOOT, "now": START, **more}
        return self.signer.sign(method.encode(), target.encode(), body, **fields)

    def ask(
        self, method: str, target: str, body: bytes = b"", says: bytes | None = None, **more: Any
    ) -> Said:
        """A signed request and its answer, whose signature must be good."""
        signature = self.sign(method, target, of_bytes(body) if says is None else says, **more)
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"{method} {target}", line, body=body))
        answer = self.wire.answer("H" if method == "HEAD" else "")
        proof = (answer["x-godos-answer"] or "").encode()
        signed = self.signer.check_answer(signature.mac, answer.status, proof)
        if not signed.body.startswith(b"header="):
            self.assertEqual(of_bytes(answer.body), signed.body)
        return Said(answer, signature.mac)

    def call(self, method: str, target: str, document: Any = None) -> Said:
        return self.ask(method, target, b"" if document is None else json.dumps(document).encode())

    def put(self, payload: bytes, path: str = PATH) -> Said:
        frame = to_frame(header_of(payload))
        statement = of_fragment(frame, sha256(payload).digest())
        return self.ask("PUT", path, frame + payload, statement)


class GateTests(DataCase):
    """Nobody gets in without the cluster's secret."""

    def refused(self, answer: Answer, code: str, status: int = 403) -> None:
        error = json.loads(answer.body)
        self.assertEqual((status, code), (answer.status, error["code"]))
        self.assertEqual({"code", "message", "request_id"}, set(error))

    def test_unsigned_requests_do_nothing(self) -> None:
        """Every resource of the protocol refuses them, and the answer is unsigned."""
        for line in (
            f"PUT {PATH}",
            f"GET {PATH}",
            f"DELETE {PATH}",
            f"POST {PATH}/verify",
            f"POST {UPLOAD}",
            f"PUT {UPLOAD}",
            f"POST {UPLOAD}/seal",
            f"DELETE {UPLOAD}",
            "POST /-/locate",
            f"GET {INVENTORY}",
        ):
            self.wire.send(request(line))
            answer = self.wire.answer()
            self.refused(answer, "SignatureMissing")
            self.assertIsNone(answer["x-godos-answer"])
        self.assertEqual(({}, 0), (self.node.fragments, self.node.staged))

    def test_refusals_come_before_the_body(self) -> None:
        """A stranger is not asked for a body, however it was announced."""
        for path in (PATH, UPLOAD):
            self.wire.connect()
            head = request(f"PUT {path}", "Content-Length: 5000000", "Expect: 100-continue")
            self.wire.send(head)
            answer = self.wire.answer()
            self.refused(answer, "SignatureMissing")
            self.assertEqual("close", answer["connection"])

    def test_a_wrong_secret(self) -> None:
        """It is refused like no signature at all."""
        signature = Signer(b"t" * 32).sign(b"DELETE", PATH.encode(), of_bytes(b""), BOOT, START)
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"DELETE {PATH}", line))
        self.refused(self.wire.answer(), "SignatureWrong")

    def test_a_replay(self) -> None:
        """The same DELETE again, after the fragment was stored again, removes nothing."""
        self.put(b"one")
        signature = self.sign("DELETE", PATH, of_bytes(b""))
        raw = request(f"DELETE {PATH}", f"Authorization: {signature.authorization.decode()}")
        self.wire.send(raw)
        self.assertEqual({"removed": True}, json.loads(self.wire.answer().body))
        self.put(b"one")
        self.wire.send(raw)
        self.refused(self.wire.answer(), "Replayed")
        self.assertIn(NAME, self.node.fragments)

    def test_refusals_to_members_are_signed(self) -> None:
        """Skewed clocks and an unknown boot id are told so that the sender can believe it."""
        self.refused(self.ask("GET", PATH, now=START - 301).answer, "ClockSkewed")
        self.refused(self.ask("GET", PATH, boot=NO_BOOT).answer, "BootUnknown")

    def test_a_changed_body_does_nothing(self) -> None:
        """Neither a fragment, nor a document, nor a length other than what was signed."""
        frame = to_frame(header_of(b"payload"))
        says = of_fragment(frame, sha256(b"payload").digest())
        self.refused(self.ask("PUT", PATH, frame + b"PAYLOAD", says).answer, "BadDigest", 400)
        question = json.dumps({"names": []}).encode()
        said = self.ask("POST", "/-/locate", question, of_bytes(b"{}"))
        self.refused(said.answer, "BadDigest", 400)
        self.call("POST", UPLOAD, {"length": None})
        self.refused(self.ask("PUT", UPLOAD, b"12345", of_length(4)).answer, "BadDigest", 400)
        self.refused(self.ask("PUT", UPLOAD, b"12345", STREAMED).answer, "BadDigest", 400)
        self.assertEqual({}, self.node.fragments)

    def test_anybody_may_ask_whether_it_lives(self) -> None:
        """Health and version need no signature, for load balancers and for people."""
        self.wire.send(request("GET /-/health") + request("GET /"))
        health, version = self.wire.answers()
        self.assertEqual({"status": "alive"}, json.loads(health.body))
        self.assertEqual("godos-data", json.loads(version.body)["server"])

    def test_what_is_not_there(self) -> None:
        """Other paths and verbs get an error of the same form."""
        for line, status in (("GET /x", 404), ("GET /nodes", 404), ("PATCH /", 405)):
            self.wire.send(request(line))
            answer = self.wire.answer()
            self.assertEqual(status, answer.status)
            self.assertEqual({"code", "message", "request_id"}, set(json.loads(answer.body)))


class FragmentTests(DataCase):
    """Whole fragments."""

    def test_a_fragment_comes_in_blocks(self) -> None:
        """The answer begins with the signed header, and each block can be verified."""
        payload = bytes(range(256)) * 1000
        self.assertEqual(204, self.put(payload).status)
        said = self.ask("GET", f"{PATH}?start={BLOCK + 5}&stop={BLOCK + 9}")
        unframer = Unframer(NAME, BLOCK + 5, BLOCK + 9)
        unframer.feed(said.answer.body)
        self.assertEqual(payload[BLOCK + 5 : BLOCK + 9], unframer.take(CHUNK))
        self.assertEqual(header_of(payload), unframer.header)
        signed = self.signer.check_answer(
            said.request_mac, 200, (said.answer["x-godos-answer"] or "").encode()
        )
        self.assertEqual(of_header(unframer.header_frame), signed.body)

    def test_any_spelling_of_a_range(self) -> None:
        """The order of the query does not matter, nor does leaving parts out."""
        self.put(b"payload")
        for query in ("", "?stop=7", "?stop=7&start=0", "?start=0"):
            said = self.ask("GET", PATH + query)
            unframer = Unframer(NAME, 0, None)
            unframer.feed(said.answer.body)
            self.assertEqual(b"payload", unframer.take(CHUNK))
        for query in ("?start=-1", "?stop=x", "?start=1&start=2", "?start=" + "9" * 20):
            self.assertEqual(400, self.ask("GET", PATH + query).status)

    def test_head(self) -> None:
        """The header without its origin, in a line that is signed."""
        self.put(b"payload")
        said = self.ask("HEAD", PATH)
        line = said.answer["x-godos-fragment"] or ""
        told = json.loads(b64decode(line))
        self.assertEqual(7, told["length"])
        self.assertNotIn("origin", told)
        proof = (said.answer["x-godos-answer"] or "").encode()
        signed = self.signer.check_answer(said.request_mac, 200, proof)
        self.assertEqual(of_header(line.encode()), signed.body)

    def test_verify(self) -> None:
        """The answer is the header of what was read back."""
        self.put(b"payload")
        said = self.call("POST", f"{PATH}/verify")
        self.assertEqual(to_fields(header_of(b"payload")), said.json["header"])
        self.node.damage(NAME, 0)
        said = self.call("POST", f"{PATH}/verify")
        self.assertEqual((500, "FragmentDamaged"), (said.status, said.json["code"]))

    def test_the_path_names_the_fragment(self) -> None:
        """A header of another fragment, or a path that is no name, is refused."""
        other = PATH.replace(str(NAME), f"{'f' * 32}.0")
        self.assertEqual(400, self.put(b"x", other).status)
        self.assertEqual(400, self.put(b"x", PATH.replace(str(NAME), "name")).status)
        self.assertEqual({}, self.node.fragments)

    def test_a_body_that_is_no_fragment(self) -> None:
        """Garbage that is signed is still garbage."""
        for body in (b"", b"GDF1", b"x" * 100):
            self.assertEqual(400, self.ask("PUT", PATH, body, of_fragment(b"", b"")).status)

    def test_another_node(self) -> None:
        """A node that is not here is told apart from a fragment that is not."""
        said = self.ask("GET", PATH.replace(NODE, OTHER))
        self.assertEqual((421, "WrongNode"), (said.status, said.json["code"]))
        said = self.ask("GET", PATH)
        self.assertEqual((404, "NoSuchFragment"), (said.status, said.json["code"]))

    def test_a_node_that_appears(self) -> None:
        """Nodes may come and go while the server runs."""
        stores = self.data._verbs._stores
        stores[OTHER] = MemoryFragments(OTHER)  # type: ignore[index]
        self.assertEqual(404, self.ask("GET", PATH.replace(NODE, OTHER)).status)

    def test_a_bug_is_logged_and_told(self) -> None:
        """The request id of the answer finds it in the log."""
        self.node.broken = ZeroDivisionError("oops")
        said = self.ask("GET", PATH)
        self.assertEqual((500, "InternalError"), (said.status, said.json["code"]))
        self.assertNotIn("oops", said.json["message"])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_damage_after_the_first_byte_breaks_the_connection(self) -> None:
        """What was announced is never filled with something else."""
        self.store_large()
        self.node.damage(NAME, CHUNK + 1)
        signature = self.sign("GET", PATH, of_bytes(b""))
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"GET {PATH}", line))
        self.assertTrue(self.wire.transport.aborted)

    def test_a_slow_receiver_rests_the_disk(self) -> None:
        """Two chunks are read, one to send and one ahead; the next when those are taken."""
        self.store_large(8 * CHUNK)
        reads = self.count_reads()
        self.wire.transport.stuck = True
        signature = self.sign("GET", PATH, of_bytes(b""))
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"GET {PATH}", line))
        before = len(reads)
        self.assertLessEqual(before, 3)
        self.wire.transport.take(self.wire.transport.unsent)
        self.assertGreater(len(reads), before)
        self.assertLess(len(reads), 8)
        self.wire.drop()
        self.assertTrue(self.readers[-1].closed)

    def store_large(self, size: int = 2 * CHUNK + 5) -> None:
        self.node.keep(header_of(b"x" * size), b"x" * size)

    def count_reads(self) -> list[int]:
        reads: list[int] = []
        self.readers: list[Any] = []
        open_ = self.node.open

        def opening(*args: Any) -> Deferred[Any]:
            reader: Any = self.successResultOf(open_(*args))
            self.readers.append(reader)
            read = reader.read

            def counted() -> Deferred[bytes]:
                reads.append(1)
                return read()

            reader.read = counted
            return succeed(reader)

        self.node.open = opening  # type: ignore[method-assign]
        return reads


class UploadTests(DataCase):
    """Fragments of any size."""

    def send(self, payload: bytes) -> Said:
        return self.ask("PUT", UPLOAD, payload, of_length(len(payload)))

    def seal(self, payload: bytes, crc: Any) -> Said:
        document = {"header": to_fields(header_of(payload)), "crc32c": crc}
        return self.call("POST", f"{UPLOAD}/seal", document)

    def test_open_send_seal(self) -> None:
        """Each step is acknowledged; the fragment is there after the last."""
        self.assertEqual(201, self.call("POST", UPLOAD, {"length": 9}).status)
        self.assertEqual({"length": 9}, self.send(b"123456789").json)
        self.assertEqual({}, self.node.fragments)
        self.assertEqual(204, self.seal(b"123456789", 0xE3069283).status)  # Source: RFC 3720, B.4
        self.assertIn(NAME, self.node.fragments)
        self.assertEqual(0, len(self.data.uploads))

    def test_chunked(self) -> None:
        """A payload of unknown length comes in chunks."""
        self.call("POST", UPLOAD, {"length": None})
        signature = self.sign("PUT", UPLOAD, STREAMED)
        lines = [f"Authorization: {signature.authorization.decode()}", "Transfer-Encoding: chunked"]
        self.wire.send(request(f"PUT {UPLOAD}", *lines) + chunked(b"12345", b"6789"))
        self.assertEqual({"length": 9}, json.loads(self.wire.answer().body))
        self.assertEqual(204, self.seal(b"123456789", 0xE3069283).status)

    def test_the_order_of_the_steps(self) -> None:
        """Sending without opening, sealing without sending, and all things twice are refused."""
        self.assertEqual(400, self.send(b"x").status)
        self.assertEqual(400, self.seal(b"x", 0).status)
        self.call("POST", UPLOAD, {"length": 1})
        self.assertEqual(400, self.call("POST", UPLOAD, {"length": 1}).status)
        self.assertEqual(400, self.seal(b"x", 0).status)
        self.send(b"x")
        self.assertEqual(400, self.send(b"x").status)
        self.assertEqual(1, self.node.staged)
        self.assertEqual(204, self.call("DELETE", UPLOAD).status)
        self.assertEqual(204, self.call("DELETE", UPLOAD).status)
        self.assertEqual(0, self.node.staged)

    def test_senseless_steps(self) -> None:
        """What is no length, no id, no seal or no JSON is refused."""
        for document in (None, [], {}, {"length": -1}, {"length": "5"}, {"length": True}):
            self.assertEqual(400, self.call("POST", UPLOAD, document).status)
        self.assertEqual(400, self.call("POST", f"{PATH}/uploads/x", {"length": 5}).status)
        self.assertEqual(400, self.ask("POST", UPLOAD, b"{").status)
        for document in ({}, {"header": 5, "crc32c": 5}, {"header": {}, "crc32c": 0}):
            self.assertEqual(400, self.call("POST", f"{UPLOAD}/seal", document).status)
        self.assertEqual(400, self.seal(b"x", "5").status)
        self.assertEqual(0, self.node.staged)

    def test_a_wrong_checksum_drops_the_upload(self) -> None:
        """Nothing becomes visible, and nothing is left."""
        self.call("POST", UPLOAD, {"length": 9})
        self.send(b"123456789")
        said = self.seal(b"123456789", 1)
        self.assertEqual((400, "BadDigest"), (said.status, said.json["code"]))
        self.assertEqual(({}, 0), (self.node.fragments, self.node.staged))

    def test_a_slow_disk_pauses_the_sender(self) -> None:
        """While the disk is busy with one batch and another waits, nothing is read."""
        self.call("POST", UPLOAD, {"length": 8 * CHUNK})
        held: list[Deferred[None]] = []
        [upload] = self.data.uploads._uploads.values()
        upload.staged.write = lambda _: held.append(Deferred()) or held[-1]  # type: ignore
        signature = self.sign("PUT", UPLOAD, of_length(8 * CHUNK))
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"PUT {UPLOAD}", line, f"Content-Length: {8 * CHUNK}"))
        for _ in range(3):
            if self.wire.reading:
                self.wire.send(b"x" * CHUNK)
        self.assertEqual((1, False), (len(held), self.wire.reading))
        held[0].callback(None)
        self.assertEqual((2, True), (len(held), self.wire.reading))
        self.wire.drop()
        self.assertEqual(1, self.node.staged)  # the disk is not done with its last batch
        held[1].callback(None)
        self.assertEqual(0, self.node.staged)

    def test_a_sender_that_leaves(self) -> None:
        """What it sent is dropped at once."""
        self.call("POST", UPLOAD, {"length": 100})
        signature = self.sign("PUT", UPLOAD, of_length(100))
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"PUT {UPLOAD}", line, "Content-Length: 100") + b"half")
        self.assertEqual(1, self.node.staged)
        self.wire.drop()
        self.assertEqual((0, 0), (self.node.staged, len(self.data.uploads)))

    def test_deleting_while_it_arrives(self) -> None:
        """Another connection may end an upload; the sender's fails."""
        self.call("POST", UPLOAD, {"length": 100})
        signature = self.sign("PUT", UPLOAD, of_length(100))
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"PUT {UPLOAD}", line, "Content-Length: 100") + b"half")
        sending = self.wire.transport
        self.wire.connect()
        self.assertEqual(204, self.call("DELETE", UPLOAD).status)
        self.assertEqual(0, self.node.staged)
        [answer] = read_answers(sending.value())
        self.assertEqual("IncompleteBody", json.loads(answer.body)["code"])

    def test_the_end_of_the_server(self) -> None:
        """Uploads in flight are dropped, and no timer stays."""
        self.call("POST", UPLOAD, {"length": 100})
        self.data.uploads.drop_all()
        self.assertEqual((0, 0), (self.node.staged, len(self.data.uploads)))

    def test_a_sealing_that_nobody_waits_for(self) -> None:
        """A server that leaves while the disk flushes finds the fragment there afterwards."""
        self.call("POST", UPLOAD, {"length": 9})
        self.send(b"123456789")
        flushed: Deferred[None] = Deferred()
        [upload] = self.data.uploads._uploads.values()
        seal = upload.staged.seal
        upload.staged.seal = lambda header: flushed.addCallback(lambda _: seal(header))  # type: ignore
        document = {"header": to_fields(header_of(b"123456789")), "crc32c": 0xE3069283}
        body = json.dumps(document).encode()
        signature = self.sign("POST", f"{UPLOAD}/seal", of_bytes(body))
        line = f"Authorization: {signature.authorization.decode()}"
        self.wire.send(request(f"POST {UPLOAD}/seal", line, body=body))
        self.wire.drop()
        flushed.callback(None)
        self.assertEqual(({NAME}, 0), (set(self.node.fragments), self.node.staged))


class LocateTests(DataCase):
    """Who holds what."""

    def test_all_nodes_answer(self) -> None:
        """Those that can look, with what they have; those that cannot, by name."""
        self.put(b"payload")
        broken = MemoryFragments(OTHER)
        broken.broken = NodeFailed("disk")
        self.data._verbs._stores[OTHER] = broken  # type: ignore[index]
        said = self.call("POST", "/-/locate", {"names": [NAME.incarnation, "f" * 32]})
        self.assertEqual({"nodes": {NODE: {NAME.incarnation: [0]}}, "silent": [OTHER]}, said.json)

    def test_senseless_questions(self) -> None:
        """Names are incarnations, a thousand at most."""
        for names in (None, "x", ["x"], [5], [NAME.incarnation] * 1001):
            self.assertEqual(400, self.call("POST", "/-/locate", {"names": names}).status)
        self.assertEqual(400, self.call("POST", "/-/locate").status)


class InventoryTests(DataCase):
    """What a node has."""

    def test_pages(self) -> None:
        """Names and since when they are known to be good, behind the one that was named."""
        self.put(b"payload")
        self.node.verified[NAME] = 5.5
        said = self.ask("GET", INVENTORY)
        self.assertEqual({"fragments": [[str(NAME), 5.5]]}, said.json)
        for query, count in ((f"?limit=1&after={'0' * 32}.0", 1), (f"?after={NAME}&limit=1000", 0)):
            self.assertEqual(count, len(self.ask("GET", INVENTORY + query).json["fragments"]))

    def test_senseless_questions(self) -> None:
        """A limit is 1 to 1000, and what a page goes on behind is a name; each is given once."""
        for query in (
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=x",
            "limit=10000000",
            "limit=1&limit=2",
            "after=name",
            "after=..",
            f"after={NAME}&after={NAME}",
        ):
            self.assertEqual(400, self.ask("GET", f"{INVENTORY}?{query}").status, query)

    def test_a_node_that_cannot_tell(self) -> None:
        """One that is not here, or whose disk failed, never has an empty inventory."""
        said = self.ask("GET", INVENTORY.replace(NODE, OTHER))
        self.assertEqual((421, "WrongNode"), (said.status, said.json["code"]))
        self.node.broken = NodeFailed("disk")
        said = self.ask("GET", INVENTORY)
        self.assertEqual((503, "NodeFailed"), (said.status, said.json["code"]))
