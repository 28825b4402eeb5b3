"""Counting people: exact while few, estimated while many, the same in whatever order they are merged."""

from hypothesis import given
from hypothesis import strategies as st

from backend_api.uniques import LIMIT, People, hash_of


def crowd(first, number):
    return People.of(f"u:{index}" for index in range(first, first + number))


def test_up_to_the_limit_it_is_exact():
    """And says so."""
    people = crowd(0, LIMIT)
    assert (people.number, people.is_exact) == (LIMIT, True)


def test_beyond_the_limit_it_is_an_estimate_within_a_few_per_cent():
    """100,000 people in 32 KiB; it says that it is not exact."""
    people = crowd(0, 100_000)
    assert not people.is_exact
    assert abs(people.number - 100_000) < 6_000
    assert len(people.pack()) == LIMIT * 8


def test_people_who_are_in_several_periods_count_once():
    """Sums of uniques are wrong; merging is not."""
    assert People.merged([crowd(0, 3_000), crowd(2_000, 2_000)]).number == 4_000


def test_merging_estimates_is_as_good_as_counting_together():
    """The merged sketch is exactly the sketch of everybody."""
    together = People.merged([crowd(0, 9_000), crowd(5_000, 30_000), crowd(0, 10)])
    assert together == crowd(0, 35_000)


@given(st.lists(st.sets(st.integers(0, 12_000), max_size=50), max_size=5), st.randoms())
def test_order_and_grouping_do_not_matter(groups, dice):
    """Commutative, associative, idempotent; nobody is nobody."""
    parts = [People.of(map(str, group)) for group in groups] + [crowd(0, LIMIT + 100)]
    shuffled = dice.sample(parts, len(parts))
    nested = People.merged([People.merged(shuffled[:2]), *shuffled[2:], *shuffled[:1], People()])
    assert nested == People.merged(parts)


def test_packing_gives_back_the_same():
    """Little-endian, eight bytes each."""
    people = crowd(0, 5_000)
    assert People.unpack(people.pack(), people.bound) == people
    assert People((1,)).pack() == b"\x01" + b"\0" * 7
    assert 0 <= hash_of("u:1") < 2**63
