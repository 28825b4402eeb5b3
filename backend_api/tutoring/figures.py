"""Adds lessons up for the admin page: totals, by status, per teacher and student. Pure."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterable, Sequence

from backend_api.tutoring.columns import Held
from backend_api.tutoring.queries import GroupFigures, LessonFigures

MAX_GROUPS = 500


async def figures(lessons: AsyncIterable[list[Held]]) -> LessonFigures:
    """The statistics of lessons as `LessonStore.held` gives them."""
    statuses: Counter[str] = Counter()
    teachers, students = _Groups(), _Groups()
    measured = total = 0
    async for some in lessons:
        statuses.update(lesson.status for lesson in some)
        seconds = [lesson.seconds or 0 for lesson in some]
        measured += sum(lesson.seconds is not None for lesson in some)
        total += sum(seconds)
        teachers.add([lesson.teacher for lesson in some], seconds)
        students.add([lesson.student for lesson in some], seconds)
    return LessonFigures(
        total=statuses.total(),
        active=statuses["active"],
        average_minutes=_minutes(total / measured) if measured else 0.0,
        total_seconds=total,
        total_minutes=_minutes(total),
        by_status={name: statuses[name] for name in ("pending", "active", "ended", "timeout", "cancelled")},
        per_teacher=teachers.largest(),
        per_student=students.largest(),
    )


class _Groups:
    """Sessions and seconds by person; of several names of one the last that was met counts."""

    def __init__(self) -> None:
        self._sessions: Counter[tuple[str, str]] = Counter()
        self._seconds: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, people: Sequence[tuple[str, str]], seconds: Sequence[int]) -> None:
        self._sessions.update(people)
        for person, some in zip(people, seconds, strict=True):
            self._seconds[person] += some

    def largest(self) -> list[GroupFigures]:
        names = dict(self._sessions.keys())
        sessions: Counter[str] = Counter()
        seconds: Counter[str] = Counter()
        for (key, name), number in self._sessions.items():
            sessions[key] += number
            seconds[key] += self._seconds[key, name]
        order = sorted(names, key=lambda key: (-seconds[key], names[key], key))
        return [
            GroupFigures(
                id=key,
                name=names[key],
                sessions=sessions[key],
                total_seconds=seconds[key],
                total_minutes=_minutes(seconds[key]),
            )
            for key in order[:MAX_GROUPS]
        ]


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 2)
