"""How values look on the wire: camelCase names, RFC 3339 times in UTC, two-decimal averages. Owns no message."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A message of the contract. Unknown fields are errors; values are immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )


class Lenient(Wire):
    """A message whose unknown fields are ignored: webhooks, engagement events and beacons."""

    model_config = ConfigDict(extra="ignore")


def _is_none(value: object) -> bool:
    return value is None


def left_out() -> Any:
    """A field that is not written where it is None; without this a None is written as null."""
    return Field(default=None, exclude_if=_is_none)


def rfc3339(moment: datetime) -> str:
    """`2026-11-21T10:00:00Z`; milliseconds are written only where there are any."""
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def at(seconds: float) -> datetime:
    """UTC time of Unix `seconds`."""
    return datetime.fromtimestamp(seconds, UTC)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


Timestamp = Annotated[
    AwareDatetime, AfterValidator(_in_utc), PlainSerializer(rfc3339, return_type=str, when_used="json")
]
"""A moment with an offset; kept in UTC, written as RFC 3339 with `Z`."""
