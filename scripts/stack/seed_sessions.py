"""Believable sessions: who listened when, who studied in which calls, which lessons were held. Pure; dice are given."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from backend_api.tutoring.lesson import Claimed, Delivery, Lesson, SoldTerms, alive, cancelled, ended, started, swept
from scripts.stack.demo_school import LEARNERS, PACKAGE, STUDENTS
from scripts.stack.links import DEMO_CHANNEL, DEMO_TEACHER
from scripts.stack.seed_data import DAY_SECONDS, HOUR_SECONDS, country_of, moment

CHANNELS = {DEMO_CHANNEL: ("Harbour Radio", 30), "jazz-fm": ("Jazz FM", 24)}
"""Their names, and about how many sessions a day has."""
AGENTS = {
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148": 38,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0": 30,
    "Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile": 20,
    "Sonos/83.1": 8,
    "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X)": 4,
}
REGIONS = {"DE": ("DE-BE", "DE-HH", "DE-BY"), "US": ("US-CA", "US-NY", "US-TX"), "FR": ("FR-IDF", "FR-ARA")}
SHOWS = ("morning-show", "noon-mix", "night-train")
SESSION_PACKAGE = {"name": "Single lessons", "rate": "28", "rateUnit": "session", "currency": "EUR"}
PACKAGES: Mapping[str, Mapping[str, Any]] = {"demo-hours": PACKAGE, "demo-single": SESSION_PACKAGE}
SECONDS_OF_TIMEOUT = 2 * HOUR_SECONDS


class Teacher(NamedTuple):
    """A teacher, what their lessons cost, and their students by id."""

    id: str
    name: str
    package: str
    students: Mapping[str, str]


TEACHERS = (
    Teacher(DEMO_TEACHER, "Tara Nowak", "demo-hours", STUDENTS),
    Teacher("nils-berg", "Nils Berg", "demo-single", {"ida": "Ida Hoffmann", "omar": "Omar Haddad"}),
)


def listening(channel: str, day_at: float) -> Iterator[dict[str, Any]]:
    """A day's listening to a channel, as reports of closed intervals."""
    dice = _dice("listening", channel, day_at)
    for number in range(round(CHANNELS[channel][1] * dice.uniform(0.8, 1.2))):
        who = int(dice.paretovariate(1.1) * 4) % 260
        start_at = moment(dice, day_at)
        country = country_of(f"listener-{who}")
        name = f"demo-{channel}-{_day(day_at)}-{number}"
        stalls, reconnects = int(dice.expovariate(2)), int(dice.expovariate(4))
        yield {
            **_interval("listening", name, start_at, dice.lognormvariate(7.2, 0.8)),
            **({"userId": f"fan-{who}"} if who % 4 == 0 else {"listenerId": f"listener-{who}"}),
            "channelId": channel,
            "showId": SHOWS[int(start_at % DAY_SECONDS // (8 * HOUR_SECONDS))],
            "userAgent": dice.choices([*AGENTS], [*AGENTS.values()])[0],
            "country": country,
            **({"region": dice.choice(REGIONS[country])} if country in REGIONS else {}),
            "quality": {"buffering": stalls, "reconnects": reconnects, "bitrate": 128_000},
        }


def studying(day_at: float) -> Iterator[dict[str, Any]]:
    """A day's stays in study calls; on some days somebody rests."""
    for learner in LEARNERS:
        dice = _dice("studying", learner, day_at)
        at = day_at + dice.uniform(8, 11) * HOUR_SECONDS
        for number in range(dice.choice((0, 1, 2, 2, 3))):
            seconds = dice.uniform(20, 95) * 60
            stay = _interval("study", f"demo-{learner}-{_day(day_at)}-{number}", at, seconds)
            yield {**stay, "userId": learner, "callId": f"study-room-{dice.randint(1, 3)}"}
            at += seconds + dice.uniform(0.5, 2.5) * HOUR_SECONDS


def lessons(day_at: float, now: float) -> Iterator[Lesson]:
    """A day's lessons as they stand at `now`: those that are going on just then are left out. Sundays are free."""
    if datetime.fromtimestamp(day_at, UTC).weekday() == 6:
        return
    for teacher in TEACHERS:
        dice = _dice("lessons", teacher.id, day_at)
        at = day_at + dice.uniform(8, 10) * HOUR_SECONDS
        for student in dice.sample([*teacher.students], dice.randint(1, len(teacher.students))):
            lesson = _sent(teacher, student, f"demo-{teacher.id}-{_day(day_at)}-{student}", at)
            lesson = _held(dice, lesson, now)
            if at <= now and lesson.status != "active":
                yield lesson
            at += dice.uniform(1.6, 3) * HOUR_SECONDS


def _sent(teacher: Teacher, student: str, name: str, at: float) -> Lesson:
    terms = {"version": 1, "rounding": "none", "blockMinutes": 1, "minimumMinutes": 0, **PACKAGES[teacher.package]}
    return Lesson(
        id=name,
        teacher_id=teacher.id,
        teacher_name=teacher.name,
        student_id=student,
        student_name=teacher.students[student],
        link="https://zoom.us/j/5550100",
        sent_at=at,
        expires_at=int(at) + DAY_SECONDS,
        created_from="192.0.2.1",
        began_or_sent_at=at,
        terms=SoldTerms.model_validate({**terms, "packageId": teacher.package, "packageRate": Decimal(terms["rate"])}),
        delivery=Delivery(state="none"),
    )


def _held(dice: random.Random, lesson: Lesson, now: float) -> Lesson:
    """What became of a link: most are opened within minutes and end with the button; all of it only up to `now`."""
    fate, begin_at = dice.random(), lesson.sent_at + dice.uniform(60, 900)
    end_at = begin_at + dice.triangular(25, 95, 58) * 60
    if fate < 0.06 or begin_at > now:
        return cancelled(lesson) if fate < 0.03 else lesson
    lesson = started(lesson, begin_at, address="192.0.2.2", timeout_seconds=SECONDS_OF_TIMEOUT)
    for at in range(int(begin_at) + 60, int(min(end_at, now)), 60):
        lesson = alive(lesson, at, timeout_seconds=SECONDS_OF_TIMEOUT)
    if end_at > now:
        return lesson
    if fate < 0.13:
        return swept(lesson, min(now, end_at + SECONDS_OF_TIMEOUT + 60), timeout_seconds=SECONDS_OF_TIMEOUT)
    claimed = Claimed("pageClose" if fate < 0.25 else "button")
    return ended(lesson, end_at, claimed, timeout_seconds=SECONDS_OF_TIMEOUT)


def _interval(kind: str, name: str, start_at: float, seconds: float) -> dict[str, Any]:
    end = _text(start_at + max(60.0, min(seconds, 4 * HOUR_SECONDS)))
    return {
        "kind": kind, "sessionId": name, "intervalId": f"{name}-1", "node": "demo-history", "boot": 1, "version": 1,
        "startedAt": _text(start_at), "lastSeenAt": end, "closedAt": end, "reason": "stop",
    }  # fmt: skip


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(day_at: float) -> int:
    return int(day_at // DAY_SECONDS)


def _dice(*about: object) -> random.Random:
    return random.Random(" ".join(map(str, about)))  # noqa: S311 - nobody's secret
