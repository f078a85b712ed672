"""Errors that cross from one server to another."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from godos.model import errors
from godos.protocol.server_auth import SignatureRefused
from godos.protocol.server_errors import BUG, answer_to, error_from, parse

ACROSS = [
    errors.BadDigest,
    errors.EntityTooLarge,
    errors.NoSuchFragment,
    errors.WrongNode,
    errors.FragmentDamaged,
    errors.NodeFailed,
    errors.NodeFull,
    errors.NodeUnreachable,
]


class ErrorTests(SynchronousTestCase):
    def test_the_asker_meets_the_same_error(self) -> None:
        """What a node fails with is what the server that asked it fails with."""
        for kind in ACROSS:
            answer = answer_to(kind("why"))
            met = error_from(parse(answer.status, answer.body("R1")), "h:1")
            self.assertIs(kind, type(met))
            self.assertIn("why", str(met))

    def test_the_request_can_be_found_in_the_other_log(self) -> None:
        """The message carries the address and the request id of who answered."""
        answer = answer_to(errors.NodeFull("full"))
        met = error_from(parse(answer.status, answer.body("R1")), "h:1")
        self.assertIn("h:1, request R1", str(met))

    def test_everything_else_is_a_node_that_cannot_serve(self) -> None:
        """No error of one server makes another one tell its client something untrue."""
        for error in (
            errors.InvalidRequest("what"),
            errors.IncompleteBody("short"),
            errors.Unavailable("later"),
            SignatureRefused("ClockSkewed", "clocks"),
        ):
            answer = answer_to(error)
            met = error_from(parse(answer.status, answer.body("R")), "h:1")
            self.assertIs(errors.NodeUnreachable, type(met))
            self.assertIn(str(error), str(met))

    def test_refusals_say_which(self) -> None:
        """Each kind of bad signature has its code, and the status 403."""
        answer = answer_to(SignatureRefused("Replayed", "again"))
        self.assertEqual((403, "Replayed"), (answer.status, answer.code))

    def test_bugs_tell_nothing(self) -> None:
        """An error without an entry is answered as a bug, without its message."""
        answer = answer_to(errors.CannotStart("secret details"))
        self.assertEqual(BUG, answer)
        self.assertNotIn("secret", json.loads(answer.body("R"))["message"])

    def test_garbage_is_no_reason(self) -> None:
        """A body that is no error of ours is still an error."""
        for body in (b"", b"<html>", b"[]", b"{}", b'"x"', b"[" * 100_000):
            self.assertIs(errors.NodeUnreachable, type(error_from(parse(502, body), "h:1")))
