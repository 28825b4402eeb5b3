"""Facts about a call, in any order."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_api.study.calls import Facts, Joined, Left, Stay, is_open, spans_of_call, stays

TOLD = [
    Facts(opened=frozenset({100.0})),
    Facts(joined=frozenset({Joined("c1", "ann", 110.0)})),
    Facts(left=frozenset({Left("c1", "ann", 400.0, 290)})),
    Facts(joined=frozenset({Joined("c2", "ann", 450.0)})),
    Facts(joined=frozenset({Joined("d1", "bob", 120.0)})),
    Facts(closed=frozenset({900.0})),
]
RESULT = [Stay("ann", 110.0, 400.0), Stay("bob", 120.0, 900.0), Stay("ann", 450.0, 900.0)]


def merged(told):
    facts = Facts()
    for one in told:
        facts = facts.merge(one)
    return facts


def test_every_order_gives_the_same_stays():
    """All permutations of a call's messages, each message twice."""
    for order in permutations(TOLD):
        facts = merged((*order, *order))
        assert stays(facts) == RESULT
        assert spans_of_call(facts) == [(100.0, 900.0)]
        assert not is_open(facts, stays(facts))


KEY, USER, AT = st.sampled_from("xy"), st.sampled_from("ab"), st.integers(0, 60).map(float)
JOINED = st.builds(Joined, KEY, USER, AT)
LEFT = st.builds(Left, KEY, USER, AT, st.none() | st.integers(0, 20))
FACTS = st.builds(
    Facts,
    joined=st.frozensets(JOINED, max_size=3),
    left=st.frozensets(LEFT, max_size=3),
    closed=st.frozensets(AT, max_size=2),
)


@given(st.lists(FACTS, max_size=5), st.randoms())
def test_order_and_repetition_change_nothing(told, dice):
    """Merging is commutative, associative and idempotent; no stay ends before it begins."""
    shuffled = [*told, *told]
    dice.shuffle(shuffled)
    assert stays(merged(shuffled)) == stays(merged(told))
    assert all(stay.end is None or stay.end >= stay.start for stay in stays(merged(told)))


def test_a_call_that_is_held_daily_costs_its_messages_not_their_square():
    """A thousand days of thirty people: every connection ends with its own day."""
    told = [Joined(f"u{n}-{day}", f"u{n}", day * 86_400.0) for day in range(1_000) for n in range(30)]
    facts = Facts(joined=frozenset(told), closed=frozenset(day * 86_400.0 + 3_600 for day in range(1_000)))
    looked_at = 0

    class Seen(float):
        def __lt__(self, other):
            nonlocal looked_at
            looked_at += 1
            return float.__lt__(self, other)

    counted = Facts(joined=facts.joined, closed=frozenset(map(Seen, facts.closed)))
    assert {stay.end - stay.start for stay in stays(counted)} == {3_600.0}
    assert looked_at < 30 * 30_000


def test_a_late_left_does_not_end_a_newer_join():
    """The same connection came back before the news that it had gone arrived."""
    facts = merged(
        [
            Facts(joined=frozenset({Joined("c", "ann", 10.0), Joined("c", "ann", 60.0)})),
            Facts(left=frozenset({Left("c", "ann", 50.0)})),
        ]
    )
    assert stays(facts) == [Stay("ann", 10.0, 50.0), Stay("ann", 60.0, None)]
    assert is_open(facts, stays(facts))


def test_a_left_alone_tells_when_the_stay_began():
    """A lost join is made good by the duration that the provider sends with the left."""
    assert stays(Facts(left=frozenset({Left("c", "ann", 100.0, 30)}))) == [Stay("ann", 70.0, 100.0)]
    assert stays(Facts(left=frozenset({Left("c", "ann", 100.0)}))) == []


@pytest.mark.parametrize(("opened", "closed", "spans"), [
    ({1.0}, set(), [(1.0, None)]),
    ({1.0, 2.0}, {5.0}, [(1.0, 5.0)]),
    ({1.0, 7.0}, {5.0, 6.0}, [(1.0, 5.0), (7.0, None)]),
    (set(), {5.0}, []),
])  # fmt: skip
def test_a_call_is_on_between_its_sessions_start_and_end(opened, closed, spans):
    """A second opening changes nothing, a second closing neither; a new session is a new span."""
    assert spans_of_call(Facts(opened=frozenset(opened), closed=frozenset(closed))) == spans
