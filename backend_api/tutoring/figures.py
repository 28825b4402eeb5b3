"""Adds lessons up for the admin page: totals, by status, per teacher and student. Pure."""

from collections import Counter
from collections.abc import AsyncIterable, Mapping
from typing import Any

from backend_api.tutoring.queries import GroupFigures, LessonFigures

MAX_GROUPS = 500


async def figures(documents: AsyncIterable[Mapping[str, Any]]) -> LessonFigures:
    """The statistics of documents as `LessonStore.figures` gives them."""
    statuses: Counter[str] = Counter()
    teachers, students = _Groups(), _Groups()
    measured: list[int] = []
    async for document in documents:
        statuses[document["sessionStatus"]] += 1
        seconds = counted_seconds(document)
        if seconds is not None:
            measured.append(seconds)
        teachers.add(document["teacherId"], document["teacherName"], seconds or 0)
        students.add(document["studentId"], document["studentName"], seconds or 0)
    return LessonFigures(
        total=statuses.total(),
        active=statuses["active"],
        average_minutes=_minutes(sum(measured) / len(measured)) if measured else 0.0,
        total_minutes=_minutes(sum(measured)),
        by_status={name: statuses[name] for name in ("pending", "active", "ended", "timeout", "cancelled")},
        per_teacher=teachers.largest(),
        per_student=students.largest(),
    )


class _Groups:
    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._seconds: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()

    def add(self, key: str, name: str, seconds: int) -> None:
        self._names[key] = name
        self._seconds[key] += seconds
        self._sessions[key] += 1

    def largest(self) -> list[GroupFigures]:
        order = sorted(self._names, key=lambda key: (-self._seconds[key], self._names[key], key))
        return [
            GroupFigures(
                id=key, name=self._names[key], sessions=self._sessions[key], total_minutes=_minutes(self._seconds[key])
            )
            for key in order[:MAX_GROUPS]
        ]


def counted_seconds(document: Mapping[str, Any]) -> int | None:
    """What counts of a kept lesson: the last correction, else the measured duration, None while it has neither."""
    corrections = document.get("corrections")
    return corrections[-1]["seconds"] if corrections else document.get("durationSeconds")


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 2)
