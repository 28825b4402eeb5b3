"""Study calls put together from settings, database and clock."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backend_api.config import Root, StreamSettings
from backend_api.contract.session_tokens import token_secrets
from backend_api.db import Mongo
from backend_api.jobs import Job
from backend_api.sessions.store import SessionStore
from backend_api.study import asking as questions
from backend_api.study import inbox as webhooks
from backend_api.study import store as facts
from backend_api.study.asking import Asking
from backend_api.study.hearing import Hearing
from backend_api.study.inbox import Inbox
from backend_api.study.intake import WebhookIntake
from backend_api.study.providers import CallProvider, NoProvider, StreamProvider
from backend_api.study.reading import StudyReading
from backend_api.study.reconcile import PERIOD_SECONDS, Reconcile
from backend_api.study.store import StudyStore
from backend_api.study.tracking import StudyTracking
from backend_api.study.webhook import Keys

APPLY_SECONDS = 15.0
INDEXES = (*facts.INDEXES, *questions.INDEXES, *webhooks.INDEXES)


class Study(NamedTuple):
    """What the backend needs of study calls. `tracking.sockets_told` is for `SessionStore.on_ended`."""

    tracking: StudyTracking
    services: Sequence[object]
    jobs: Sequence[Job]


def build(settings: Root, mongo: Mongo, sessions: SessionStore, now: Callable[[], float]) -> Study:
    stream, secrets = settings.backend.stream, token_secrets(settings.internal.keys().values())
    store, asking, inbox = StudyStore(mongo), Asking(mongo), Inbox(mongo)
    reading = StudyReading(sessions, store, stream.call_type, ZoneInfo(settings.backend.timezone), now)
    tracking = StudyTracking(sessions, store, Hearing(store, asking, provider(stream), now), reading, secrets, now)
    intake = WebhookIntake(inbox, tracking, keys(stream), now)
    jobs = (
        Job("study-webhooks", APPLY_SECONDS, intake.apply_waiting),
        Job("study-reconcile", PERIOD_SECONDS, Reconcile(asking, tracking, now).run),
    )
    return Study(tracking, (tracking, reading, intake), jobs)


def keys(stream: StreamSettings) -> Keys | None:
    """What verifies webhooks; None where no provider is configured."""
    if stream.api_key is None or stream.api_secret is None:
        return None
    return Keys(stream.api_key, stream.api_secret.get_secret_value().encode())


def provider(stream: StreamSettings) -> CallProvider:
    known = keys(stream)
    return NoProvider() if known is None else StreamProvider(known, stream.base_url, stream.call_type)
