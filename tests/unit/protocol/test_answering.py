"""What an answerer makes of a question."""

from __future__ import annotations

from attrs import evolve

from godos.model.locating import Holder
from godos.protocol.answering import Answers, Gathered, reply_to, too_old
from godos.protocol.messages import Query

A, B = "a" * 32, "b" * 32
QUERY = Query("u", (A, B), "api", "h:1", 5.0)


def gathered(**said: dict[str, tuple[int, ...]]) -> Gathered:
    """What nodes said, each reached at `<node>:1`."""
    together = Gathered()
    for node, held in said.items():
        together.add(f"{node}:1", {node: held})
    return together


def test_a_message_is_too_old_when_the_asker_has_given_up() -> None:
    """R4: time in this queue and the time before it count together."""
    assert not too_old(waited=4.0, spent=1.0, ttl=5.0)
    assert too_old(waited=4.1, spent=1.0, ttl=5.0)


def test_a_reply_names_all_holders_and_who_was_asked() -> None:
    """Each blob with the nodes that have it, at the addresses that answered."""
    said = gathered(n1={A: (0,)}, n2={A: (1, 2), B: ()})
    reply = reply_to(QUERY, said, {"n1", "n2", "n3"}, 0.5, alone=False)
    assert reply.holders == {A: (Holder("n1", "n1:1", (0,)), Holder("n2", "n2:1", (1, 2)))}
    assert (reply.asked, reply.silent, reply.complete) == (("n1", "n2"), ("n3",), False)
    assert (reply.uid, reply.to, reply.spent) == ("u", "api", 0.5)


def test_a_reply_is_complete_when_every_registered_node_answered() -> None:
    """R3: those that the asker had asked before count."""
    query = evolve(QUERY, asked=("n3",))
    reply = reply_to(query, gathered(n1={}, n2={}), {"n1", "n2", "n3"}, 0.0, alone=False)
    assert reply.complete
    assert reply.holders == {}


def test_a_server_that_knows_no_nodes_is_never_complete() -> None:
    """R3: an answerer that has not read the list of nodes yet speaks for nobody else."""
    assert not reply_to(QUERY, gathered(n1={}), (), 0.0, alone=False).complete


def test_a_server_that_answers_for_itself_claims_nothing_of_others() -> None:
    """With a queue for each node, completeness is the asker's to judge."""
    reply = reply_to(QUERY, gathered(n1={}), {"n1", "n2"}, 0.0, alone=True)
    assert (reply.asked, reply.silent, reply.complete) == (("n1",), (), False)


def test_a_repeated_question_gets_the_same_answer() -> None:
    """R2: the answerer remembers by uid."""
    answers = Answers()
    reply = reply_to(QUERY, gathered(n1={}), {"n1"}, 0.1, alone=False)
    answers.remember(reply)
    assert answers.given(evolve(QUERY, hop=1), 0.4) == evolve(reply, spent=0.4)
    assert answers.given(evolve(QUERY, uid="other"), 0.4) is None
    assert answers.given(evolve(QUERY, names=(A,)), 0.4) is None


def test_an_answer_with_gaps_is_not_remembered() -> None:
    """The silent node may answer when the question comes again."""
    answers = Answers()
    answers.remember(reply_to(QUERY, gathered(n1={A: (0,)}), {"n1", "n2"}, 0.1, alone=False))
    assert answers.given(QUERY, 0.4) is None


def test_an_answer_with_a_holder_for_each_blob_is_remembered() -> None:
    """Nothing better can come."""
    answers = Answers()
    said = gathered(n1={A: (0,), B: (0,)})
    answers.remember(reply_to(QUERY, said, {"n1", "n2"}, 0.1, alone=False))
    assert answers.given(QUERY, 0.4) is not None


def test_only_so_many_answers_are_remembered() -> None:
    """Memory is bounded: the oldest goes."""
    answers = Answers(limit=2)
    for uid in ("1", "2", "3"):
        query = evolve(QUERY, uid=uid)
        answers.remember(reply_to(query, gathered(n1={}), {"n1"}, 0.0, alone=False))
    known = [answers.given(evolve(QUERY, uid=uid), 0.0) is not None for uid in ("1", "2", "3")]
    assert known == [False, True, True]
