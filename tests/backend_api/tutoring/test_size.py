"""A hundred thousand lessons a year: lists, figures and statements read indexed ranges only."""

import random
import time
from decimal import Decimal

import pytest

from backend_api.tutoring import store as stored
from backend_api.tutoring.days import PER_ROUND
from backend_api.tutoring.figures import figures
from backend_api.tutoring.lesson import Delivery, Lesson, SoldTerms
from backend_api.tutoring.months import Months
from backend_api.tutoring.store import LESSONS, Filter, LessonStore

LESSON_COUNT = 100_000
DAYS = 365
TEACHERS = 50
TERMS = SoldTerms(
    package_id="hours", version=1, name="Hours", rate=Decimal("40"), rate_unit="hour", currency="EUR", rounding="up",
    block_minutes=15, minimum_minutes=0,
)  # fmt: skip


def held(number, at, seconds=1_800):
    teacher, student = f"t{number % TEACHERS}", f"s{number % 2_000}"
    return Lesson(
        id=f"l{number}", teacher_id=teacher, teacher_name=teacher, student_id=student, student_name=student,
        link="https://zoom.us/j/1", sent_at=at, expires_at=at + 86_400, created_from="1.2.3.4", began_or_sent_at=at,
        status="ended", clicked_at=at, last_activity_at=at + seconds, ended_at=at + seconds, end_reason="button",
        duration_seconds=seconds, duration_minutes=seconds // 60, terms=TERMS, delivery=Delivery(state="delivered"),
    )  # fmt: skip


@pytest.fixture
async def mongo(open_mongo, clock):
    """A year of fifty teachers."""
    mongo = open_mongo()
    await mongo.ensure(stored.INDEXES)
    begin, dice = clock() - DAYS * 86_400, random.Random(1)
    step = DAYS * 86_400 / LESSON_COUNT
    lessons = (held(n, begin + n * step, dice.randrange(60, 7_200)) for n in range(LESSON_COUNT))
    documents = (lesson.model_dump(by_alias=True) for lesson in lessons)
    batch = []
    for document in documents:
        batch.append(document)
        if len(batch) == 1_000:
            await mongo[LESSONS].insert_many(batch, ordered=False)
            batch = []
    return mongo


async def seconds_of(work):
    """The quickest of three, so that what else runs here does not count."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    return min(took)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_lists_figures_and_statements_answer_in_well_under_a_second(mongo, clock):
    """Of a hundred thousand lessons: the newest page, figures of a month, a quarter and a year, months' statements."""
    lessons = LessonStore(mongo, clock)
    months, now = Months(mongo, lessons, "UTC", clock), clock()
    for _ in range(DAYS // PER_ROUND + 1):
        await lessons.pack()

    def of_days(days, **said):
        return Filter(now - days * 86_400, now + 1, **said)

    took = {
        "page of 200": await seconds_of(lambda: lessons.find(of_days(365), limit=200)),
        "page of a status that none has": await seconds_of(
            lambda: lessons.find(of_days(365, status="timeout"), limit=200)
        ),
        "packing when all is packed": await seconds_of(lessons.pack),
        "figures, 30 days": await seconds_of(lambda: figures(lessons.held(of_days(30)))),
        "figures, 90 days": await seconds_of(lambda: figures(lessons.held(of_days(90)))),
        "figures, a year": await seconds_of(lambda: figures(lessons.held(of_days(365)))),
        "figures, a teacher's year": await seconds_of(lambda: figures(lessons.held(of_days(365, teacher_id="t1")))),
        "statement of a teacher": await seconds_of(lambda: months.statement("2026-10", "t1")),
        "statement of everybody": await seconds_of(lambda: months.statement("2026-10", None)),
        "health": await seconds_of(lambda: lessons.totals(now)),
    }
    print(", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in took.items()))
    assert (await figures(lessons.held(of_days(365)))).total == LESSON_COUNT
    assert max(took.values()) < 1.0, took
