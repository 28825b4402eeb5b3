"""Packed days: figures and statements are those of the lessons themselves, whenever the job came by."""

import random

import pytest

from backend_api.tutoring import store as stored
from backend_api.tutoring.columns import lessons_in
from backend_api.tutoring.days import COLLECTION
from backend_api.tutoring.figures import figures
from backend_api.tutoring.lesson import Correction, corrected
from backend_api.tutoring.months import Months
from backend_api.tutoring.store import Filter, LessonStore
from tests.backend_api.tutoring.test_size import held

DAY = 86_400


@pytest.fixture
async def lessons(open_mongo, clock):
    mongo = open_mongo()
    await mongo.ensure(stored.INDEXES)
    return LessonStore(mongo, clock), Months(mongo, LessonStore(mongo, clock), "UTC", clock)


async def raw(store, wanted):
    """The figures without any packed day."""

    async def read():
        yield await store.read_held(wanted)

    return await figures(read())


@pytest.mark.parametrize("seed", range(3))
async def test_figures_are_those_of_the_lessons(lessons, clock, seed):
    """Lessons are held and corrected over weeks, days are packed at any time: every range adds up."""
    store, months = lessons
    dice, begin, ids = random.Random(seed), clock(), []
    for number in range(80):
        clock.at += dice.randrange(8) * 3_600
        lesson = held(number, clock() - dice.randrange(9) * DAY)
        await store.add(lesson)
        ids.append(lesson.id)
        if dice.random() < 0.3:
            said = Correction(seconds=dice.randrange(7_200), reason="x", by="boss", at=clock())
            await store.change(dice.choice(ids), lambda old, said=said: corrected(old, said))
        if dice.random() < 0.3:
            clock.at += 61
            await store.pack()
        start = begin + dice.uniform(-3, 10) * DAY
        for teacher, status in ((None, None), ("t1", None), (None, "timeout")):
            wanted = Filter(start, start + dice.uniform(0, 20) * DAY, teacher, status=status)
            assert await figures(store.held(wanted)) == await raw(store, wanted)
    statement = await months.statement("2026-11", None)
    clock.at += 30 * DAY
    for _ in range(3):
        await store.pack()
    assert await months.statement("2026-11", None) == statement
    plan = await store._days.plan(begin - 10 * DAY, clock())
    assert sum(len(lessons_in(day)) for day in plan.packed) == len(ids)


async def test_a_day_that_changes_while_it_is_packed_is_packed_again(lessons, clock):
    """The mark that came meanwhile stands; until then the day is read from its lessons."""
    store, _ = lessons
    start = clock()
    await store.add(held(1, start))
    clock.at += 10 * DAY
    wanted, said = Filter(start - DAY, start + DAY), Correction(seconds=60, reason="x", by="boss", at=clock())
    read = store.read_held

    async def slowly(asked):
        found = await read(asked)
        if asked.start_at <= start < asked.end_at:
            await store.change("l1", lambda old: corrected(old, said))
        return found

    store.read_held = slowly
    await store.pack()
    assert (await figures(store.held(wanted))).total_minutes == 1.0
    store.read_held = read
    clock.at += 61
    await store.pack()
    (day,) = (await store._days.plan(start - DAY, start + DAY)).packed[:1]
    assert [lesson.seconds for lesson in lessons_in(day)] == [60]
    assert (await figures(store.held(wanted))).total_minutes == 1.0


async def test_a_day_that_was_packed_in_an_older_form_is_packed_anew(lessons, clock, open_mongo):
    """Until then it is read from its lessons."""
    store, _ = lessons
    start = clock()
    await store.add(held(1, start))
    old = {"_id": int(start // DAY), "by": "", "rows": [], "terms": []}
    await open_mongo()[COLLECTION].insert_one(old)
    clock.at += 10 * DAY
    wanted = Filter(start - DAY, start + 2 * DAY)
    assert (await figures(store.held(wanted))).total == 1
    await store.pack()
    assert (await figures(store.held(wanted))).total == 1
    packed = (await store._days.plan(start - DAY, start + 2 * DAY)).packed
    assert sum(len(lessons_in(day)) for day in packed) == 1


async def test_how_many_there_are_is_counted_once(lessons, open_mongo, clock):
    """What was there before is found by the first look, what is added later adds up."""
    store, _ = lessons
    await open_mongo()[stored.LESSONS].insert_one(held(1, clock()).model_dump(by_alias=True))
    assert (await store.totals(clock()))[0] == 1
    await store.add(held(2, clock()))
    assert (await store.totals(clock()))[0] == 2
