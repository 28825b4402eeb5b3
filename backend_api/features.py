"""What the backend consists of: each feature's routes, what they need, its background jobs and its indexes.

A new feature is one function here and one line in FEATURES.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web
from prometheus_client import CollectorRegistry

from backend_api.config import Root
from backend_api.contract.session_tokens import token_secrets
from backend_api.contract.sessions import SessionKind
from backend_api.db import Index, Mongo
from backend_api.engagement.admin_routes import table as upkeep_table
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.catalogue_routes import table as catalogue_table
from backend_api.engagement.dashboards import Dashboards
from backend_api.engagement.documents import indexes as engagement_indexes
from backend_api.engagement.folding import Folder
from backend_api.engagement.foundations import Foundations
from backend_api.engagement.ingest import Ingest
from backend_api.engagement.intake import EventIntake
from backend_api.engagement.periods import Calendar
from backend_api.engagement.raw import RawEvents
from backend_api.engagement.reading import Reader
from backend_api.engagement.recounting import Recounter
from backend_api.engagement.recovery import Recovery
from backend_api.engagement.retention import Retention
from backend_api.engagement.rolling import Roller
from backend_api.engagement.routes import table as engagement_table
from backend_api.engagement.stats import Stats
from backend_api.engagement.tracks import Tracks
from backend_api.engagement.upkeep import UPKEEP_SECONDS, Upkeep
from backend_api.jobs import Job
from backend_api.listening.calls import ListeningCalls
from backend_api.listening.channels import Channels
from backend_api.listening.describing import Describe
from backend_api.listening.limits import StartLimits
from backend_api.listening.rollups import INDEXES as LISTENING_INDEXES
from backend_api.listening.rollups import PERIOD_SECONDS, Rollups
from backend_api.listening.routes import table as listening_table
from backend_api.listening.source import Source
from backend_api.listening.station import Station
from backend_api.nodes.routes import table as nodes_table
from backend_api.nodes.store import NodeStore
from backend_api.pages.render import Pages
from backend_api.pages.routes import nowhere
from backend_api.pages.routes import table as pages_table
from backend_api.places import Places
from backend_api.service.origins import origin_of
from backend_api.service.program import DISTRIBUTION
from backend_api.service.routes import RouteTable
from backend_api.sessions import purge as session_purge
from backend_api.sessions import sweep
from backend_api.sessions.documents import indexes as session_indexes
from backend_api.sessions.intake import IntervalIntake
from backend_api.sessions.pace import CallPace
from backend_api.sessions.routes import table as sessions_table
from backend_api.sessions.store import Hook, SessionStore
from backend_api.study import wiring as study_wiring
from backend_api.study.routes import table as study_table
from backend_api.tutoring import wiring as tutoring_wiring
from backend_api.tutoring.admin_routes import table as tutoring_table
from backend_api.viewers import packer, purge
from backend_api.viewers.charts import Charts
from backend_api.viewers.documents import indexes
from backend_api.viewers.intake import Intake
from backend_api.viewers.keeping import Keeping
from backend_api.viewers.ranges import DAY_SECONDS
from backend_api.viewers.reader import HistoryReader
from backend_api.viewers.rooms import RoomDirectory
from backend_api.viewers.routes import table as viewers_table
from backend_api.viewers.settings import RoomSwitches
from backend_api.viewers.store import PartStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What features are built from."""

    settings: Root
    mongo: Mongo
    places: Places
    registry: CollectorRegistry
    now: Callable[[], float]


class Feature(NamedTuple):
    """What a feature brings. `services` are what its handlers ask for by type, `nowhere` as `build_app` takes it."""

    table: RouteTable
    services: Sequence[object] = ()
    jobs: Sequence[Job] = ()
    indexes: Sequence[Index] = ()
    nowhere: Callable[[web.Request], web.Response] | None = None


def viewers(parts: Parts) -> Feature:
    """Viewer history."""
    mongo, now, settings = parts.mongo, parts.now, parts.settings.backend.viewers
    keeping = Keeping(
        parts_seconds=settings.part_retention_days * DAY_SECONDS,
        minutes_seconds=settings.retention_days * DAY_SECONDS,
        summaries_seconds=settings.summary_retention_days * DAY_SECONDS,
    )
    switches = RoomSwitches(mongo, settings.analytics_kinds, now)
    services = (
        Intake(PartStore(mongo, now), switches, keeping, parts.registry),
        Charts(HistoryReader(mongo, keeping, now), keeping, ZoneInfo(parts.settings.backend.timezone), now),
        switches,
        RoomDirectory(mongo),
    )
    jobs = [Job("pack", packer.PERIOD_SECONDS, packer.Packer(mongo, keeping, now).run)]
    if parts.settings.backend.mongo.embedded:
        jobs.append(Job("purge", purge.PERIOD_SECONDS, purge.Purge(mongo, keeping, now).run))
    return Feature(viewers_table, services, jobs, indexes(keeping))


def engagement(parts: Parts) -> Feature:
    """Plays, likes, saves, shares, downloads."""
    mongo, now, settings = parts.mongo, parts.now, parts.settings.backend.engagement
    embedded = parts.settings.backend.mongo.embedded
    calendar = Calendar(ZoneInfo(parts.settings.backend.timezone))
    retention = Retention(calendar, settings.raw_retention_days, settings.guest_retention_days)
    stats, catalogue = Stats(mongo, calendar), Catalogue(mongo)
    recounter, roller = Recounter(RawEvents(mongo), calendar, now), Roller(stats, calendar, now)
    ingest = Ingest(mongo, retention, now)
    recovery = Recovery(mongo, ingest, calendar, now)
    foundations = Foundations(mongo, retention, now)
    folder = Folder(mongo, recounter, roller, recovery, foundations, retention, now, parts.registry)
    upkeep = Upkeep(mongo, recounter, foundations, retention, now, purges=embedded)
    services = (
        EventIntake(catalogue, ingest, foundations, retention, settings, parts.registry),
        Dashboards(Reader(mongo, stats, retention, now), catalogue, foundations),
        Tracks(mongo),
        catalogue,
        upkeep,
    )
    jobs = [Job("fold", settings.rollup_seconds, folder.run), Job("engagement_upkeep", UPKEEP_SECONDS, upkeep.run)]
    kept_seconds = settings.raw_retention_days * DAY_SECONDS
    return Feature(engagement_table, services, jobs, engagement_indexes(kept_seconds, embedded=embedded))


def engagement_upkeep(_parts: Parts) -> Feature:
    """Rebuilding and auditing, on the services of `engagement`."""
    return Feature(upkeep_table)


def engagement_catalogue(_parts: Parts) -> Feature:
    """What tracks, artists and playlists are called, on the services of `engagement`."""
    return Feature(catalogue_table)


def pages(parts: Parts) -> Feature:
    """The pages that people look at."""
    backend, presence = parts.settings.backend, parts.settings.presence
    shown = Pages(
        version=version(DISTRIBUTION),
        presence_url=origin_of(presence.public_url),
        presence_path=presence.socket.path,
        backend_url=backend.public_url,
    )
    return Feature(pages_table, [shown], nowhere=partial(nowhere, shown))


def _session_store(parts: Parts) -> SessionStore:
    """The sessions of every kind, with what each kind does when one of its own is over. Keeps no state."""
    nodes, lessons = NodeStore(parts.mongo, parts.now), tutoring_wiring.build(parts.settings, parts.mongo, parts.now)
    plain = SessionStore(parts.mongo, nodes.leases, parts.now)
    on_ended: dict[SessionKind, Hook] = {
        "listening": _rollups(parts).mark,
        "tutoring": lessons.tracking.sockets_told,
        "study": study_wiring.build(parts.settings, parts.mongo, plain, parts.now).tracking.sockets_told,
    }
    return SessionStore(parts.mongo, nodes.leases, parts.now, on_ended)


def _rollups(parts: Parts) -> Rollups:
    return Rollups(parts.mongo, parts.settings.backend.sessions.retention_days * DAY_SECONDS, parts.now)


def nodes(parts: Parts) -> Feature:
    """Leases of presence nodes."""
    return Feature(nodes_table, [NodeStore(parts.mongo, parts.now)])


def sessions(parts: Parts) -> Feature:
    """What presence nodes report of sessions, and the sweep that ends them."""
    store, known = _session_store(parts), NodeStore(parts.mongo, parts.now)
    often = sweep.Sweep(store, known, parts.now, ["listening", "study"])
    seldom = sweep.Sweep(store, known, parts.now, ["tutoring"])
    jobs = [
        Job("sweep", sweep.PERIOD_SECONDS, often.run),
        Job("sweep lessons", sweep.LESSONS_PERIOD_SECONDS, seldom.run),
    ]
    settings, embedded = parts.settings.backend.sessions, parts.settings.backend.mongo.embedded
    kept_seconds = settings.retention_days * DAY_SECONDS
    if embedded:
        purge_of_sessions = session_purge.Purge(parts.mongo, kept_seconds, parts.now)
        jobs.append(Job("purge sessions", session_purge.PERIOD_SECONDS, purge_of_sessions.run))
    pace = CallPace(per_second=settings.calls_per_second, at_once=settings.calls_at_once)
    services = (IntervalIntake(store, Describe(parts.places), parts.registry, parts.now), parts.places, pace)
    return Feature(sessions_table, services, jobs, session_indexes(kept_seconds, embedded=embedded))


def listening(parts: Parts) -> Feature:
    """Listening to stations."""
    store, now, settings = _session_store(parts), parts.now, parts.settings.backend.listening
    source, rollups = Source(store), _rollups(parts)
    channels = Channels(parts.mongo, parts.settings.backend.timezone)
    limits = StartLimits(settings.guest_sessions_per_address, settings.guest_starts_per_minute)
    secrets = token_secrets(parts.settings.internal.keys().values())
    services = (ListeningCalls(store, secrets, limits, now), Station(source, rollups, channels), channels)

    async def roll_up() -> None:
        await rollups.run(source)
        limits.forget(now())

    return Feature(listening_table, services, [Job("listening days", PERIOD_SECONDS, roll_up)], LISTENING_INDEXES)


def tutoring(parts: Parts) -> Feature:
    """Links to lessons, the lessons, what they cost."""
    built = tutoring_wiring.build(parts.settings, parts.mongo, parts.now)
    return Feature(tutoring_table, built.services, built.jobs, tutoring_wiring.INDEXES)


def study(parts: Parts) -> Feature:
    """Study calls."""
    built = study_wiring.build(parts.settings, parts.mongo, _session_store(parts), parts.now)
    return Feature(study_table, built.services, built.jobs, study_wiring.INDEXES)


FEATURES: Sequence[Callable[[Parts], Feature]] = (
    viewers,
    engagement,
    engagement_upkeep,
    engagement_catalogue,
    nodes,
    sessions,
    listening,
    tutoring,
    study,
    pages,
)
