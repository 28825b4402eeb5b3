"""A teacher's month."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backend_api.tutoring.billing import Tariff, charge
from backend_api.tutoring.statements import Lesson, Terms, lines, totals

HOURLY = Tariff(Decimal("40"), "hour", "EUR", "up", 15, 0)
PER_SESSION = Tariff(Decimal("25"), "session", "USD", "none", 1, 0)
TERMS = [
    None,
    Terms("basic", 1, "Basic", HOURLY),
    Terms("basic", 2, "Basic", Tariff(Decimal("44"), "hour", "EUR", "up", 15, 0)),
    Terms("single", 1, "Single", PER_SESSION),
    Terms(None, 0, "", PER_SESSION),
]
LESSONS = st.lists(
    st.builds(
        Lesson,
        st.sampled_from(["t1", "t2"]),
        st.integers(0, 9_000),
        st.sampled_from(TERMS),
        st.integers(0, 9_000),
        st.booleans(),
    ),
    max_size=30,
)


def measured(seconds, terms):
    """A lesson that nobody corrected."""
    return Lesson("t", seconds, terms, seconds, False)


def due(statement):
    return totals((line.terms and line.terms.tariff.currency, line.amount) for line in statement)


@given(LESSONS, st.randoms())
def test_a_statement_does_not_depend_on_the_order_of_lessons(lessons, dice):
    """The same lessons, the same lines."""
    shuffled = list(lessons)
    dice.shuffle(shuffled)
    assert lines(shuffled) == lines(lessons)


@given(LESSONS)
def test_totals_are_the_sum_of_the_lessons_charges(lessons):
    """Nothing is rounded again on the way from a lesson to the total."""
    wanted: dict[str, Decimal] = {}
    for lesson in lessons:
        if lesson.terms is not None and lesson.seconds:
            currency = lesson.terms.tariff.currency
            amount = charge(lesson.seconds, lesson.terms.tariff).amount
            wanted[currency] = wanted.get(currency, Decimal(0)) + amount
    assert due(lines(lessons)) == wanted


def test_versions_of_a_package_are_lines_of_their_own():
    """A new rate never touches what was sold under the old one."""
    lessons = [measured(3_600, TERMS[1]), measured(3_600, TERMS[2])]
    assert [(line.terms.version, str(line.amount)) for line in lines(lessons)] == [(1, "40.00"), (2, "44.00")]


def test_a_lesson_without_terms_is_counted_and_costs_nothing():
    """It is shown, so that nobody overlooks it."""
    (line,) = lines([measured(90, None)])
    assert (line.sessions, line.measured_seconds, line.amount) == (1, 90, None)
    assert due([line]) == {}


def test_what_was_corrected_is_told_from_what_was_measured():
    """Also a lesson that was corrected to nothing, which is none that counts."""
    shorter, none = Lesson("t", 60, TERMS[3], 90, True), Lesson("t", 0, TERMS[3], 3_600, True)
    (line,) = lines([measured(30, TERMS[3]), shorter, none])
    assert (line.sessions, line.corrected, line.counted_seconds, line.measured_seconds) == (2, 2, 90, 3_720)
    assert str(line.amount) == "50.00"
