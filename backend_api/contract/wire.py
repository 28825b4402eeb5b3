"""How values look on the wire: camelCase names, RFC 3339 times in UTC, two-decimal averages. Owns no message."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Wire(BaseModel):
    """A message of the contract. Unknown fields are errors; values are immutable."""

    # There are so many that to build them all took a third of every start; each is built when it is first needed.
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
    )


class Lenient(Wire):
    """A message whose unknown fields are ignored: webhooks, engagement events and beacons."""

    model_config = ConfigDict(extra="ignore")


def _is_none(value: object) -> bool:
    return value is None


def left_out() -> Any:
    """A field that is not written where it is None; without this a None is written as null."""
    return Field(default=None, exclude_if=_is_none)


def _or_none(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError:
        return None


ADVISORY = WrapValidator(_or_none)
"""For what a client merely believes: where it is not what it should be, it is passed over and the message counts."""


def rfc3339(moment: datetime) -> str:
    """`2026-11-21T10:00:00Z`; milliseconds are written only where there are any."""
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def at(seconds: float) -> datetime:
    """UTC time of Unix `seconds`."""
    return datetime.fromtimestamp(seconds, UTC)


def _as_text(value: object) -> object:
    """Numbers, texts that are numbers and bare dates are times to pydantic, not on the wire."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, as 2026-11-21T10:00:00Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_as_text),
    AfterValidator(_in_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""A moment with an offset, read from RFC 3339 (or a datetime); kept in UTC, written with `Z`."""
