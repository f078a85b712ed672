"""Signatures between servers."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import AccessDenied
from godos.protocol.server_auth import (
    NO_BOOT,
    STREAMED,
    Admission,
    AnswerUnsigned,
    Guard,
    SignatureRefused,
    Signer,
    of_bytes,
    of_fragment,
    of_header,
    of_length,
    same,
)

SECRET = b"s" * 32
BOOT = "b" * 32
NOW = 1_700_000_000.0
PATH = b"/nodes/n/fragments/f?start=0"


class Requests(SynchronousTestCase):
    """What is let in, and what is not."""

    def setUp(self) -> None:
        self.signer, self.guard = Signer(SECRET), Guard(SECRET, BOOT)

    def sign(self, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "method": b"PUT",
            "target": PATH,
            "body": of_bytes(b"x"),
            "boot": BOOT.encode(),
            "now": NOW,
        }
        return self.signer.sign(**{**fields, **changes}).authorization

    def admit(self, header: bytes | None, **changes: Any) -> Admission:
        fields: dict[str, Any] = {"method": b"PUT", "target": PATH, "now": NOW}
        return self.guard.admit(authorization=header, **{**fields, **changes})

    def refused(self, header: bytes | None, **changes: Any) -> SignatureRefused:
        return self.assertRaises(SignatureRefused, self.admit, header, **changes)

    def test_a_signed_request_is_let_in(self) -> None:
        """The receiver learns what was signed about the body."""
        self.assertEqual(of_bytes(b"x"), self.admit(self.sign()).body)

    def test_an_unsigned_request_is_refused(self) -> None:
        """No header, another scheme, or half a signature: all are nothing."""
        for header in (None, b"", b"Bearer x", self.sign()[:-1], self.sign() + b"0"):
            refusal = self.refused(header)
            self.assertEqual("SignatureMissing", refusal.code)
            self.assertEqual(b"", refusal.mac)

    def test_another_secret_is_refused(self) -> None:
        """A server of another cluster cannot do anything here, and gets no signed answer."""
        self.signer = Signer(b"t" * 32)
        refusal = self.refused(self.sign())
        self.assertEqual("SignatureWrong", refusal.code)
        self.assertEqual(b"", refusal.mac)

    def test_a_signature_fits_one_request_only(self) -> None:
        """Another method, another path, another query: another signature."""
        for change in ({"method": b"DELETE"}, {"target": PATH + b"0"}, {"target": PATH[:-8]}):
            self.assertEqual("SignatureWrong", self.refused(self.sign(), **change).code)

    @settings(deadline=None)
    @given(st.integers(0, 10**6), st.sampled_from(b"0123456789abcdef sha=lengthtrmd"))
    def test_no_character_of_a_signature_can_change(self, place: int, character: int) -> None:
        """Whichever character of the header is replaced, the request is refused."""
        header = bytearray(self.sign())
        place %= len(header)
        if header[place] != character:
            header[place] = character
            self.refused(bytes(header))

    def test_a_replay_is_refused(self) -> None:
        """The same request a second time does nothing; the refusal can be signed."""
        header = self.sign()
        admission = self.admit(header)
        refusal = self.refused(header)
        self.assertEqual(("Replayed", admission.mac), (refusal.code, refusal.mac))

    def test_a_replay_after_a_restart_is_refused(self) -> None:
        """A process that forgot all nonces still knows that a request was not meant for it."""
        header = self.sign()
        self.admit(header)
        self.guard = Guard(SECRET, "c" * 32)
        self.assertEqual("BootUnknown", self.refused(header).code)

    def test_a_sender_without_the_boot_id_learns_it(self) -> None:
        """The refusal of a first request is signed, so that its boot id can be believed."""
        signature = self.signer.sign(b"GET", PATH, of_bytes(b""), NO_BOOT, NOW)
        refusal = self.assertRaises(
            SignatureRefused, self.guard.admit, b"GET", PATH, signature.authorization, NOW
        )
        answer = self.guard.sign_answer(refusal.mac, 403, of_bytes(b"no"))
        said = self.signer.check_answer(signature.mac, 403, answer)
        self.assertEqual(BOOT.encode(), said.boot)

    def test_clocks_may_differ_by_five_minutes(self) -> None:
        """Either way, and up to the last second."""
        for skew in (-299.0, 299.0):
            self.admit(self.sign(now=NOW + skew))

    def test_larger_skew_is_refused_and_told(self) -> None:
        """Whoever runs the servers reads by how much the clocks differ, and which is ahead."""
        late = self.refused(self.sign(now=NOW - 412))
        self.assertEqual("ClockSkewed", late.code)
        self.assertIn("412 s behind", str(late))
        self.assertIn("301 s ahead", str(self.refused(self.sign(now=NOW + 301))))

    def test_a_replay_is_refused_as_long_as_it_is_fresh(self) -> None:
        """The memory of requests covers the whole time in which one is accepted at all."""
        header = self.sign(now=NOW + 299)
        self.admit(header)
        self.assertEqual("Replayed", self.refused(header, now=NOW + 598).code)
        self.assertEqual("ClockSkewed", self.refused(header, now=NOW + 600).code)

    def test_refusals_are_denials(self) -> None:
        """Callers that know nothing of signatures see that access was denied."""
        self.assertIsInstance(self.refused(None), AccessDenied)

    def test_bodies(self) -> None:
        """What is said about a body depends on all of it."""
        self.assertNotEqual(of_bytes(b"x"), of_bytes(b"y"))
        self.assertNotEqual(of_fragment(b"h", b"d" * 32), of_fragment(b"h", b"e" * 32))
        self.assertEqual((b"length=5", STREAMED), (of_length(5), of_length(None)))
        self.assertTrue(same(of_bytes(b"x"), of_bytes(b"x")))
        self.assertFalse(same(of_bytes(b"x"), of_header(b"x")))
        for body in (of_fragment(b"h", b"d" * 32), of_length(1 << 40), STREAMED):
            self.assertEqual(body, self.admit(self.sign(body=body)).body)


class Answers(SynchronousTestCase):
    """Which answers are believed."""

    def setUp(self) -> None:
        self.signer, self.guard = Signer(SECRET), Guard(SECRET, BOOT)
        signature = self.signer.sign(b"GET", PATH, of_bytes(b""), BOOT.encode(), NOW)
        self.guard.admit(b"GET", PATH, signature.authorization, NOW)
        self.mac = signature.mac

    def doubt(self, header: bytes | None, status: int = 404, mac: bytes | None = None) -> None:
        with self.assertRaises(AnswerUnsigned):
            self.signer.check_answer(mac or self.mac, status, header)

    def test_a_signed_answer_is_believed(self) -> None:
        """It tells the process that answered, and what the body must be."""
        answer = self.guard.sign_answer(self.mac, 404, of_bytes(b"none"))
        said = self.signer.check_answer(self.mac, 404, answer)
        self.assertEqual((BOOT.encode(), of_bytes(b"none")), (said.boot, said.body))

    def test_an_unsigned_no_is_not_believed(self) -> None:
        """Anybody can say that there is no such fragment."""
        for header in (None, b"", b"yes", b"x" * 200):
            self.doubt(header)

    def test_a_stranger_is_not_believed(self) -> None:
        """Neither is a server of another cluster."""
        self.doubt(Guard(b"t" * 32, BOOT).sign_answer(self.mac, 404, of_bytes(b"none")))

    def test_an_answer_fits_one_request_only(self) -> None:
        """An answer from the past, or a status that was changed, is recognised."""
        old = self.guard.sign_answer(b"0" * 64, 404, of_bytes(b"none"))
        self.doubt(old)
        self.doubt(self.guard.sign_answer(self.mac, 200, of_bytes(b"none")), status=404)

    def test_an_answer_is_no_request(self) -> None:
        """What a server signed as an answer cannot be used as a request, nor the other way."""
        signature = self.signer.sign(b"GET", PATH, of_bytes(b""), BOOT.encode(), NOW)
        self.doubt(signature.authorization)
