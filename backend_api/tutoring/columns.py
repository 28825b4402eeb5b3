"""The lessons of a day in columns: each value once, and for every lesson the place of its value. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from backend_api.db import Document
from backend_api.uniques import numbers_in, packed

FORM = 3
"""Which columns a packed day has; it is packed anew where they are others."""


class Held(NamedTuple):
    """What figures and statements need of a lesson. People are (id, name); `seconds` are those that count, if any.

    `measured` are those that were measured; `is_corrected`: 1 where others count instead.
    """

    teacher: tuple[str, str]
    student: tuple[str, str]
    status: str
    seconds: int | None
    measured: int | None
    is_corrected: int
    terms: Document | None


def held(document: Document) -> Held:
    """A kept lesson: its last correction counts, else the measured duration."""
    corrections, measured = document.get("corrections"), document.get("durationSeconds")
    return Held(
        (document["teacherId"], document["teacherName"]),
        (document["studentId"], document["studentName"]),
        document["sessionStatus"],
        corrections[-1]["seconds"] if corrections else measured,
        measured,
        1 if corrections else 0,
        document["terms"],
    )


def columns(lessons: Iterable[Held]) -> Document:
    """The day's fields. Seconds are kept as they are, plus one, so that 0 stands for none."""
    fields = list(zip(*lessons, strict=True)) or [()] * len(Held._fields)
    teachers, students, statuses, seconds, measured, corrected, terms = fields
    (known_teachers, teacher), (known_students, student), (known_statuses, status) = map(
        _places, (teachers, students, statuses)
    )
    kinds, kind = _places([None if one is None else tuple(one.items()) for one in terms])
    return {
        "form": FORM,
        "known": json.dumps([known_teachers, known_students, known_statuses]),
        "terms": [None if one is None else dict(one) for one in kinds],
        "columns": [
            *map(packed, (teacher, student, status, _plus_one(seconds), _plus_one(measured), corrected, kind)),
        ],
    }


def lessons_in(day: Document) -> list[Held]:
    """The lessons of a packed day, in no order."""
    teachers, students, statuses = json.loads(day["known"])
    teacher, student, status, seconds, measured, corrected, kind = map(numbers_in, day["columns"])
    return list(
        map(
            Held,
            map([tuple(one) for one in teachers].__getitem__, teacher),
            map([tuple(one) for one in students].__getitem__, student),
            map(statuses.__getitem__, status),
            (number - 1 if number else None for number in seconds),
            (number - 1 if number else None for number in measured),
            corrected,
            map(day["terms"].__getitem__, kind),
        )
    )


def _plus_one(seconds: Iterable[int | None]) -> list[int]:
    return [0 if number is None else number + 1 for number in seconds]


def _places(values: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Each value once, in order, and the place of every one in them."""
    places: dict[Any, int] = {}
    numbers = [places.setdefault(value, len(places)) for value in values]
    return list(places), numbers
