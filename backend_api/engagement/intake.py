"""A batch as it arrives: who sent it and how much they may send, then the checks, then storing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter

from backend_api.contract.events import BatchAnswer
from backend_api.engagement.catalogue import Catalogue
from backend_api.engagement.documents import Origin
from backend_api.engagement.events import Conditions, Sender, admit, read
from backend_api.engagement.foundations import Foundations
from backend_api.engagement.ingest import Ingest
from backend_api.engagement.privacy import MAX_USER_AGENT, is_bot, keyed_hash, network_of, truncated
from backend_api.engagement.retention import Retention
from backend_api.engagement.settings import EngagementSettings
from backend_api.service.errors import TooManyRequests
from backend_api.service.limits import AddressLimits


class Arrival(NamedTuple):
    """Where a batch came from. `consent` is what the page says, None where it says nothing; times are Unix seconds."""

    address: str
    country: str | None
    user_agent: str
    user_id: str | None
    is_internal: bool
    consent: bool | None
    sent_at: float | None
    received_at: float


class EventIntake:
    """Takes batches in."""

    def __init__(
        self,
        catalogue: Catalogue,
        ingest: Ingest,
        foundations: Foundations,
        retention: Retention,
        settings: EngagementSettings,
        registry: CollectorRegistry,
    ) -> None:
        self._catalogue = catalogue
        self._ingest, self._foundations = ingest, foundations
        self._retention = retention
        self._settings = settings
        self._limits = AddressLimits(per_second=settings.events_per_second, cap=settings.events_at_once)
        self._events = Counter("engagement_events", "Events of batches", ["outcome"], registry=registry)
        self._uncounted = Counter(
            "engagement_uncounted", "Events that were accepted and are in no figure", ["why"], registry=registry
        )

    async def take(self, items: Sequence[Any], arrival: Arrival) -> BatchAnswer:
        """What became of each; TooManyRequests where the address has sent too many."""
        self._check_limit(arrival, len(items))
        await self._foundations.refresh()
        sender = self._sender(arrival)
        events = {index: read(item) for index, item in enumerate(items)}
        named = {event.track_id for event in events.values() if not isinstance(event, str)}
        known = await self._catalogue.known(named, arrival.received_at)
        is_guest = sender.user_id is None and not sender.is_trusted
        conditions = Conditions(
            received_at=arrival.received_at,
            sent_at=arrival.sent_at,
            oldest_at=self._retention.oldest_at(arrival.received_at, is_guest=is_guest),
            known_tracks=known,
            guest_likes_count=self._settings.guest_likes_count,
        )
        admitted = admit(events, sender, conditions)
        outcome = await self._ingest.store(admitted.events, self._origin(sender, arrival))
        rejected = sorted([*admitted.rejected, *outcome.conflicts], key=lambda one: one.index)
        answer = BatchAnswer(accepted=len(outcome.new), duplicates=len(outcome.repeated), rejected=rejected)
        self._observe(answer)
        for event in outcome.new:
            if event.uncounted is not None:
                self._uncounted.labels(event.uncounted).inc()
        return answer

    def _check_limit(self, arrival: Arrival, events: int) -> None:
        if arrival.is_internal:
            return
        if wait := self._limits.take(network_of(arrival.address), events, arrival.received_at):
            raise TooManyRequests("This address sends too many events.", retry_after_seconds=wait)

    def _sender(self, arrival: Arrival) -> Sender:
        consent = self._settings.consent == "assumed" if arrival.consent is None else arrival.consent
        is_guest = arrival.user_id is None and not arrival.is_internal  # Apps of users say what crawlers say, too.
        robot = is_guest and is_bot(arrival.user_agent[:MAX_USER_AGENT])
        return Sender(arrival.user_id, arrival.is_internal, consent, robot)

    def _origin(self, sender: Sender, arrival: Arrival) -> Origin:
        """The country was found by the whole address; what is kept of it is less."""
        if arrival.is_internal:
            return Origin(arrival.user_id, country=arrival.country)
        country = arrival.country
        if not sender.has_consent:
            return Origin(arrival.user_id, keeps_device=False, country=country)
        agent = arrival.user_agent[:MAX_USER_AGENT]
        return Origin(arrival.user_id, user_agent=agent, ip=self._kept_address(arrival.address), country=country)

    def _kept_address(self, address: str) -> str | None:
        key = self._settings.address_key
        if key is not None:
            return keyed_hash(address, key.get_secret_value().encode())
        return truncated(address) if self._settings.addresses == "truncated" else None

    def _observe(self, answer: BatchAnswer) -> None:
        self._events.labels("accepted").inc(answer.accepted)
        self._events.labels("duplicate").inc(answer.duplicates)
        for rejected in answer.rejected:
            self._events.labels(rejected.reason).inc()
