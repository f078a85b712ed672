"""Fragments of a node behind HTTP, as the rest of godos sees them."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from godos.model.blobs import FragmentHeader
from godos.model.errors import (
    BadDigest,
    EntityTooLarge,
    FragmentDamaged,
    GodosError,
    NodeFailed,
    NodeFull,
    NodeUnreachable,
    NoSuchFragment,
    WrongNode,
)
from godos.model.fragments import (
    BLOCK,
    CHUNK,
    SMALL,
    IFragmentReader,
    IFragmentStore,
    IFragmentUpload,
)
from godos.model.names import FragmentName
from tests.data_server import ADDRESS, Cluster
from tests.memory_fragments import MemoryFragments

NODE, OTHER = "1" * 32, "2" * 32
NAME = FragmentName("0123456789abcdef" * 2, 0)
BIG = Random(2).randbytes(2 * CHUNK + 5)


def header_of(
    payload: bytes, name: FragmentName = NAME, policy: str = "copies=2"
) -> FragmentHeader:
    digest = sha256(payload).hexdigest()
    return FragmentHeader(name, len(payload), len(payload), digest, policy, origin=b'{"a": 1}')


class FragmentCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.cluster = Cluster()
        self.node = MemoryFragments(NODE)
        self.cluster.serve({NODE: self.node})
        self.store = self.cluster.store(NODE)

    def tearDown(self) -> None:
        """Nothing is left staged, and no timer runs, whatever happened."""
        for connection in self.cluster.agent.connections:
            connection.cut(Exception("the test is over"))
        self.cluster.clock.advance(1000)
        self.assertEqual(0, self.node.staged)
        self.assertEqual([], self.cluster.clock.getDelayedCalls())

    def got(self, work: Deferred[Any]) -> Any:
        return self.successResultOf(work)

    def failed(self, work: Deferred[Any], kind: type[GodosError]) -> GodosError:
        error: Any = self.failureResultOf(work, kind).value
        return error

    def put(self, payload: bytes = b"payload") -> FragmentHeader:
        header = header_of(payload)
        self.got(self.store.put(header, [payload[:3], memoryview(payload)[3:]]))
        return header

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        reader = self.got(self.store.open(NAME, start, stop))
        data = b""
        while piece := self.got(reader.read()):
            self.assertLessEqual(len(piece), CHUNK)
            data += piece
        self.got(reader.close())
        return data

    def upload(self, length: int | None = None) -> Any:
        return self.got(self.store.upload(NAME, length))


class WholeFragments(FragmentCase):
    def test_it_is_what_it_says(self) -> None:
        """All of the interface is there."""
        verifyObject(IFragmentStore, self.store)
        verifyObject(IFragmentUpload, self.upload())
        self.put()
        verifyObject(IFragmentReader, self.got(self.store.open(NAME, 0, None)))

    def test_what_was_put_can_be_read(self) -> None:
        """The payload, parts of it, and the header with its origin."""
        header = self.put()
        self.assertEqual(b"payload", self.read())
        self.assertEqual(b"ylo", self.read(2, 5))
        self.assertEqual(b"", self.read(7, 7))
        self.assertEqual(header, self.got(self.store.open(NAME, 0, None)).header)
        self.assertEqual(header, self.got(self.store.verify(NAME)))

    def test_shards_have_no_known_digest(self) -> None:
        """Of what is no whole copy the sender computes the digest that it signs."""
        for payload in (b"shard", BIG[:SMALL]):
            header = FragmentHeader(NAME, len(payload), 10**7, "ab" * 32, "ec=2+1")
            self.got(self.store.put(header, [payload]))
            self.assertEqual(payload, self.read())

    def test_wrong_bytes_are_not_stored(self) -> None:
        """A payload that is not the one its header describes is refused."""
        self.failed(self.store.put(header_of(b"payload"), [b"PAYLOAD"]), BadDigest)
        self.failed(self.store.open(NAME, 0, None), NoSuchFragment)

    def test_too_large_for_one_piece(self) -> None:
        """A fragment beyond the limit is uploaded, not put."""
        self.failed(self.store.put(header_of(BIG), [BIG]), EntityTooLarge)

    def test_removing(self) -> None:
        """It tells whether there was something to remove."""
        self.put()
        self.assertTrue(self.got(self.store.remove(NAME)))
        self.assertFalse(self.got(self.store.remove(NAME)))
        self.failed(self.store.open(NAME, 0, None), NoSuchFragment)

    def test_what_a_node_holds(self) -> None:
        """Blobs that are not there are left out, however many are asked for."""
        self.put()
        asked = [NAME.incarnation, *(f"{number:032x}" for number in range(2500))]
        self.assertEqual({NAME.incarnation: (0,)}, self.got(self.store.holds(asked)))

    def test_damage_is_told_before_the_first_byte(self) -> None:
        """A damaged small fragment is an error, not an answer."""
        self.put()
        self.node.damage(NAME, 3)
        self.failed(self.store.open(NAME, 0, None), FragmentDamaged)
        self.failed(self.store.verify(NAME), FragmentDamaged)

    def test_the_disks_errors_arrive(self) -> None:
        """Every operation of a node whose disk failed says so."""
        self.put()
        self.node.broken = NodeFailed("the disk")
        for work in (
            self.store.put(header_of(b"x"), [b"x"]),
            self.store.open(NAME, 0, None),
            self.store.upload(NAME, None),
            self.store.verify(NAME),
            self.store.remove(NAME),
        ):
            self.assertIn("the disk", str(self.failed(work, NodeFailed)))
        self.failed(self.store.holds([NAME.incarnation]), NodeUnreachable)

    def test_another_node_is_not_this_one(self) -> None:
        """An address that serves other nodes now is recognised, whatever is asked."""
        store = self.cluster.store(OTHER)
        for work in (
            store.put(header_of(b"x"), [b"x"]),
            store.open(NAME, 0, None),
            store.upload(NAME, None),
            store.verify(NAME),
            store.remove(NAME),
            store.holds([NAME.incarnation]),
        ):
            self.failed(work, WrongNode)

    def test_one_process_serves_several_nodes(self) -> None:
        """Each has its own fragments."""
        other = MemoryFragments(OTHER)
        self.cluster.serve({NODE: self.node, OTHER: other})
        self.put()
        self.failed(self.cluster.store(OTHER).open(NAME, 0, None), NoSuchFragment)
        self.assertEqual({}, self.got(self.cluster.store(OTHER).holds([NAME.incarnation])))


class Uploads(FragmentCase):
    def send(self, length: int | None) -> Any:
        upload = self.upload(length)
        for start in range(0, len(BIG), CHUNK):
            self.got(upload.write([memoryview(BIG)[start : start + CHUNK]]))
        return upload

    def test_an_upload_is_visible_once_sealed(self) -> None:
        """With and without a known length; before the seal there is nothing."""
        for length in (len(BIG), None):
            upload = self.send(length)
            self.failed(self.store.open(NAME, 0, None), NoSuchFragment)
            self.got(upload.seal(header_of(BIG)))
            self.assertEqual(BIG, self.read())
            self.assertEqual(BIG[BLOCK + 1 : CHUNK + 7], self.read(BLOCK + 1, CHUNK + 7))
            self.got(upload.abort())
            self.assertTrue(self.got(self.store.remove(NAME)))

    def test_an_empty_upload(self) -> None:
        """Nothing can be sealed as well."""
        upload = self.upload(0)
        self.got(upload.seal(header_of(b"")))
        self.assertEqual(b"", self.read())

    def test_an_aborted_upload_leaves_nothing(self) -> None:
        """At any time, and more than once."""
        for written in (False, True):
            upload = self.send(None) if written else self.upload(5)
            self.assertEqual(1, self.node.staged)
            self.got(upload.abort())
            self.got(upload.abort())
            self.assertEqual(0, self.node.staged)

    def test_a_lost_connection_leaves_nothing(self) -> None:
        """When the sender dies in the middle, what it sent is dropped at once."""
        upload = self.send(len(BIG) + 1)
        self.cluster.agent.connections[-1].cut(Exception("power"))
        self.assertEqual(0, self.node.staged)
        self.failed(upload.write([b"x"]), NodeUnreachable)
        self.got(upload.abort())

    def test_a_cancelled_write_leaves_nothing(self) -> None:
        """Whoever cancels a write has ended the upload."""
        upload = self.upload(None)
        upload._body.pauseProducing()  # the connection is full
        writing = upload.write([b"x"])
        self.assertNoResult(writing)
        writing.cancel()
        self.assertTrue(self.failureResultOf(writing))
        self.assertEqual(0, self.node.staged)

    def test_a_node_that_takes_nothing_is_given_up(self) -> None:
        """After thirty seconds without room for more."""
        upload = self.upload(None)
        upload._body.pauseProducing()
        writing = upload.write([b"x"])
        self.cluster.clock.advance(29)
        self.assertNoResult(writing)
        self.cluster.clock.advance(1)
        self.failed(writing, NodeUnreachable)
        self.assertEqual(0, self.node.staged)

    def test_no_room_is_told_before_the_body(self) -> None:
        """A node asks for no byte of what it cannot keep."""
        self.node.room = 100
        self.failed(self.store.upload(NAME, 101), NodeFull)
        self.assertEqual(1, len([r for r in self.cluster.agent.requests if b"uploads" in r][1:]))

    def test_a_disk_that_fills_up_ends_the_upload(self) -> None:
        """The write that did not fit fails, or the next, with the node's own error."""
        upload = self.upload(None)
        self.got(upload.write([BIG[:CHUNK]]))
        self.node.room = 5
        self.failed(upload.write([BIG[:CHUNK]]), NodeFull)
        self.failed(upload.write([BIG[:CHUNK]]), NodeFull)
        self.failed(upload.seal(header_of(BIG[:CHUNK] * 3)), NodeFull)
        self.assertEqual(0, self.node.staged)

    def test_a_seal_must_fit(self) -> None:
        """Another length, or other bytes, than were written: nothing becomes visible."""
        upload = self.send(None)
        self.failed(upload.seal(header_of(BIG + b"x")), BadDigest)
        upload = self.send(None)
        self.failed(upload.seal(header_of(BIG[:-1] + b"x")), BadDigest)
        self.assertEqual({}, self.node.fragments)
        self.assertEqual(0, self.node.staged)

    def test_an_announced_length_binds(self) -> None:
        """More is refused while writing, less when sealing."""
        upload = self.upload(5)
        self.failed(upload.write([b"123456"]), BadDigest)
        upload = self.upload(5)
        self.got(upload.write([b"1234"]))
        self.failed(upload.seal(header_of(b"1234")), BadDigest)
        self.assertEqual(0, self.node.staged)

    def test_damage_on_the_way_is_noticed(self) -> None:
        """The node compares what it got with what was sent, also of a shard."""
        upload = self.upload(None)
        connection = self.cluster.agent.connections[-1]
        to_server = connection.to_server
        connection.to_server = lambda data: to_server(data.replace(b"good", b"goop"))
        self.got(upload.write([b"good"]))
        shard = FragmentHeader(NAME, 4, 10**7, "ab" * 32, "ec=2+1")
        self.failed(upload.seal(shard), BadDigest)
        self.assertEqual({}, self.node.fragments)

    def test_a_restart_of_the_node_ends_the_upload(self) -> None:
        """What was staged is gone, and the seal says so; nothing is sealed by mistake."""
        upload = self.send(None)
        self.cluster.serve({NODE: self.node}, boot="c" * 32)
        self.failed(upload.seal(header_of(BIG)), NodeUnreachable)
        self.got(upload.abort())

    def test_nobody_goes_on(self) -> None:
        """An upload that was sent and is not sealed is dropped after five minutes."""
        upload = self.send(None)
        upload._body.end()
        self.assertEqual(1, self.node.staged)
        self.cluster.clock.pump([100, 100, 99])
        self.assertEqual(1, self.node.staged)
        self.cluster.clock.advance(1)
        self.assertEqual(0, self.node.staged)

    def test_an_upload_that_is_only_opened_is_dropped(self) -> None:
        """The sender died after the first request."""
        path = f"/nodes/{NODE}/fragments/{NAME}/uploads/{'5' * 32}"
        self.got(self.cluster.client().call("POST", ADDRESS, path, {"length": 5}))
        self.assertEqual(1, self.node.staged)
        self.cluster.clock.advance(30)
        self.assertEqual(0, self.node.staged)


class Reads(FragmentCase):
    def setUp(self) -> None:
        super().setUp()
        upload = self.upload(len(BIG))
        self.got(upload.write([BIG]))
        self.got(upload.seal(header_of(BIG)))

    def test_damage_in_the_middle(self) -> None:
        """What was read before is good; then there is an error, and no end."""
        self.node.damage(NAME, CHUNK + 5)
        reader = self.got(self.store.open(NAME, 0, None))
        self.assertEqual(BIG[:CHUNK], self.got(reader.read()))
        self.failed(reader.read(), NodeUnreachable)
        self.failed(reader.read(), NodeUnreachable)

    def test_damage_on_the_way(self) -> None:
        """A byte that changed between the disk and here is not given out."""
        marked = BIG[CHUNK + 100 : CHUNK + 130]
        self.cluster.agent.tamper = lambda data: data.replace(marked, marked[::-1])
        reader = self.got(self.store.open(NAME, 0, None))
        self.assertEqual(BIG[:CHUNK], self.got(reader.read()))
        self.failed(reader.read(), FragmentDamaged)

    def test_a_node_that_dies_in_the_middle(self) -> None:
        """What came is good; the rest is an error, never a short fragment."""
        sent = 0

        def die(data: bytes) -> bytes:
            nonlocal sent
            sent += len(data)
            if sent > CHUNK + BLOCK:
                self.cluster.agent.connections[-1].cut(Exception("power"))
                return b""
            return data

        self.cluster.agent.tamper = die
        reader = self.got(self.store.open(NAME, 0, None))
        data = self.got(reader.read())
        self.assertEqual(BIG[: len(data)], data)
        self.failed(reader.read(), NodeUnreachable)

    def test_a_slow_reader_pauses_the_node(self) -> None:
        """The connection rests while a chunk waits, and goes on when it is taken."""
        reader = self.got(self.store.open(NAME, 0, None))
        response = self.cluster.agent.connections[-1].response
        waiting = response.left
        self.assertTrue(response.resting)
        self.assertGreater(waiting, CHUNK // 2)
        self.got(reader.read())
        self.assertLess(response.left, waiting)

    def test_a_silent_node_is_given_up(self) -> None:
        """Thirty seconds without a byte while somebody waits for one."""
        self.cluster.agent.lose_after(2 * BLOCK)
        reader = self.got(self.store.open(NAME, 0, None))
        self.assertTrue(self.got(reader.read()))
        self.cluster.clock.advance(1000)  # nobody waits: the node may be as slow as we are
        reading = reader.read()
        self.cluster.clock.advance(29)
        self.assertNoResult(reading)
        self.cluster.clock.advance(1)
        self.failed(reading, NodeUnreachable)
        self.assertTrue(self.cluster.agent.connections[-1].gone)

    def test_closing_in_the_middle(self) -> None:
        """The node is told to stop, and a read that waits ends."""
        self.cluster.agent.lose_after(2 * BLOCK)
        reader = self.got(self.store.open(NAME, 0, None))
        self.got(reader.read())
        reading = reader.read()
        self.got(reader.close())
        self.failed(reading, NodeUnreachable)
        self.assertTrue(self.cluster.agent.connections[-1].gone)
        self.got(reader.close())

    def test_closing_at_the_end_keeps_the_connection(self) -> None:
        """An answer that was read to its end costs no connection."""
        self.assertEqual(BIG, self.read())
        self.assertFalse(self.cluster.agent.connections[-1].gone)

    def test_a_changed_header_is_noticed(self) -> None:
        """The header that comes with the bytes is signed."""
        self.cluster.agent.tamper = lambda data: data.replace(b"copies=2", b"copies=3")
        error = self.failureResultOf(self.store.open(NAME, 0, None)).value
        self.assertIsInstance(error, FragmentDamaged | WrongNode)

    def test_cancelling_an_open(self) -> None:
        """Whoever cancels leaves no request behind."""
        self.cluster.agent.tamper = lambda _: b""
        opening = self.store.open(NAME, 0, None)
        opening.cancel()
        self.assertTrue(self.failureResultOf(opening))
        self.assertTrue(self.cluster.agent.connections[-1].gone)
