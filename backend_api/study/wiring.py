"""Study calls put together from settings, database and clock."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backend_api.config import Root, StreamSettings
from backend_api.db import Mongo
from backend_api.jobs import Job
from backend_api.sessions.store import SessionStore
from backend_api.study.intake import WebhookIntake
from backend_api.study.providers import CallProvider, NoProvider, StreamProvider
from backend_api.study.reconcile import PERIOD_SECONDS, Reconcile
from backend_api.study.store import StudyStore
from backend_api.study.tracking import StudyTracking
from backend_api.study.webhook import Keys

APPLY_SECONDS = 15.0


class Study(NamedTuple):
    """What the backend needs of study calls. `tracking.sockets_told` is for `SessionStore.on_ended`."""

    tracking: StudyTracking
    services: Sequence[object]
    jobs: Sequence[Job]


def tracking_on(settings: Root, mongo: Mongo, sessions: SessionStore, now: Callable[[], float]) -> StudyTracking:
    stream, zone = settings.backend.stream, ZoneInfo(settings.backend.timezone)
    return StudyTracking(sessions, StudyStore(mongo), provider(stream), stream.call_type, zone, now)


def build(settings: Root, mongo: Mongo, sessions: SessionStore, now: Callable[[], float]) -> Study:
    tracking, store = tracking_on(settings, mongo, sessions, now), StudyStore(mongo)
    intake = WebhookIntake(store, tracking, keys(settings.backend.stream), now)
    jobs = (
        Job("study-webhooks", APPLY_SECONDS, intake.apply_waiting),
        Job("study-reconcile", PERIOD_SECONDS, Reconcile(store, tracking, now).run),
    )
    return Study(tracking, (tracking, intake), jobs)


def keys(stream: StreamSettings) -> Keys | None:
    """What verifies webhooks; None where no provider is configured."""
    if stream.api_key is None or stream.api_secret is None:
        return None
    return Keys(stream.api_key, stream.api_secret.get_secret_value().encode())


def provider(stream: StreamSettings) -> CallProvider:
    known = keys(stream)
    return NoProvider() if known is None else StreamProvider(known, stream.base_url, stream.call_type)
