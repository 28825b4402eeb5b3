"""Brings links to students: one try when the link is made, more by a job while that can help."""

import structlog

from backend_api.tutoring.lesson import Delivery, Lesson
from backend_api.tutoring.notifier import TIMEOUT_SECONDS, Message, Notifier, Outcome
from backend_api.tutoring.quiet import Quiet
from backend_api.tutoring.settings import LinkMaker
from backend_api.tutoring.store import LessonStore

MAX_TRIES = 12
LONGEST_PAUSE_SECONDS = 900.0
CLAIM_SECONDS = 2 * TIMEOUT_SECONDS
"""Whoever sends a message has so long to note what became of it; until then nobody else tries."""
PER_ROUND = 25
"""Messengers take about thirty messages a second from one bot."""

log = structlog.get_logger(__name__)


def first(chat_id: str | None, now: float) -> Delivery:
    """The state of a link that its maker is about to send."""
    if chat_id is None:
        return Delivery(state="none", reason="no chat is known")
    return Delivery(state="waiting", next_at=now + CLAIM_SECONDS)


def after(delivery: Delivery, outcome: Outcome, now: float, expires_at: float) -> Delivery:
    """The state after one more try: done, to be tried again (ever more slowly, never after the expiry), or given up."""
    attempts = delivery.attempts + 1
    if outcome.delivered:
        return Delivery(state="delivered", attempts=attempts)
    if outcome.retry_after_seconds is None or attempts >= MAX_TRIES:
        return Delivery(state="failed", attempts=attempts, reason=outcome.reason)
    pause = min(outcome.retry_after_seconds * 2 ** (attempts - 1), LONGEST_PAUSE_SECONDS)
    next_at = now + max(outcome.retry_after_seconds, pause)
    if next_at >= expires_at:
        return Delivery(state="failed", attempts=attempts, reason=outcome.reason)
    return Delivery(state="waiting", attempts=attempts, next_at=next_at, reason=outcome.reason)


class Deliveries:
    """Sends what is due."""

    def __init__(self, store: LessonStore, notifier: Notifier, links: LinkMaker) -> None:
        self._store, self._notifier, self._links = store, notifier, links
        self._quiet = Quiet()

    async def attempt(self, lesson: Lesson, now: float) -> Lesson:
        """One try, and the lesson with its outcome; while its chat is to be left alone it waits for the end of that."""
        if lesson.chat_id is None or lesson.status != "pending":
            return lesson
        if now < (until := self._quiet.until(lesson.chat_id)):
            return await self._store.change(lesson.id, lambda fresh: _put_off(fresh, until))
        outcome = await self._notifier.send(lesson.chat_id, self._message(lesson))
        if outcome.is_slow_down and outcome.retry_after_seconds is not None:
            self._quiet.refused(lesson.chat_id, outcome.retry_after_seconds, now)
        elif outcome.delivered:
            self._quiet.served()
        if not outcome.delivered:
            log.warning("tutoring_link_not_delivered", lesson=lesson.id, reason=outcome.reason)
        return await self._store.change(lesson.id, lambda fresh: _noted(fresh, outcome, now))

    async def send_due(self, now: float) -> None:
        """The job: tries what is due."""
        for lesson in await self._store.due_deliveries(now, PER_ROUND):
            if lesson.status != "pending" or lesson.is_expired(now):
                await self._store.change(lesson.id, _given_up)
            elif await self._claim(lesson.id, now):
                await self.attempt(lesson, now)

    async def _claim(self, lesson_id: str, now: float) -> bool:
        """Whether it is for us to send; two at once would be two messages."""
        is_due = False

        def claimed(fresh: Lesson) -> Lesson:
            nonlocal is_due
            delivery = fresh.delivery
            is_due = delivery.next_at is not None and delivery.next_at <= now
            later = delivery.model_copy(update={"next_at": now + CLAIM_SECONDS})
            return fresh.with_(delivery=later) if is_due else fresh

        await self._store.change(lesson_id, claimed)
        return is_due

    def _message(self, lesson: Lesson) -> Message:
        text = f"{lesson.teacher_name} invites you to a lesson. The link works once, for you alone."
        return Message(text, "Join the lesson", self._links.url(lesson))


def _noted(lesson: Lesson, outcome: Outcome, now: float) -> Lesson:
    if lesson.delivery.state != "waiting":
        return lesson
    return lesson.with_(delivery=after(lesson.delivery, outcome, now, lesson.expires_at))


def _put_off(lesson: Lesson, until: float) -> Lesson:
    if lesson.delivery.state != "waiting":
        return lesson
    return lesson.with_(delivery=lesson.delivery.model_copy(update={"next_at": until}))


def _given_up(lesson: Lesson) -> Lesson:
    return lesson.with_(delivery=lesson.delivery.model_copy(update={"state": "failed", "next_at": None}))
