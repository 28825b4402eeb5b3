"""A teacher's month: lessons grouped by the package version they were sold under. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from backend_api.tutoring.billing import Tariff, charge, no_amount


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of a package, as a lesson was sold under it. Without an id it is a rate that a link came with."""

    package_id: str | None
    version: int
    name: str
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class Lesson:
    """What billing needs to know of a lesson. Without terms it is counted, but costs nothing.

    `seconds` count; `measured` are what was measured, where a correction (`is_corrected`) says otherwise.
    """

    teacher_id: str
    seconds: int
    terms: Terms | None
    measured: int
    is_corrected: bool


@dataclass(frozen=True, slots=True)
class Line:
    """The lessons of one teacher and one package version: those longer than nothing, and those corrected to nothing.

    `sessions` are the ones that count, `corrected` how many of all a correction speaks for.
    """

    teacher_id: str
    terms: Terms | None
    sessions: int
    corrected: int
    counted_seconds: int
    measured_seconds: int
    billed_seconds: int
    amount: Decimal | None


def lines(lessons: Iterable[Lesson]) -> list[Line]:
    """One line per teacher and terms, in a stable order; the same lessons in any order give the same lines."""
    groups: dict[tuple[str, Terms | None], list[Lesson]] = defaultdict(list)
    for lesson in lessons:
        if lesson.seconds > 0 or lesson.is_corrected:
            groups[lesson.teacher_id, lesson.terms].append(lesson)
    return sorted((_line(teacher, terms, group) for (teacher, terms), group in groups.items()), key=_order)


def totals(amounts: Iterable[tuple[str | None, Decimal | None]]) -> dict[str, Decimal]:
    """What is due, for each currency: the sum of (currency, amount) of the lines, without those that cost nothing."""
    sums: dict[str, Decimal] = {}
    for currency, amount in amounts:
        if currency is not None and amount is not None:
            sums[currency] = sums.get(currency, no_amount(currency)) + amount
    return sums


def _line(teacher_id: str, terms: Terms | None, lessons: list[Lesson]) -> Line:
    sessions, corrected = sum(lesson.seconds > 0 for lesson in lessons), sum(lesson.is_corrected for lesson in lessons)
    counted, measured = sum(lesson.seconds for lesson in lessons), sum(lesson.measured for lesson in lessons)
    if terms is None:
        return Line(teacher_id, None, sessions, corrected, counted, measured, 0, None)
    # Lessons of one length cost the same; exact arithmetic takes its time.
    lengths = Counter(lesson.seconds for lesson in lessons)
    charges = [(charge(seconds, terms.tariff), number) for seconds, number in lengths.items()]
    amount = sum((item.amount * number for item, number in charges), no_amount(terms.tariff.currency))
    billed = sum(item.billed_seconds * number for item, number in charges)
    return Line(teacher_id, terms, sessions, corrected, counted, measured, billed, amount)


def _order(line: Line) -> tuple[str, bool, str, str, int, str]:
    terms = line.terms
    if terms is None:
        return line.teacher_id, True, "", "", 0, ""
    return line.teacher_id, False, terms.package_id or "", terms.name, terms.version, repr(terms.tariff)
