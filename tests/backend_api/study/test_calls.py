"""Facts about a call, in any order."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.study.calls import BELIEVED_SECONDS, Facts, Joined, Left, Seen, is_open, spans_of_call, stays, stays_in

TOLD = [
    Facts(opened=frozenset({100.0})),
    Facts(joined=frozenset({Joined("c1", "ann", 110.0)})),
    Facts(left=frozenset({Left("c1", "ann", 400.0, 290)})),
    Facts(joined=frozenset({Joined("c2", "ann", 450.0)})),
    Facts(joined=frozenset({Joined("d1", "bob", 120.0)})),
    Facts(closed=frozenset({900.0})),
]
RESULT = [("ann", 110.0, 400.0), ("bob", 120.0, 900.0), ("ann", 450.0, 900.0)]


def merged(told):
    facts = Facts()
    for one in told:
        facts = facts.merge(one)
    return facts


def told_stays(facts):
    """User, start and end of each stay."""
    return [stay[:3] for stay in stays(facts)]


def test_every_order_gives_the_same_stays():
    """All permutations of a call's messages, each message twice."""
    for order in permutations(TOLD):
        facts = merged((*order, *order))
        assert told_stays(facts) == RESULT
        assert spans_of_call(facts, 1_000.0) == [(100.0, 900.0)]
        assert not is_open(facts, stays(facts))


KEY, USER, AT = st.sampled_from("xy"), st.sampled_from("ab"), st.integers(0, 60).map(float)
JOINED = st.builds(Joined, KEY, USER, AT)
LEFT = st.builds(Left, KEY, USER, AT, st.none() | st.integers(0, 20))
FACTS = st.builds(
    Facts,
    joined=st.frozensets(JOINED, max_size=3),
    left=st.frozensets(LEFT, max_size=3),
    closed=st.frozensets(AT, max_size=2),
    seen=st.frozensets(st.builds(Seen, KEY, USER, AT), max_size=3),
)


@given(st.lists(FACTS, max_size=5), st.randoms())
def test_order_and_repetition_change_nothing(told, dice):
    """Merging is commutative, associative and idempotent; no stay ends before it begins."""
    shuffled = [*told, *told]
    dice.shuffle(shuffled)
    assert stays(merged(shuffled)) == stays(merged(told))
    assert all(stay.end is None or stay.end >= stay.start for stay in stays(merged(told)))


def test_a_late_left_does_not_end_a_newer_join():
    """The same connection came back before the news that it had gone arrived."""
    facts = merged(
        [
            Facts(joined=frozenset({Joined("c", "ann", 10.0), Joined("c", "ann", 60.0)})),
            Facts(left=frozenset({Left("c", "ann", 50.0)})),
        ]
    )
    assert told_stays(facts) == [("ann", 10.0, 50.0), ("ann", 60.0, None)]
    assert is_open(facts, stays(facts))


def test_a_left_alone_tells_when_the_stay_began():
    """A lost join is made good by the duration that the provider sends with the left."""
    assert told_stays(Facts(left=frozenset({Left("c", "ann", 100.0, 30)}))) == [("ann", 70.0, 100.0)]
    assert stays(Facts(left=frozenset({Left("c", "ann", 100.0)}))) == []


@pytest.mark.parametrize(("opened", "closed", "spans"), [
    ({1.0}, set(), [(1.0, None)]),
    ({1.0, 2.0}, {5.0}, [(1.0, 5.0)]),
    ({1.0, 7.0}, {5.0, 6.0}, [(1.0, 5.0), (7.0, None)]),
    (set(), {5.0}, []),
])  # fmt: skip
def test_a_call_is_on_between_its_sessions_start_and_end(opened, closed, spans):
    """A second opening changes nothing, a second closing neither; a new session is a new span."""
    assert spans_of_call(Facts(opened=frozenset(opened), closed=frozenset(closed)), 10.0) == spans


JOIN = Facts(joined=frozenset({Joined("c", "ann", 1_000.0)}))


def test_a_stay_without_an_end_is_believed_while_the_provider_speaks_of_it():
    """After an hour without a word it ends with the last one; a word that comes later revives it."""
    (silent,) = stays(JOIN)
    assert silent.is_on(1_000.0 + BELIEVED_SECONDS)
    assert not silent.is_on(1_001.0 + BELIEVED_SECONDS)
    assert silent.known_until == 1_000.0
    (asked,) = stays(JOIN.merge(JOIN.seen_at(9_000.0), JOIN.seen_at(4_000.0)))
    assert asked.is_on(9_001.0)
    assert asked.known_until == 9_000.0


def test_no_stay_is_believed_for_more_than_a_day():
    """Whatever the provider goes on to say of a connection that it never saw the end of."""
    (stay,) = stays(JOIN.merge(JOIN.seen_at(200_000.0)))
    assert not stay.is_on(200_000.0)
    assert stay.known_until == 1_000.0 + 86_400


def test_the_end_of_another_day_ends_no_stay():
    """A call that is held again: what was lost of the first time is not made good by the second."""
    facts = JOIN.merge(Facts(closed=frozenset({1_000.0 + 86_401})))
    assert told_stays(facts) == [("ann", 1_000.0, None)]


def test_a_left_in_one_account_ends_the_stay_in_another():
    """A webhook that did not name the session, and the provider's answer that does."""
    whole = Facts(joined=frozenset({Joined("k", "ann", 1_002.0)}), left=frozenset({Left("k", "ann", 1_600.0, 598)}))
    assert [stay[:3] for stay in stays_in([JOIN, whole])] == [("ann", 1_002.0, 1_600.0)]
    other = Facts(joined=frozenset({Joined("k", "bob", 1_002.0)}), left=frozenset({Left("k", "bob", 1_600.0, 598)}))
    assert [stay[:3] for stay in stays_in([JOIN, other])] == [("ann", 1_000.0, None), ("bob", 1_002.0, 1_600.0)]


def test_a_duration_does_not_reach_beyond_the_moment_it_was_told_at():
    """Nobody has been in a call in the future."""
    facts = JOIN.merge(Facts(left=frozenset({Left("c", "ann", 1_600.0, 90_000)})))
    assert told_stays(facts) == [("ann", 1_000.0, 1_601.0)]


def test_a_call_whose_end_was_lost_is_on_while_something_is_heard_of_it():
    """An hour after the last word it ended with that."""
    facts = Facts(opened=frozenset({100.0}), left=frozenset({Left("c", "ann", 700.0, 50)}))
    assert spans_of_call(facts, 4_300.0) == [(100.0, None)]
    assert spans_of_call(facts, 4_301.0) == [(100.0, 700.0)]


def test_a_call_that_is_held_daily_costs_its_messages_not_their_square():
    """A thousand days of thirty people: every connection ends with its own day."""
    joined = frozenset(Joined(f"u{n}-{day}", f"u{n}", day * 86_400.0) for day in range(1_000) for n in range(30))
    looked_at = 0

    class Counted(float):
        def __lt__(self, other):
            nonlocal looked_at
            looked_at += 1
            return float.__lt__(self, other)

    closed = frozenset(Counted(day * 86_400.0 + 3_600) for day in range(1_000))
    assert {stay.end - stay.start for stay in stays(Facts(joined=joined, closed=closed))} == {3_600.0}
    assert looked_at < 30 * 30_000
