"""Tutoring put together from settings, database and clock."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from backend_api.config import Root
from backend_api.contract.links import link_secrets
from backend_api.db import Index, Mongo
from backend_api.jobs import Job
from backend_api.nodes.store import NodeStore
from backend_api.sessions.store import SessionStore
from backend_api.tutoring import months, people, store
from backend_api.tutoring.deliveries import Deliveries
from backend_api.tutoring.evidence import Watch
from backend_api.tutoring.links import Links
from backend_api.tutoring.months import Months
from backend_api.tutoring.notifier import LogNotifier, Notifier, TelegramNotifier
from backend_api.tutoring.pace import LinkPace
from backend_api.tutoring.people import People
from backend_api.tutoring.settings import LinkMaker, Rules
from backend_api.tutoring.store import LessonStore
from backend_api.tutoring.tracking import Tracking

SWEEP_SECONDS = 20.0
"""It also brings presence up to date for those who look; a lesson costs it one read, and a write while it is on."""
DELIVERY_SECONDS = 2.0
CLOSING_SECONDS = 900.0
PACKING_SECONDS = 60.0
INDEXES: Sequence[Index] = (*people.INDEXES, *store.INDEXES, *months.INDEXES)


class Tutoring(NamedTuple):
    """What the backend needs of tutoring. `tracking.sockets_told` is for `SessionStore.on_ended`."""

    tracking: Tracking
    services: Sequence[object]
    jobs: Sequence[Job]


def build(settings: Root, mongo: Mongo, now: Callable[[], float]) -> Tutoring:
    backend, nodes = settings.backend, NodeStore(mongo, now)
    rules = Rules(
        backend.tutoring.meeting_hosts,
        backend.tutoring.link_seconds,
        backend.tutoring.timeout_seconds,
        backend.tutoring.currency,
        backend.timezone,
    )
    public_url = backend.public_url or f"http://{backend.host}:{backend.port}"
    maker = LinkMaker(link_secrets(settings.internal.keys().values()), public_url)
    lessons, register = LessonStore(mongo, now), People(mongo)
    sessions = SessionStore(mongo, nodes.leases, now)
    watch = Watch(sessions, nodes, now, timeout_seconds=rules.timeout_seconds)
    outbound = Deliveries(lessons, notifier(settings), maker)
    statements = Months(mongo, lessons, backend.timezone, now)
    tracking = Tracking(lessons, statements, watch, maker, now, timeout_seconds=rules.timeout_seconds)
    pace = LinkPace(
        per_minute=backend.tutoring.links_per_minute, to_student_per_minute=backend.tutoring.student_links_per_minute
    )
    links = Links(lessons, register, outbound, maker, rules, pace)
    services = (lessons, register, rules, tracking, statements, links, maker, sessions)

    async def send_due() -> None:
        await outbound.send_due(now())

    async def sweep() -> None:
        await tracking.sweep()

    jobs = (
        Job("tutoring-deliveries", DELIVERY_SECONDS, send_due),
        Job("tutoring-sweep", SWEEP_SECONDS, sweep),
        Job("tutoring-months", CLOSING_SECONDS, statements.close_due),
        Job("tutoring-days", PACKING_SECONDS, lessons.pack),
    )
    return Tutoring(tracking, services, jobs)


def notifier(settings: Root) -> Notifier:
    """Telegram where a bot is configured, else the log."""
    telegram = settings.backend.telegram
    if telegram.bot_token is None:
        return LogNotifier()
    return TelegramNotifier(telegram.bot_token.get_secret_value(), telegram.base_url)
