"""The section [backend.engagement]. Relations between its values are checked here."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from backend_api.service.settings import Section
from backend_api.service.values import Secret

Days = Annotated[int, Field(ge=1, le=3_650)]


class EngagementSettings(Section):
    """How events are taken, what is kept of their senders, how long raw events live."""

    raw_retention_days: Days = 90
    """Events are taken up to two days less, so that their days can be recounted while all of them is there."""
    guest_retention_days: Days = 7
    """How old a guest's event may be when it arrives."""
    guest_likes_count: bool = False
    consent: Literal["assumed", "required"] = "assumed"
    """With "required", a batch without `consent: true` leaves no device id, address or user agent."""
    addresses: Literal["truncated", "hashed", "none"] = "truncated"
    address_key: Secret | None = None
    events_per_second: Annotated[float, Field(gt=0)] = 50.0
    """Per address, on average; `events_at_once` is the cap."""
    events_at_once: Annotated[int, Field(ge=1_000)] = 5_000
    rollup_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often marked hours are recounted."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.guest_retention_days > self.raw_retention_days - 2:
            raise ValueError("guest_retention_days must be at most raw_retention_days - 2: events are taken until then")
        if (self.addresses == "hashed") != (self.address_key is not None):
            raise ValueError("address_key belongs to addresses = hashed")
        return self
