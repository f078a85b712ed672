"""Recognising requests that come a second time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from godos.protocol.replays import WINDOW, ReplayMemory

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


class ReplayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.memory = ReplayMemory(300.0, sessions=2)

    def first(
        self, session: bytes, count: int, signed: float = 1000.0, now: float = 1000.0
    ) -> bool:
        return self.memory.first_time(session, count, signed, now)

    def test_a_request_is_new_once(self) -> None:
        """The second arrival of a request is recognised, the next request is not taken for it."""
        self.assertTrue(self.first(A, 1))
        self.assertFalse(self.first(A, 1))
        self.assertTrue(self.first(A, 2))

    def test_requests_may_overtake_each_other(self) -> None:
        """On several connections a later request can arrive before an earlier one."""
        self.assertTrue(self.first(A, 7))
        self.assertTrue(self.first(A, 5))
        self.assertTrue(self.first(A, 6))
        self.assertFalse(self.first(A, 5))

    def test_what_can_not_be_told_from_a_replay_is_one(self) -> None:
        """A request that was overtaken by more than the window is refused."""
        self.assertTrue(self.first(A, WINDOW + 1))
        self.assertTrue(self.first(A, 2))
        self.assertFalse(self.first(A, 1))

    def test_a_jump_forgets_nothing_that_matters(self) -> None:
        """After a jump ahead of the whole window, what lies behind it stays refused."""
        self.assertTrue(self.first(A, 1))
        self.assertTrue(self.first(A, 10**17))
        self.assertFalse(self.first(A, 1))
        self.assertFalse(self.first(A, 10**17))

    def test_senders_do_not_disturb_each_other(self) -> None:
        """Two senders may use the same counts."""
        self.assertTrue(self.first(A, 1))
        self.assertTrue(self.first(B, 1))
        self.assertFalse(self.first(A, 1))

    def test_a_sender_is_forgotten_when_all_it_signed_is_too_old(self) -> None:
        """Memory does not grow with every process that ever sent something."""
        self.first(A, 1, signed=1000.0)
        self.first(B, 1, signed=1290.0, now=1290.0)
        self.first(C, 1, signed=1301.0, now=1301.0)
        self.assertEqual(2, len(self.memory))
        self.assertFalse(self.first(B, 1, signed=1290.0, now=1301.0))

    def test_a_clock_ahead_keeps_its_sender_remembered(self) -> None:
        """What counts is when the newest request stops being acceptable, not when it came."""
        self.first(A, 1, signed=1300.0, now=1000.0)
        self.first(B, 1, signed=1301.0, now=1301.0)
        self.assertFalse(self.first(A, 1, signed=1300.0, now=1301.0))

    def test_making_room_lets_no_replay_in(self) -> None:
        """With more senders than fit, one is forgotten, and what it signed stays refused."""
        self.first(A, 1, signed=1000.0)
        self.first(B, 1, signed=1001.0)
        self.assertTrue(self.first(C, 1, signed=1002.0))
        self.assertEqual(2, len(self.memory))
        self.assertFalse(self.first(A, 1, signed=1000.0))
        self.assertTrue(self.first(A, 2, signed=1003.0))

    def test_a_sender_that_comes_back_brings_no_replay(self) -> None:
        """What a sender signed before it was forgotten stays refused when it is known again."""
        self.first(A, 1, signed=1000.0)
        self.first(B, 1, signed=1001.0)
        self.first(C, 1, signed=1002.0)
        self.assertTrue(self.first(A, 2, signed=1003.0))
        self.assertFalse(self.first(A, 1, signed=1000.0))

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from([A, B, C]), st.integers(1, 40), st.integers(0, 3)),
            max_size=60,
        )
    )
    def test_nothing_is_ever_let_in_twice(self, arrivals: list[tuple[bytes, int, int]]) -> None:
        """However requests arrive, each (sender, count) is let in at most once."""
        memory = ReplayMemory(300.0, sessions=2)
        seen = set()
        for session, count, late in arrivals:
            # a session's requests are signed in the order of their counts
            signed = 1000.0 + count
            if memory.first_time(session, count, signed, 1000.0 + 40 + late):
                self.assertNotIn((session, count), seen)
                seen.add((session, count))
