"""One question, and when it is answered."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from godos.model.locating import Holder, Located
from godos.protocol.locate import (
    ATTEMPTS,
    GIVE_UP,
    GRACE,
    SECOND_WAVE,
    AddressedQuestion,
    Ask,
    Question,
)
from godos.protocol.messages import Reply

A, B = "a" * 32, "b" * 32
NODES = frozenset({"n1", "n2", "n3", "n4", "n5"})


def says(
    names: Collection[str],
    asked: Collection[str],
    holders: dict[str, str] | None = None,
    silent: Collection[str] = (),
    complete: bool = False,
) -> Reply:
    """A reply; `holders` maps blobs to a node that has fragment 0."""
    held = {name: (Holder(node, f"{node}:1", (0,)),) for name, node in (holders or {}).items()}
    return Reply("u", tuple(names), "api", "h:1", held, tuple(asked), 5.0, tuple(silent), complete)


# -- one shared queue ------------------------------------------------------------------
def test_a_question_is_put_once_with_all_its_blobs() -> None:
    """R8: many names travel in one message."""
    question = Question("u", (A, B), 100.0)
    assert question.step(100.0, NODES).asks == (Ask(None, (A, B)),)
    assert question.step(100.1, NODES).asks == ()


def test_a_holder_settles_the_blob_at_once() -> None:
    """A positive needs nobody else's answer; those who did not speak are named."""
    question = Question("u", (A, B), 0.0)
    question.step(0.0, NODES)
    question.heard(says((A, B), ["n1"], {A: "n1"}), 0.02)
    step = question.step(0.02, NODES)
    assert step.settled == {
        A: Located((Holder("n1", "n1:1", (0,)),), False, ("n2", "n3", "n4", "n5"))
    }
    assert not question.over


def test_a_negative_is_complete_only_when_every_registered_node_answered() -> None:
    """R3: four of five nodes saying no is not an answer."""
    question = Question("u", (A,), 0.0)
    question.step(0.0, NODES)
    question.heard(says([A], ["n1", "n2", "n3", "n4"], silent=["n5"]), 0.3)
    assert not question.step(0.3, NODES).settled
    question.heard(says([A], ["n5"]), 0.45)
    assert question.step(0.45, NODES).settled == {A: Located((), True)}


def test_the_asker_does_not_take_the_answerers_word_for_completeness() -> None:
    """R3: a node that registered after the answerer looked is asked for."""
    question = Question("u", (A,), 0.0)
    question.step(0.0, NODES)
    question.heard(says([A], ["n1", "n2"], complete=True), 0.1)
    assert not question.step(0.1, NODES).settled


def test_a_node_that_only_the_answerer_knows_counts_as_missing() -> None:
    """R3: the asker's own list of nodes may be the older one."""
    question = Question("u", (A,), 0.0)
    question.step(0.0, {"n1"})
    question.heard(says([A], ["n1"], silent=["new"]), 0.1)
    assert not question.step(0.1, {"n1"}).settled


def test_without_registered_nodes_nothing_is_known() -> None:
    """R3: a server that has not read the list of nodes yet tells nobody that a blob is gone."""
    question = Question("u", (A,), 0.0)
    assert question.step(0.0, ()).settled == {A: Located((), False)}
    assert question.over


def test_silence_is_asked_again_twice_and_given_up_at_five_seconds() -> None:
    """R7: an aborted poll may have swallowed the message, so the same question is sent again."""
    question, now, asked_at = Question("u", (A,), 50.0), 50.0, []
    while not question.over:
        step = question.step(now, NODES)
        asked_at += [(round(now - 50.0, 3), ask.hop) for ask in step.asks]
        if not question.over:
            now += step.wake
    assert asked_at == [(0.0, 0), (0.4, 1), (1.5, 2)]
    assert round(now - 50.0, 3) == GIVE_UP
    assert step.settled == {A: Located((), False, tuple(sorted(NODES)))}


def test_a_resent_question_names_those_who_answered_already() -> None:
    """Only the gaps are asked again."""
    question = Question("u", (A, B), 0.0)
    question.step(0.0, NODES)
    question.heard(says((A, B), ["n1", "n2"], silent=["n3"]), 0.3)
    question.heard(says([A], ["n3"]), 0.3)
    assert question.step(ATTEMPTS[1], NODES).asks == (Ask(None, (A, B), ("n1", "n2"), 1),)


def test_a_node_that_stays_dead_makes_the_answer_unknown_after_the_last_attempt() -> None:
    """Nobody waits five seconds for what cannot come, and nobody is told "no"."""
    question = Question("u", (A,), 0.0)
    for start in ATTEMPTS:
        assert len(question.step(start, NODES).asks) == 1
        question.heard(says([A], ["n1", "n2", "n3", "n4"], silent=["n5"]), start + 0.02)
        settled = question.step(start + 0.02, NODES).settled
    assert settled == {A: Located((), False, ("n5",))}


@given(st.lists(st.tuples(st.sets(st.sampled_from(sorted(NODES))), st.floats(0, 0.9)), max_size=9))
def test_no_order_or_repetition_of_negatives_makes_a_false_no(
    replies: list[tuple[set[str], float]],
) -> None:
    """However replies arrive, "no" needs the voice of each node."""
    question, heard = Question("u", (A,), 0.0), set[str]()
    settled: dict[str, Located] = {}
    for asked, now in sorted(replies, key=lambda reply: reply[1]):
        question.heard(says([A], asked, silent=NODES - asked), now)
        heard |= asked if not question.over else set()
        settled.update(question.step(now, NODES).settled)
    settled.update(question.step(GIVE_UP, NODES).settled)
    assert settled[A].complete == (heard == NODES)


# -- each node by itself ----------------------------------------------------------------
ORDER = ("n4", "n2", "n5", "n1", "n3")


def addressed(*names: str, first: int = 3) -> AddressedQuestion:
    return AddressedQuestion("u", dict.fromkeys(names, ORDER), 0.0, first)


def asked(question: Question, now: float) -> list[str | None]:
    return [ask.node for ask in question.step(now, NODES).asks]


def test_likely_holders_are_asked_first() -> None:
    """Three nodes at first, the others when these were given their time."""
    question = addressed(A)
    assert asked(question, 0.0) == ["n4", "n2", "n5"]
    assert asked(question, SECOND_WAVE - 0.01) == []
    assert asked(question, SECOND_WAVE) == ["n1", "n3"]


def test_the_rest_is_asked_as_soon_as_the_first_said_no() -> None:
    """Nobody waits for a clock when the likely holders have spoken."""
    question = addressed(A)
    question.step(0.0, NODES)
    for node in ("n4", "n2", "n5"):
        question.heard(says([A], [node]), 0.01)
    assert asked(question, 0.01) == ["n1", "n3"]


def test_blobs_for_one_node_share_a_message() -> None:
    """R8: what a node is asked travels together."""
    question = AddressedQuestion("u", {A: ("n1", "n2"), B: ("n2", "n3")}, 0.0, 2)
    assert question.step(0.0, NODES).asks == (
        Ask("n1", (A,)),
        Ask("n2", (A, B)),
        Ask("n3", (B,)),
    )


def test_a_holder_settles_when_all_that_were_asked_have_spoken() -> None:
    """Other likely holders are named as well, and unlikely ones left in peace."""
    question = addressed(A)
    question.step(0.0, NODES)
    question.heard(says([A], ["n4"], {A: "n4"}), 0.01)
    assert not question.step(0.01, NODES).settled
    question.heard(says([A], ["n2"]), 0.02)
    question.heard(says([A], ["n5"], {A: "n5"}), 0.02)
    step = question.step(0.02, NODES)
    assert [holder.node for holder in step.settled[A].holders] == ["n4", "n5"]
    assert step.asks == ()


def test_a_holder_does_not_wait_long_for_the_others() -> None:
    """A silent neighbour costs 50 ms, not the whole patience."""
    question = addressed(A)
    question.step(0.0, NODES)
    question.heard(says([A], ["n4"], {A: "n4"}), 0.01)
    assert abs(question.step(0.01, NODES).wake - GRACE) < 1e-9
    assert set(question.step(0.01 + GRACE, NODES).settled) == {A}


def test_only_the_silent_are_asked_again() -> None:
    """R7: with the same uid, and only those who have not answered."""
    question = addressed(A, first=5)
    question.step(0.0, NODES)
    for node in ("n1", "n2", "n3"):
        question.heard(says([A], [node]), 0.1)
    assert asked(question, ATTEMPTS[1]) == ["n4", "n5"]
    question.heard(says([A], ["n4"]), 0.5)
    assert asked(question, ATTEMPTS[2]) == ["n5"]


def test_a_node_out_of_reach_in_the_last_attempt_ends_the_question() -> None:
    """Refused three times is as good an answer as silence for five seconds: unknown."""
    question = addressed(A, first=5)
    for now in ATTEMPTS:
        for ask in question.step(now, NODES).asks:
            if ask.node == "n5":
                question.unreachable(ask)
            else:
                question.heard(says([A], [str(ask.node)]), now)
        settled = question.step(now, NODES).settled
    assert settled == {A: Located((), False, ("n5",))}


def test_a_late_refusal_of_an_earlier_attempt_is_not_taken_for_the_last() -> None:
    """The attempt that still runs may be answered."""
    question = addressed(A, first=5)
    (first, *_) = question.step(0.0, NODES).asks
    for node in ORDER[1:]:
        question.heard(says([A], [node]), 0.1)
    question.step(ATTEMPTS[1], NODES)
    (last,) = question.step(ATTEMPTS[2], NODES).asks
    question.unreachable(first)
    assert not question.step(1.6, NODES).settled
    question.heard(says([A], [str(last.node)]), 1.7)
    assert question.step(1.7, NODES).settled == {A: Located((), True)}
